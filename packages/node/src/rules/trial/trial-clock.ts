/** A clock that stands where a test of a rule has come, and its timers. */
import type { Clock, Timer } from "@brume/core"

interface Waiting extends Timer {
  readonly dueUs: number
  readonly order: number
  readonly call: () => void
}

export class TrialClock implements Clock {
  #nowUs: number
  readonly #startUs: number
  #order = 0
  readonly #waiting = new Set<Waiting>()

  /** @param startUs µs since 1970 UTC */
  constructor(startUs: number) {
    this.#nowUs = startUs
    this.#startUs = startUs
  }

  now(): number {
    return this.#nowUs
  }

  monotonic(): number {
    return (this.#nowUs - this.#startUs) / 1_000
  }

  after(delayMs: number, call: () => void): Timer {
    const timer: Waiting = {
      dueUs: this.#nowUs + Math.max(0, Math.round(delayMs * 1_000)),
      order: this.#order++,
      call,
      cancel: () => void this.#waiting.delete(timer),
    }
    this.#waiting.add(timer)
    return timer
  }

  /** When the next timer is due; infinite where none is. µs since 1970 UTC */
  get nextDueUs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { dueUs } of this.#waiting) if (dueUs < next) next = dueUs
    return next
  }

  /** Moves to the next timer that is due by then, and calls it; false where none is, and the clock stands there. */
  step(toUs: number): boolean {
    let next: Waiting | undefined
    for (const timer of this.#waiting)
      if (timer.dueUs <= toUs && (next === undefined || isBefore(timer, next))) next = timer
    this.#nowUs = Math.max(this.#nowUs, next?.dueUs ?? toUs)
    if (next === undefined) return false
    this.#waiting.delete(next)
    next.call()
    return true
  }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order)
}
