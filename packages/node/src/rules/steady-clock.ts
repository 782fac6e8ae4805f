/**
 * The wall clock, and its jumps: somebody sets it, or the machine slept. Durations that count while the node runs must not
 * jump with it.
 */
import type { Clock } from "@brume/core"

/** What the wall clock may differ from the monotonic one between two looks: more than it is slewed by. µs */
const toleratedUs = 2_000_000

export class SteadyClock {
  readonly #clock: Pick<Clock, "now" | "monotonic">
  readonly #onJump: (byUs: number) => void
  #offsetUs: number

  /** @param onJump called by a look, before it gives the time; forwards is positive */
  constructor(clock: Pick<Clock, "now" | "monotonic">, onJump: (byUs: number) => void) {
    this.#clock = clock
    this.#onJump = onJump
    this.#offsetUs = clock.now() - clock.monotonic() * 1_000
  }

  /** Wall time, µs since 1970 UTC. */
  look(): number {
    const nowUs = this.#clock.now()
    const offsetUs = nowUs - this.#clock.monotonic() * 1_000
    const byUs = offsetUs - this.#offsetUs
    this.#offsetUs = offsetUs
    if (Math.abs(byUs) > toleratedUs) this.#onJump(Math.round(byUs))
    return nowUs
  }
}
