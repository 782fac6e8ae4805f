/** When a function that crashes is started again, and when no more (P4 in pool.ts). Pure but for the clock. */
import type { Clock } from "@brume/core"

const windowMs = 10_000
const mostCrashes = 5
const firstWaitMs = 100

export class CrashRecord {
  readonly #clock: Clock
  #times: number[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes a crash. Returns how long to wait before the next start, ms, or undefined: no more starts. */
  add(): number | undefined {
    const now = this.#clock.monotonic()
    this.#times = [...this.#times.filter((time) => now - time < windowMs), now]
    const crashes = this.#times.length
    if (crashes >= mostCrashes) return undefined
    // One crash may be chance: its successor starts at once.
    return crashes === 1 ? 0 : firstWaitMs * 2 ** (crashes - 2)
  }

  forget(): void {
    this.#times = []
  }
}
