/**
 * What became of requests that carried an `Idempotency-Key`: kept as `effect` records in the commit of their readings, so
 * that either both survive a crash or neither, and a client may repeat a request whose answer it never saw.
 *
 * - K1. A key belongs to the token that used it.
 * - K2. A key is remembered for a window after its first use, and no longer than {@link IdempotencyLimits.maxKeys}
 *   younger ones leave room; the oldest go first. Old ones are removed in commits of new ones, a few in each.
 * - K3. A key is remembered from the moment its readings are appended: nobody else can begin with it meanwhile.
 */
import { type Clock, FogError, type KeyedRecord, type Logger, type Store } from "@brume/core"
import { excerpt } from "./payload/mistakes.ts"

export interface IdempotencyLimits {
  /** How long a key is remembered. @default 24 h */
  readonly windowMs: number
  /** Costs about 300 B a key here and in the store. @default 100000 */
  readonly maxKeys: number
}

export const defaultIdempotencyLimits: IdempotencyLimits = { windowMs: 86_400_000, maxKeys: 100_000 }

/** Longest key, as in the header's draft standard and at other makers. */
const maxKeyLength = 255
/** Old keys removed with a new one. */
const removedAtOnce = 8
const prefix = "idempotency/"

/** What was answered to the first request. */
export interface Outcome {
  readonly accepted: number
  readonly seq: number
  readonly epoch: string
}

interface Remembered extends Outcome {
  readonly hash: string
  /** µs since 1970 UTC. */
  readonly expires: number
}

/** A key that is about to be remembered. */
export interface Entry {
  readonly key: string
  readonly expires: number
  readonly records: readonly KeyedRecord[]
}

export interface IdempotencyOptions {
  readonly store: Pick<Store, "get" | "entries">
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: IdempotencyLimits
}

export class Idempotency {
  readonly #options: IdempotencyOptions
  /** When each remembered key expires, the oldest first; the outcomes are in the store. */
  readonly #expiries = new Map<string, number>()

  constructor(options: IdempotencyOptions) {
    this.#options = options
    const found: [key: string, expires: number][] = []
    for (const [key, value] of options.store.entries("effect")) {
      if (!key.startsWith(prefix)) continue
      const remembered = decode(value)
      if (remembered === undefined) options.logger.warn("Forgot an idempotency key whose record is malformed", { key })
      found.push([key, remembered?.expires ?? 0])
    }
    found.sort((a, b) => a[1] - b[1])
    for (const [key, expires] of found) this.#expiries.set(key, expires)
  }

  get size(): number {
    return this.#expiries.size
  }

  /** The outcome of an earlier request with this key. Throws `idempotency_conflict` when that had another payload. */
  find(key: string, hash: string): Outcome | undefined {
    const expires = this.#expiries.get(key)
    if (expires === undefined || expires <= this.#options.clock.now()) return undefined
    const value = this.#options.store.get("effect", key)
    const remembered = value === undefined ? undefined : decode(value)
    if (remembered === undefined) return undefined
    if (remembered.hash !== hash) throw conflict(key)
    return { accepted: remembered.accepted, seq: remembered.seq, epoch: remembered.epoch }
  }

  /** What to commit with the readings of a new key: its own record, and the removal of old ones (K2). */
  entryFor(key: string, hash: string, outcome: Outcome): Entry {
    const { clock, limits } = this.#options
    const now = clock.now()
    const expires = now + limits.windowMs * 1000
    const remembered: Remembered = { ...outcome, hash, expires }
    const records: KeyedRecord[] = [{ kind: "effect", key, value: Buffer.from(JSON.stringify(remembered)) }]
    let left = this.#expiries.size
    for (const [old, expires] of this.#expiries) {
      if (records.length > removedAtOnce || (expires > now && left < limits.maxKeys)) break
      left--
      if (old !== key) records.push({ kind: "effect", key: old, value: undefined })
    }
    return { key, expires, records }
  }

  /** Call when the records of an entry were appended (K3). */
  appended({ key, expires, records }: Entry): void {
    // Also its own key, if it had expired, so that it goes behind the others.
    for (const record of records) this.#expiries.delete(record.key)
    this.#expiries.set(key, expires)
  }

  /** Call when an appended record did not become durable. */
  forget(key: string): void {
    this.#expiries.delete(key)
  }
}

/** The record's key of a client's. Throws `request_invalid`. */
export function idempotencyKeyOf(tokenId: string, key: string): string {
  if (key.length > 0 && key.length <= maxKeyLength && /^[\x20-\x7e]*$/.test(key)) return `${prefix}${tokenId}/${key}`
  throw new FogError("request_invalid", {
    message: `The Idempotency-Key ${excerpt(key)} is not made of 1 to ${maxKeyLength} printable ASCII characters`,
    hint: "Use a UUID, a new one for each request that is not a repetition.",
  })
}

export function conflict(key: string): FogError {
  const name = key.slice(key.indexOf("/", prefix.length) + 1)
  return new FogError("idempotency_conflict", {
    message: `The Idempotency-Key ${excerpt(name, 80)} was used before, with another payload; nothing was stored`,
    hint: "Use a new key for new readings; the same key is for sending the same bytes again.",
  })
}

function decode(value: Uint8Array): Remembered | undefined {
  try {
    const { hash, accepted, seq, epoch, expires } = JSON.parse(Buffer.from(value).toString()) as Partial<Remembered>
    if (typeof hash !== "string" || typeof epoch !== "string" || typeof expires !== "number") return undefined
    if (typeof accepted !== "number" || typeof seq !== "number") return undefined
    return { hash, accepted, seq, epoch, expires }
  } catch {
    return undefined
  }
}
