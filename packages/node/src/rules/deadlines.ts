/**
 * Moments at which something is due, the nearest first, and the one timer that waits for it. Who is told looks again
 * whether it is still meant: nothing is ever taken out before its time.
 */
import type { Clock, Timer } from "@brume/core"

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
  /** A binary heap by time. */
  readonly #heap: { readonly due: number; readonly item: T }[] = []
  #timer: Timer | undefined
  #timerDue = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(options: DeadlinesOptions, onDue: (items: readonly T[], nowUs: number) => void) {
    this.#options = options
    this.#onDue = onDue
  }

  get size(): number {
    return this.#heap.length
  }

  /** @param due µs since 1970 UTC */
  add(due: number, item: T): void {
    const heap = this.#heap
    let at = heap.push({ due, item }) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.due <= due) break
      ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
      at = parent
    }
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
    const next = this.#heap[0]
    if (next === undefined || this.#isClosed) return
    const waitMs = Math.ceil((next.due - this.#options.now()) / 1_000)
    this.#timerDue = next.due
    this.#timer = this.#options.clock.after(Math.min(Math.max(waitMs, 0), longestSleepMs), () => this.#run())
  }

  #run(): void {
    const now = this.#options.now()
    const due: T[] = []
    while (this.#heap.length > 0 && this.#heap[0]!.due <= now) due.push(this.#take())
    // What is added meanwhile is waited for below.
    this.#timerDue = Number.NEGATIVE_INFINITY
    if (due.length > 0) this.#onDue(due, now)
    this.#wait()
  }

  #take(): T {
    const heap = this.#heap
    const { item } = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return item
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.due < heap[child]!.due) child++
      if (heap[child]!.due >= last.due) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return item
  }
}
