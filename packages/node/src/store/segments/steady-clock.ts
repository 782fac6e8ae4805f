/**
 * Whether the wall clock can be trusted with deleting: it must have kept pace with monotonic time for a while, since
 * the start and since it last jumped. A clock that is wrong for a moment, far in the future, would else make all
 * readings seem too old.
 */
import type { Clock } from "@brume/core"

/** Apart by more, the clocks have not kept pace: somebody or NTP set the wall clock. */
const jumpMs = 60_000

export class SteadyClock {
  readonly #clock: Clock
  readonly #waitMs: number
  #offsetMs: number
  #sinceMs: number

  /** @param waitMs how long it must have been steady. */
  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock
    this.#waitMs = waitMs
    this.#offsetMs = this.#offset()
    this.#sinceMs = clock.monotonic()
  }

  /** Ask often: a jump to and fro between two calls is not noticed. */
  get isSteady(): boolean {
    const offset = this.#offset()
    const now = this.#clock.monotonic()
    if (Math.abs(offset - this.#offsetMs) > jumpMs) this.#sinceMs = now
    this.#offsetMs = offset
    return now - this.#sinceMs >= this.#waitMs
  }

  #offset(): number {
    return this.#clock.now() / 1000 - this.#clock.monotonic()
  }
}
