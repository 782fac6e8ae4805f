/** The newest time that a series said, and when: what is older comes out of order (P2 in episodes.ts). */

/** Where nothing newer comes for so long, the device's clock was set back. µs */
const clockSetBackUs = 60_000_000
/** A clock that shows less was never set: its times say nothing of the order of readings. µs */
const plausibleUs = 946_684_800_000_000

export class Newest {
  #us = 0
  #atUs = 0

  /** Whether it is older than what came before; what is not, is the newest from now on. */
  isLate(timeUs: number, nowUs: number): boolean {
    if (timeUs < plausibleUs) return false
    const sinceUs = nowUs - this.#atUs
    if (timeUs < this.#us && sinceUs >= 0 && sinceUs < clockSetBackUs) return true
    // A time that is still to come must not make all that follow late.
    this.#us = Math.min(timeUs, nowUs)
    this.#atUs = nowUs
    return false
  }
}
