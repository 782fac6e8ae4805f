/** Items with the time at which each is due, the nearest first: a binary heap. */

interface Entry<T> {
  /** µs since 1970 UTC. */
  readonly due: number
  readonly item: T
}

export class DueHeap<T> {
  readonly #entries: Entry<T>[] = []

  get size(): number {
    return this.#entries.length
  }

  /** The nearest; undefined when there is none. */
  get first(): Entry<T> | undefined {
    return this.#entries[0]
  }

  add(due: number, item: T): void {
    const entries = this.#entries
    let at = entries.push({ due, item }) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (entries[parent]!.due <= due) break
      ;[entries[at], entries[parent]] = [entries[parent]!, entries[at]!]
      at = parent
    }
  }

  /** Takes the nearest out; there must be one. */
  take(): T {
    const entries = this.#entries
    const { item } = entries[0]!
    const last = entries.pop()!
    if (entries.length === 0) return item
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && entries[child + 1]!.due < entries[child]!.due) child++
      if (entries[child]!.due >= last.due) break
      entries[at] = entries[child]!
      at = child
    }
    entries[at] = last
    return item
  }
}
