/**
 * Calls that carry a key of their caller: while one is remembered, the same key is the same call, and gets its result. In
 * memory: after a restart of the node such a call is made again, with the same `ctx.key`.
 */
import { createHash } from "node:crypto"
import { type Clock, FogError } from "@brume/core"

export interface InvokeKeyLimits {
  readonly windowMs: number
  readonly maxKeys: number
  /** Of all results, as JSON. */
  readonly maxBytes: number
}

const defaultLimits: InvokeKeyLimits = { windowMs: 600_000, maxKeys: 10_000, maxBytes: 16 * 1_048_576 }
/** A larger result is not remembered. */
const mostResultBytes = 65_536

interface Remembered {
  /** SHA-256 of the event. */
  readonly hash: string
  readonly begun: number
  readonly result: Promise<unknown>
  bytes: number
}

export class InvokeKeys {
  readonly #clock: Clock
  readonly #limits: InvokeKeyLimits
  /** Oldest first. */
  readonly #remembered = new Map<string, Remembered>()
  #bytes = 0

  constructor(clock: Clock, limits: InvokeKeyLimits = defaultLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get size(): number {
    return this.#remembered.size
  }

  /** Throws `idempotency_conflict` where the key came with another event. */
  async once([name, key]: readonly [name: string, key: string], event: unknown, call: () => Promise<unknown>) {
    const place = JSON.stringify([name, key])
    const hash = createHash("sha256")
      .update(JSON.stringify(event ?? null))
      .digest("base64")
    this.#forgetOld()
    const known = this.#remembered.get(place)
    if (known !== undefined) {
      if (known.hash === hash) return await known.result
      throw new FogError("idempotency_conflict", {
        message: `The key of this call of ${name} came with another event before`,
        hint: "Use a key of its own for each event.",
      })
    }
    const remembered: Remembered = { hash, begun: this.#clock.monotonic(), result: call(), bytes: 0 }
    this.#remembered.set(place, remembered)
    try {
      const result = await remembered.result
      this.#weigh(place, remembered, JSON.stringify(result)?.length ?? 0)
      return result
    } catch (error) {
      // What failed may be tried again.
      this.#forget(place, remembered)
      throw error
    }
  }

  #weigh(place: string, remembered: Remembered, bytes: number): void {
    if (this.#remembered.get(place) !== remembered) return
    remembered.bytes = bytes
    this.#bytes += bytes
    if (bytes > mostResultBytes) this.#forget(place, remembered)
  }

  #forgetOld(): void {
    const { windowMs, maxKeys, maxBytes } = this.#limits
    const oldest = this.#clock.monotonic() - windowMs
    for (const [place, remembered] of this.#remembered) {
      if (remembered.begun > oldest && this.#remembered.size < maxKeys && this.#bytes <= maxBytes) return
      this.#forget(place, remembered)
    }
  }

  #forget(place: string, remembered: Remembered): void {
    if (this.#remembered.get(place) !== remembered) return
    this.#remembered.delete(place)
    this.#bytes -= remembered.bytes
  }
}
