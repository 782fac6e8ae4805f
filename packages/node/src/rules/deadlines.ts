/**
 * Moments at which something is due, the nearest first, and the one timer that waits for it. Who is told looks again
 * whether it is still meant: nothing is ever taken out before its time.
 */
import type { Clock, Timer } from "@brume/core"
import { DueHeap } from "./due-heap.ts"

/** The wall clock may jump: it is looked at this often at least. ms. */
const longestSleepMs = 30_000

export interface DeadlinesOptions {
  readonly clock: Pick<Clock, "after">
  /** Wall time, µs since 1970 UTC. */
  readonly now: () => number
}

export class Deadlines<T> {
  readonly #options: DeadlinesOptions
  readonly #onDue: (items: readonly T[], nowUs: number) => void
  readonly #heap = new DueHeap<T>()
  #timer: Timer | undefined
  #timerDue = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(options: DeadlinesOptions, onDue: (items: readonly T[], nowUs: number) => void) {
    this.#options = options
    this.#onDue = onDue
  }

  get size(): number {
    return this.#heap.size
  }

  /** @param due µs since 1970 UTC */
  add(due: number, item: T): void {
    this.#heap.add(due, item)
    if (due < this.#timerDue) this.#wait()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #wait(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerDue = Number.POSITIVE_INFINITY
    const next = this.#heap.first
    if (next === undefined || this.#isClosed) return
    const waitMs = Math.ceil((next.due - this.#options.now()) / 1_000)
    this.#timerDue = next.due
    this.#timer = this.#options.clock.after(Math.min(Math.max(waitMs, 0), longestSleepMs), () => this.#run())
  }

  #run(): void {
    const now = this.#options.now()
    const due: T[] = []
    for (let next = this.#heap.first; next !== undefined && next.due <= now; next = this.#heap.first)
      due.push(this.#heap.take())
    // What is added meanwhile is waited for below.
    this.#timerDue = Number.NEGATIVE_INFINITY
    if (due.length > 0) this.#onDue(due, now)
    this.#wait()
  }
}
