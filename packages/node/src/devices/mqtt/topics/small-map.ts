/**
 * A map that usually holds one entry: that one lives in two fields, and a Map is made for the second. Most levels of a
 * tree of topics have one child, most filters one subscriber; an empty Map takes some 200 bytes.
 */
export class SmallMap<K, V> {
  #key: K | undefined
  /** Undefined when there is no entry, or when the map has them all. */
  #value: V | undefined
  #map: Map<K, V> | undefined

  get size(): number {
    return this.#map?.size ?? (this.#value === undefined ? 0 : 1)
  }

  get(key: K): V | undefined {
    if (this.#map !== undefined) return this.#map.get(key)
    return this.#key === key ? this.#value : undefined
  }

  set(key: K, value: V): void {
    if (this.#map !== undefined) this.#map.set(key, value)
    else if (this.#value === undefined || this.#key === key) {
      this.#key = key
      this.#value = value
    } else {
      this.#map = new Map([
        [this.#key as K, this.#value],
        [key, value],
      ])
      this.#key = undefined
      this.#value = undefined
    }
  }

  /** An emptied map gives its memory back. */
  delete(key: K): boolean {
    if (this.#map !== undefined) {
      const isDeleted = this.#map.delete(key)
      if (this.#map.size === 0) this.#map = undefined
      return isDeleted
    }
    if (this.#key !== key || this.#value === undefined) return false
    this.#key = undefined
    this.#value = undefined
    return true
  }

  forEach(call: (value: V, key: K) => void): void {
    if (this.#map !== undefined) this.#map.forEach(call)
    else if (this.#value !== undefined) call(this.#value, this.#key as K)
  }

  /** Entries that come or go while somebody iterates may be seen or not. */
  values(): Iterator<V> {
    if (this.#map !== undefined) return this.#map.values()
    return (this.#value === undefined ? [] : [this.#value]).values()
  }
}
