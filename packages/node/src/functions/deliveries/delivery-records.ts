/**
 * Deliveries in the log: records of kind `effect`, `delivery/<function>/<id>`, from the commit of their cause until they are
 * done; and marks of what a delivery has published already, `delivery/<function>/<id>/<what>`, which go with it.
 */
import { createHash } from "node:crypto"
import type { Clock, KeyedRecord, Logger, Random, Store } from "@brume/core"
import type { Delivery } from "./delivery.ts"

interface Recorded {
  readonly event: unknown
  readonly isList?: boolean
  /** Name of its trigger. */
  readonly trigger: string
}

/** What the log has of a delivery. */
export interface RecordedDelivery {
  readonly record: string
  readonly recorded: Recorded
}

const prefix = "delivery/"
const mark = new Uint8Array([1])

export class DeliveryRecords {
  readonly #store: Pick<Store, "put" | "get" | "entries">
  readonly #clock: Clock
  readonly #logger: Logger
  /** Of this opening: ids are unique although the clock may go back. */
  readonly #opening: string
  /** By delivery: what it has published. */
  readonly #marks = new Map<string, Set<string>>()
  #count = 0

  constructor(
    store: Pick<Store, "put" | "get" | "entries">,
    { clock, random, logger }: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  ) {
    this.#store = store
    this.#clock = clock
    this.#logger = logger
    this.#opening = Buffer.from(random.bytes(4)).toString("hex")
  }

  /** Deliveries that a former life of the node left, oldest first; what belongs to no known function is removed. */
  recover(isKnown: (name: string) => boolean): Map<string, RecordedDelivery[]> {
    const found = new Map<string, RecordedDelivery[]>()
    const lost: KeyedRecord[] = []
    for (const [record, value] of this.#store.entries("effect")) {
      if (!record.startsWith(prefix)) continue
      const [name = "", id = "", what] = record.slice(prefix.length).split("/")
      const recorded = what === undefined ? decode(value) : undefined
      if (!isKnown(name) || (what === undefined && recorded === undefined)) {
        lost.push({ kind: "effect", key: record, value: undefined })
      } else if (recorded === undefined) {
        this.#marksOf(`${prefix}${name}/${id}`).add(record)
      } else {
        found.set(name, [...(found.get(name) ?? []), { record, recorded }])
      }
    }
    if (lost.length > 0) this.#put(lost)
    for (const list of found.values()) list.sort((a, b) => (a.record < b.record ? -1 : 1))
    return found
  }

  /** Names a delivery. */
  newKey(name: string): string {
    // 11 digits of base 36 hold microseconds for 4,000 years, so that names sort by time.
    const time = this.#clock.now().toString(36).padStart(11, "0")
    return `${prefix}${name}/${time}-${this.#opening}-${(++this.#count).toString(36).padStart(8, "0")}`
  }

  /** For a commit: it is over, and need not be remembered. */
  removal(deliveries: readonly Delivery[]): KeyedRecord[] {
    const records = deliveries.flatMap(({ record }) => (record === undefined ? [] : [record]))
    const keys = records.flatMap((record) => [record, ...(this.#marks.get(record) ?? [])])
    for (const record of records) this.#marks.delete(record)
    return keys.map((key) => ({ kind: "effect", key, value: undefined }))
  }

  /** They are over. Should this be lost in a crash they come again, with the same keys. */
  end(deliveries: readonly Delivery[]): void {
    const records = this.removal(deliveries)
    if (records.length > 0) this.#put(records)
  }

  /** All of a function, for the commit that removes it. */
  removalOf(name: string): KeyedRecord[] {
    const own = `${prefix}${name}/`
    for (const record of this.#marks.keys()) if (record.startsWith(own)) this.#marks.delete(record)
    return [...this.#store.entries("effect")]
      .filter(([key]) => key.startsWith(own))
      .map(([key]) => ({ kind: "effect", key, value: undefined }))
  }

  /**
   * The mark of something that a delivery does once; undefined where it has done it. It belongs into the commit of what
   * it does.
   */
  mark(record: string, what: string): KeyedRecord | undefined {
    const key = `${record}/${createHash("sha256").update(what).digest("base64url").slice(0, 22)}`
    const marks = this.#marksOf(record)
    if (marks.has(key)) return undefined
    marks.add(key)
    return { kind: "effect", key, value: mark }
  }

  /** What was to be done was not. */
  unmark(record: string, { key }: KeyedRecord): void {
    this.#marks.get(record)?.delete(key)
  }

  #marksOf(record: string): Set<string> {
    let marks = this.#marks.get(record)
    if (marks === undefined) {
      marks = new Set()
      this.#marks.set(record, marks)
    }
    return marks
  }

  #put(records: readonly KeyedRecord[]): void {
    const tell = (error: unknown): void =>
      this.#logger.warn("Deliveries that are over cannot be forgotten; a restart will repeat them", { error })
    try {
      this.#store.put(records).durable.catch(tell)
    } catch (error) {
      tell(error)
    }
  }
}

/** A record for the commit of an event's cause. */
export function deliveryRecord(key: string, recorded: Recorded): KeyedRecord & { readonly value: Uint8Array } {
  return { kind: "effect", key, value: Buffer.from(JSON.stringify(recorded)) }
}

/** The key that the function sees. */
export function keyOf(record: string): string {
  return record.slice(prefix.length)
}

function decode(value: Uint8Array): Recorded | undefined {
  try {
    const recorded = JSON.parse(new TextDecoder().decode(value)) as Recorded
    return typeof recorded.trigger === "string" ? recorded : undefined
  } catch {
    return undefined
  }
}
