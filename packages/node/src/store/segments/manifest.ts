/**
 * The manifest: which segments exist. It is a set of keyed records of the log, so that it is as durable and as
 * consistent as the log; a change of it is one commit.
 *
 * A change removes what it replaces. Every sequence below the log's start is accounted for by exactly one of: a listed
 * segment, the dropped ranges, the damaged ranges.
 */
import { type Appended, type DamagedRange, FogError, type KeyedKind, type KeyedRecord } from "@brume/core"
import { covers, parseRanges, type Ranges, rangesOf, unite } from "./ranges.ts"

/** A segment as the manifest describes it. Times are µs since 1970 UTC. */
export interface SegmentEntry {
  readonly name: string
  readonly node: string
  readonly epoch: string
  /** Every reading with these sequences is in the file, and no other. */
  readonly ranges: Ranges
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
  readonly minTime: number
  readonly maxTime: number
  readonly minReceived: number
  readonly maxReceived: number
}

/** The file with the newest sealed row of each series. */
export interface LatestEntry {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/** A range that was lost with its segment, as which it is recognised should it be put back. */
export interface Damage extends DamagedRange {
  readonly entry?: SegmentEntry
}

export interface ManifestChange {
  readonly add?: readonly SegmentEntry[]
  readonly remove?: readonly SegmentEntry[]
  /** Replaces the one before; "none" removes it. */
  readonly latest?: LatestEntry | "none"
  /** Sequences by epoch that retention has dropped. */
  readonly dropped?: readonly { readonly epoch: string; readonly ranges: Ranges }[]
  readonly damaged?: readonly Damage[]
  /** Damage that is not reported any more; its sequences stay accounted for as dropped. */
  readonly settled?: readonly Damage[]
  /** Damage that was repaired: its sequences are in a segment that is added. */
  readonly repaired?: readonly Damage[]
}

/** What the manifest needs of the log. */
export interface ManifestLog {
  put(records: readonly KeyedRecord[]): Appended
  entries(kind: KeyedKind): Iterable<[key: string, value: Uint8Array]>
}

export class Manifest {
  readonly #log: ManifestLog
  readonly #segments = new Map<string, SegmentEntry>()
  readonly #dropped = new Map<string, Ranges>()
  #damaged: Damage[] = []
  #latest: LatestEntry | undefined
  /** Keys whose values make no sense; what they stood for is rebuilt from the folder. */
  readonly unreadable: readonly string[]

  constructor(log: ManifestLog) {
    this.#log = log
    const unreadable: string[] = []
    for (const [key, bytes] of log.entries("manifest")) {
      if (!this.#read(key, parseJson(bytes))) unreadable.push(key)
    }
    this.unreadable = unreadable
  }

  /** By epoch and sequence. */
  get segments(): SegmentEntry[] {
    return [...this.#segments.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get latest(): LatestEntry | undefined {
    return this.#latest
  }

  get damaged(): readonly Damage[] {
    return this.#damaged
  }

  has(name: string): boolean {
    return this.#segments.has(name)
  }

  /** Sequences by epoch whose readings are in listed segments. */
  get listed(): { epoch: string; ranges: Ranges }[] {
    const epochs = [...new Set(this.segments.map(({ epoch }) => epoch))]
    return epochs.map((epoch) => ({ epoch, ranges: this.listedOf(epoch) }))
  }

  listedOf(epoch: string): Ranges {
    return rangesOf(this.segments.filter((entry) => entry.epoch === epoch).flatMap((entry) => entry.ranges))
  }

  /** Sequences of an epoch that need not come from the log any more. */
  accounted(epoch: string): Ranges {
    const damaged = this.#damaged.filter((range) => range.epoch === epoch)
    const lost = rangesOf(damaged.map(({ fromSeq, toSeq }) => [fromSeq, toSeq] as const))
    return unite(unite(this.listedOf(epoch), this.#dropped.get(epoch) ?? []), lost)
  }

  /** Listed segments whose ranges another listed one has too: left when a part of a change was lost with the log. */
  superseded(): SegmentEntry[] {
    const all = this.segments
    const isInside = (inner: SegmentEntry, outer: SegmentEntry): boolean =>
      outer !== inner && outer.epoch === inner.epoch && covers(outer.ranges, inner.ranges)
    return all.filter((entry) => all.some((other) => isInside(entry, other) && !isInside(other, entry)))
  }

  /** Durable, and in force here, when it resolves. */
  async commit(change: ManifestChange): Promise<void> {
    const { latest, settled = [], repaired = [] } = change
    const gone = settled.map(({ epoch, fromSeq, toSeq }) => ({ epoch, ranges: [[fromSeq, toSeq]] as Ranges }))
    const dropped = this.#droppedWith([...(change.dropped ?? []), ...gone])
    const record = (key: string, value: unknown): KeyedRecord => ({
      kind: "manifest",
      key,
      value: value === undefined ? undefined : new TextEncoder().encode(JSON.stringify(value)),
    })
    const records = [
      ...(change.add ?? []).map((entry) => record(`segment/${entry.name}`, entry)),
      ...(change.remove ?? []).map((entry) => record(`segment/${entry.name}`, undefined)),
      ...(latest === undefined ? [] : [record("latest", latest === "none" ? undefined : latest)]),
      ...dropped.map(({ epoch, ranges }) => record(`dropped/${epoch}`, ranges)),
      ...(change.damaged ?? []).map((range) => record(damagedKey(range), range)),
      ...[...settled, ...repaired].map((range) => record(damagedKey(range), undefined)),
    ]
    if (records.length === 0) return
    await this.#log.put(records).durable
    for (const entry of change.remove ?? []) this.#segments.delete(entry.name)
    for (const entry of change.add ?? []) this.#segments.set(entry.name, entry)
    for (const { epoch, ranges } of dropped) this.#dropped.set(epoch, ranges)
    const over = new Set([...settled, ...repaired])
    this.#damaged = [...this.#damaged.filter((range) => !over.has(range)), ...(change.damaged ?? [])]
    if (latest !== undefined) this.#latest = latest === "none" ? undefined : latest
  }

  /** All dropped ranges of the epochs that are concerned. */
  #droppedWith(
    more: readonly { readonly epoch: string; readonly ranges: Ranges }[],
  ): { epoch: string; ranges: Ranges }[] {
    const all = new Map<string, Ranges>()
    for (const { epoch, ranges } of more) {
      all.set(epoch, unite(all.get(epoch) ?? this.#dropped.get(epoch) ?? [], ranges))
    }
    return [...all].map(([epoch, ranges]) => ({ epoch, ranges }))
  }

  #read(key: string, value: unknown): boolean {
    const [what, name = ""] = key.split(/\/(.*)/s)
    if (what === "segment") {
      const entry = parseSegment(name, value)
      if (entry !== undefined) this.#segments.set(name, entry)
      return entry !== undefined
    }
    if (what === "latest") {
      const entry = parseLatest(value)
      this.#latest = entry
      return entry !== undefined
    }
    if (what === "dropped") {
      const ranges = parseRanges(value)
      if (ranges !== undefined) this.#dropped.set(name, ranges)
      return ranges !== undefined
    }
    if (what === "damaged") {
      const range = parseDamaged(value)
      if (range !== undefined) this.#damaged.push(range)
      return range !== undefined
    }
    throw new FogError("store_version", {
      message: `The manifest has a record ${JSON.stringify(key)}, which this version of Brume does not know`,
      hint: "Start the version that wrote this data folder, or a newer one.",
    })
  }
}

function damagedKey({ epoch, fromSeq }: DamagedRange): string {
  return `damaged/${epoch}-${fromSeq}`
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

function parseSegment(name: string, value: unknown): SegmentEntry | undefined {
  if (!isObject(value) || value.name !== name) return undefined
  const ranges = parseRanges(value.ranges)
  if (ranges === undefined || ranges.length === 0) return undefined
  const { node, epoch, sha256 } = value
  if (typeof node !== "string" || typeof epoch !== "string" || typeof sha256 !== "string") return undefined
  const numbers = ["rows", "bytes", "minTime", "maxTime", "minReceived", "maxReceived"]
  if (!numbers.every((field) => Number.isSafeInteger(value[field]))) return undefined
  return { ...(value as unknown as SegmentEntry), ranges }
}

function parseLatest(value: unknown): LatestEntry | undefined {
  if (!isObject(value) || typeof value.name !== "string" || typeof value.sha256 !== "string") return undefined
  return Number.isSafeInteger(value.bytes) ? (value as unknown as LatestEntry) : undefined
}

function parseDamaged(value: unknown): Damage | undefined {
  if (!isObject(value)) return undefined
  const texts = ["epoch", "file", "quarantined", "certainty"]
  const numbers = ["fromSeq", "toSeq"]
  if (!texts.every((field) => typeof value[field] === "string")) return undefined
  if (!numbers.every((field) => Number.isSafeInteger(value[field]))) return undefined
  const { entry, ...range } = value as unknown as Damage
  const segment = entry === undefined ? undefined : parseSegment(entry.name, entry)
  return segment === undefined ? range : { ...range, entry: segment }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
