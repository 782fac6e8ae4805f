/** First in, first out, without moving what waits. */

/** Taken places that are kept before the array is cut. */
const keptPlaces = 256
const empty: never[] = []

export class Queue<Item> implements Iterable<Item> {
  /** Shared by all that never held anything. */
  #items: (Item | undefined)[] = empty
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  get first(): Item | undefined {
    return this.#items[this.#head]
  }

  push(item: Item): void {
    if (this.#items === empty) this.#items = []
    this.#items.push(item)
  }

  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) this.clear()
    else if (this.#head >= keptPlaces && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** In front of all others, in this order. */
  putBack(items: readonly Item[]): void {
    this.#items = [...items, ...this.#items.slice(this.#head)]
    this.#head = 0
  }

  clear(): void {
    // A long array is given back.
    if (this.#items.length > keptPlaces) this.#items = empty
    else if (this.#items !== empty) this.#items.length = 0
    this.#head = 0
  }

  *[Symbol.iterator](): Iterator<Item> {
    for (let at = this.#head; at < this.#items.length; at++) yield this.#items[at]!
  }
}
