/**
 * What a rule remembers of one series, topic or schedule, in memory and as a record of the log: the one is always the
 * other, but for what is on its way to the disk.
 */
import type { KeyedRecord, Series, Store } from "@brume/core"
import type { Touched } from "./evaluation.ts"
import type { Remembered } from "./remembered.ts"

/** `pending`: the condition holds, but not yet for long enough; `active`: it fired, and has not cleared. */
export type Phase = "idle" | "pending" | "active"

/** What is stored, as JSON: short names, as there may be many. */
interface Stored {
  /** Phase. */
  readonly p?: "pending" | "active"
  /** Since. */
  readonly s?: number
  /** Quiet until. */
  readonly q?: number
  /** Heard, where no reading says it. */
  readonly h?: number
  readonly r?: Remembered
}

const prefix = "rule/"

/** What a subject is. */
export type SubjectOf = Series | string

export function subjectKey(rule: string, of: SubjectOf): string {
  return typeof of === "string" ? `${prefix}${rule}/t/${of}` : `${prefix}${rule}/s/${of.key}`
}

export function scheduleKey(rule: string): string {
  return `${rulePrefix(rule)}at`
}

/** With what all keys of a rule begin. */
export function rulePrefix(rule: string): string {
  return `${prefix}${rule}/`
}

/** The parts of a key; undefined for keys of others. */
export function parseSubjectKey(
  key: string,
): { readonly rule: string; readonly kind: string; readonly name: string } | undefined {
  if (!key.startsWith(prefix)) return undefined
  const end = key.indexOf("/", prefix.length)
  if (end < 0) return undefined
  const next = key.indexOf("/", end + 1)
  const rule = key.slice(prefix.length, end)
  if (next < 0) return { rule, kind: key.slice(end + 1), name: "" }
  return { rule, kind: key.slice(end + 1, next), name: key.slice(next + 1) }
}

export type StateStore = Pick<Store, "get">

export class Subject implements Touched {
  readonly key: string
  /** The series, or the topic. */
  readonly of: SubjectOf
  phase: Phase = "idle"
  /** When the phase began, µs since 1970 UTC. */
  since = 0
  /** Until then it does not fire. µs since 1970 UTC. */
  quietUntil = 0
  /** What was seen last, where the rule or the phase needs it. */
  seen: Remembered | undefined = undefined
  /** What is due, where somebody waits for it; µs since 1970 UTC. */
  awaited = 0
  /** When it was last heard, for rules on silence; stored only where no reading in the log says it. µs since 1970 UTC. */
  heardUs = 0
  #storesHeard = false
  #storedHeardUs = 0
  #isStored = false
  readonly #store: StateStore

  constructor(store: StateStore, key: string, of: SubjectOf) {
    this.#store = store
    this.key = key
    this.of = of
    this.restore()
  }

  /** Its condition holds no more. @param keepsSeen whether the rule needs what was seen last */
  rest(keepsSeen: boolean): void {
    this.phase = "idle"
    this.since = 0
    if (!keepsSeen) this.seen = undefined
  }

  /** The wall clock has jumped by so much: what began keeps its age. The log learns of it with the next change. */
  move(byUs: number): void {
    if (this.phase !== "idle") this.since += byUs
    if (this.quietUntil > 0) this.quietUntil += byUs
    if (this.heardUs > 0) this.heardUs += byUs
    this.awaited = 0
  }

  /** Silence counts from here, though no reading says so. */
  hearFrom(us: number): void {
    this.heardUs = us
    this.#storesHeard = true
  }

  /** Whether the log says that it was heard within so long. */
  isKnownAsHeard(nowUs: number, withinUs: number): boolean {
    return this.#storesHeard && nowUs - this.#storedHeardUs < withinUs
  }

  /** A reading says when it was heard. */
  hear(us: number): void {
    this.heardUs = us
    this.#storesHeard = false
  }

  record(): KeyedRecord | undefined {
    const { phase, since, quietUntil, seen, heardUs } = this
    const isEmpty = phase === "idle" && quietUntil === 0 && seen === undefined && !this.#storesHeard
    if (isEmpty && !this.#isStored) return undefined
    this.#isStored = !isEmpty
    this.#storedHeardUs = heardUs
    const stored: Stored = {
      ...(phase === "idle" ? {} : { p: phase, s: since }),
      ...(quietUntil === 0 ? {} : { q: quietUntil }),
      ...(this.#storesHeard ? { h: heardUs } : {}),
      ...(seen === undefined ? {} : { r: seen }),
    }
    return { kind: "state", key: this.key, value: isEmpty ? undefined : Buffer.from(JSON.stringify(stored)) }
  }

  restore(): void {
    const bytes = this.#store.get("state", this.key)
    this.#isStored = bytes !== undefined
    const stored = bytes === undefined ? {} : parseStored(bytes)
    this.phase = stored.p ?? "idle"
    this.since = stored.s ?? 0
    this.quietUntil = stored.q ?? 0
    this.#storesHeard = stored.h !== undefined
    this.#storedHeardUs = stored.h ?? 0
    this.heardUs = Math.max(this.heardUs, stored.h ?? 0)
    this.seen = stored.r
  }
}

/** Nothing for what another version wrote and this one does not understand. */
function parseStored(bytes: Uint8Array): Stored {
  try {
    const stored = JSON.parse(Buffer.from(bytes).toString("utf8")) as Stored
    return typeof stored === "object" && stored !== null && [undefined, "pending", "active"].includes(stored.p)
      ? stored
      : {}
  } catch {
    return {}
  }
}
