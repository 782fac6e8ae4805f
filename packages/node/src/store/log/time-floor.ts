/**
 * When readings are received. The wall clock says so while it is plausible; else the floor does: the highest time that
 * the log has given, which survives restarts.
 */
import { type Clock, quality, type ReadingBatch } from "@brume/core"

/** A clock before 2020 or after 2099 was never set. Were a far future accepted, it would become the floor for good. */
const earliestUs = Date.UTC(2020, 0, 1) * 1000
const latestUs = Date.UTC(2100, 0, 1) * 1000
/** A clock that is set back by at most this stays trusted; the floor only keeps `received` from going back. */
const backwardUs = 3_600_000_000

export class TimeFloor {
  readonly #clock: Clock
  #us: number

  constructor(clock: Clock, us: number) {
    this.#clock = clock
    this.#us = us
  }

  /** Highest `received` so far, µs since 1970 UTC; 0 when there is none. */
  get us(): number {
    return this.#us
  }

  /** Gives the batch its `received`, and marks its rows when the clock cannot be trusted. */
  stamp(batch: ReadingBatch): void {
    const now = this.#clock.now()
    const isPlausible = now >= earliestUs && now < latestUs && now >= this.#us - backwardUs
    if (now < latestUs) this.#us = Math.max(this.#us, now)
    if (!isPlausible) for (let row = 0; row < batch.length; row++) batch.quality[row]! |= quality.nodeClock
    batch.received = this.#us
  }
}
