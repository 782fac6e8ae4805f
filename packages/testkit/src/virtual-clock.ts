import type { Clock, Timer } from "@brume/core"

interface Pending extends Timer {
  readonly due: number
  readonly order: number
  readonly call: () => void
}

/** 2025-01-01T00:00:00Z in µs. */
const startOf2025 = 1_735_689_600_000_000

/** A clock that stands still until a test moves it. Wall and monotonic time move together, except in {@link jump}. */
export class VirtualClock implements Clock {
  #wallUs: number
  #monotonicMs = 0
  #order = 0
  #pending: Pending[] = []

  /** @param startUs wall time to begin with, µs since 1970 UTC. */
  constructor(startUs: number = startOf2025) {
    this.#wallUs = startUs
  }

  now(): number {
    return this.#wallUs
  }

  monotonic(): number {
    return this.#monotonicMs
  }

  after(delayMs: number, call: () => void): Timer {
    const timer: Pending = {
      due: this.#monotonicMs + Math.max(0, delayMs),
      order: this.#order++,
      call,
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== timer)
      },
    }
    this.#pending.push(timer)
    return timer
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#pending.length
  }

  /** Sets the wall clock, as an operator or NTP would; monotonic time and timers do not notice. */
  jump(wallUs: number): void {
    this.#wallUs = wallUs
  }

  /** Moves time on and calls every timer that comes due, in order, also those that are set meanwhile. */
  advance(durationMs: number): void {
    const end = this.#monotonicMs + durationMs
    for (let next = this.#nextDue(end); next !== undefined; next = this.#nextDue(end)) this.#fire(next)
    this.#moveTo(end)
  }

  /** Like {@link advance}, and lets promises and I/O proceed before, between and after the timers. */
  async run(durationMs: number): Promise<void> {
    const end = this.#monotonicMs + durationMs
    await turn()
    for (let next = this.#nextDue(end); next !== undefined; next = this.#nextDue(end)) {
      this.#fire(next)
      await turn()
    }
    this.#moveTo(end)
    await turn()
  }

  #nextDue(end: number): Pending | undefined {
    let next: Pending | undefined
    for (const timer of this.#pending) {
      if (timer.due > end) continue
      if (next === undefined || timer.due < next.due || (timer.due === next.due && timer.order < next.order))
        next = timer
    }
    return next
  }

  #fire(timer: Pending): void {
    timer.cancel()
    this.#moveTo(timer.due)
    timer.call()
  }

  #moveTo(monotonicMs: number): void {
    if (monotonicMs <= this.#monotonicMs) return
    this.#wallUs += Math.round((monotonicMs - this.#monotonicMs) * 1000)
    this.#monotonicMs = monotonicMs
  }
}

/** Enough turns of the event loop for chains of promises and in-memory I/O to settle. */
async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
