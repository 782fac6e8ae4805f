/** Readings between the socket and a slow reader: bounded; the oldest give way and are counted. */

export class ReadingQueue<T> {
  /** Left out because the queue was full. */
  dropped = 0
  #items: T[] = []
  /** Items before this index have been taken; they are cut off in bulk, as shifting one by one is quadratic. */
  #taken = 0
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#items.length - this.#taken
  }

  /** Returns how many were dropped for these. */
  push(items: readonly T[]): number {
    for (const item of items) this.#items.push(item)
    const excess = Math.max(0, this.length - this.#limit)
    this.#taken += excess
    this.dropped += excess
    if (this.#taken > 1_024 && this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken)
      this.#taken = 0
    }
    return excess
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#taken++]
    if (this.length === 0) {
      this.#items = []
      this.#taken = 0
    }
    return item
  }
}
