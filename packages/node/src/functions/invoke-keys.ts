/**
 * Calls that carry a key of their caller: while one is remembered, the same key is the same call, and gets its result. In
 * memory: after a restart of the node such a call is made again, with the same `ctx.key`.
 */
import { type Clock, FogError } from "@brume/core"

const windowMs = 600_000
const mostKeys = 1_000
/** Longest result that is remembered, as JSON. */
const mostResultBytes = 65_536

interface Remembered {
  readonly event: string
  readonly begun: number
  readonly result: Promise<unknown>
}

export class InvokeKeys {
  readonly #clock: Clock
  /** Oldest first. */
  readonly #remembered = new Map<string, Remembered>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Throws `idempotency_conflict` where the key came with another event. */
  async once(parts: readonly [name: string, key: string], event: unknown, call: () => Promise<unknown>) {
    this.#forget()
    const place = JSON.stringify(parts)
    const text = JSON.stringify(event ?? null)
    const known = this.#remembered.get(place)
    if (known !== undefined) {
      if (known.event === text) return await known.result
      throw new FogError("idempotency_conflict", {
        message: `The key of this call of ${parts[0]} came with another event before`,
        hint: "Use a key of its own for each event.",
      })
    }
    const result = call()
    this.#remembered.set(place, { event: text, begun: this.#clock.monotonic(), result })
    try {
      const given = await result
      if ((JSON.stringify(given)?.length ?? 0) > mostResultBytes) this.#remembered.delete(place)
      return given
    } catch (error) {
      // What failed may be tried again.
      this.#remembered.delete(place)
      throw error
    }
  }

  #forget(): void {
    const oldest = this.#clock.monotonic() - windowMs
    for (const [place, { begun }] of this.#remembered) {
      if (begun >= oldest && this.#remembered.size < mostKeys) return
      this.#remembered.delete(place)
    }
  }
}
