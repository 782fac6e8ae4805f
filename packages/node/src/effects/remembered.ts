/**
 * Which keys are remembered, the oldest first. A key costs about 100 B here: its string is the one that the log's index
 * has. What became of it is in the log's index alone.
 */

export interface MemoryLimits {
  /** How long a key is remembered after its effect was made. @default 24 h */
  readonly windowMs: number
  /** Beyond, the oldest make room. Costs about 550 B a key here and in the store. @default 100000 */
  readonly maxKeys: number
}

export const defaultMemoryLimits: MemoryLimits = { windowMs: 86_400_000, maxKeys: 100_000 }

/** Old keys that leave with a new one: more than come, so that what is over the limit shrinks. */
const removedAtOnce = 4
/** Keys that are looked at for that; those that may not leave yet go to the end. */
const examinedAtOnce = 8

export class Remembered {
  readonly #limits: MemoryLimits
  /** When each was made, µs since 1970 UTC. */
  readonly #made = new Map<string, number>()
  /**
   * The same keys, the oldest first, from `#at` on; some have left meanwhile. A map alone would do, but finding its first
   * entry costs a step for each one that was deleted before it.
   */
  #order: string[] = []
  #at = 0

  /** @param found in any order */
  constructor(limits: MemoryLimits, found: readonly (readonly [key: string, made: number])[]) {
    this.#limits = limits
    for (const [key, made] of [...found].sort((a, b) => a[1] - b[1])) this.add(key, made)
  }

  get size(): number {
    return this.#made.size
  }

  has(key: string): boolean {
    return this.#made.has(key)
  }

  add(key: string, made: number): void {
    this.#made.set(key, made)
    this.#order.push(key)
  }

  forget(key: string): void {
    this.#made.delete(key)
  }

  /** The newest first. */
  keys(): readonly string[] {
    return [...this.#made.keys()].reverse()
  }

  /** Takes out what is too old or too much, a few at a time, with when each was made. */
  takeOld(now: number, mayLeave: (key: string) => boolean): readonly (readonly [key: string, made: number])[] {
    const { windowMs, maxKeys } = this.#limits
    const oldest = now - windowMs * 1_000
    const taken: [key: string, made: number][] = []
    for (let examined = 0; examined < examinedAtOnce && taken.length < removedAtOnce; examined++) {
      const key = this.#order[this.#at]
      if (key === undefined) break
      const made = this.#made.get(key)
      if (made !== undefined && made > oldest && this.#made.size < maxKeys) break
      this.#at++
      if (made === undefined) continue
      if (mayLeave(key)) {
        this.#made.delete(key)
        taken.push([key, made])
      } else this.#order.push(key)
    }
    this.#cutOff()
    return taken
  }

  /** In bulk, as shifting one by one is quadratic. */
  #cutOff(): void {
    if (this.#at < 4_096 || this.#at * 2 < this.#order.length) return
    this.#order = this.#order.slice(this.#at)
    this.#at = 0
  }
}
