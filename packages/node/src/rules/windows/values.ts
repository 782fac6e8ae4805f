/**
 * Values of one window, for its quantiles: all of them up to a limit, then how many there are in each of some hundred
 * ranges whose ends are 2 % apart. A quantile of those is wrong by 1 % of itself at most, for magnitudes of 1e-9 to 1e15.
 */
import type { Budget } from "./limits.ts"

export interface ValuesLimits {
  /** Most values that are kept one by one. */
  readonly exactValues: number
  readonly budget: Budget
}

/** Values that a window begins with room for. */
const leastRoom = 16
/** What stays with an emptied one for the next window. */
const mostIdleRoom = 4_096

const ratio = 1.02
const logRatio = Math.log(ratio)
/** Ranges on either side of zero, whose own range is 0. */
const lowestMagnitude = 1e-9
const highestMagnitude = 1e15
const mostRange = Math.ceil(Math.log(highestMagnitude / lowestMagnitude) / logRatio)

export class Values {
  readonly #limits: ValuesLimits
  /** In no order but while quantiles are asked. */
  #numbers: Float64Array = new Float64Array(0)
  #length = 0
  #isSorted = false
  /** How many by range; undefined while all are kept. */
  #ranges: Map<number, number> | undefined
  #lowest = Number.POSITIVE_INFINITY
  #highest = Number.NEGATIVE_INFINITY

  constructor(limits: ValuesLimits) {
    this.#limits = limits
  }

  get isApproximate(): boolean {
    return this.#ranges !== undefined
  }

  get length(): number {
    return this.#length
  }

  add(value: number): void {
    if (this.#ranges === undefined && (this.#length < this.#numbers.length || this.#grow(this.#length + 1))) {
      this.#numbers[this.#length++] = value
      this.#isSorted = false
      return
    }
    this.#count(value, 1)
  }

  addAll(other: Values): void {
    const ranges = other.#ranges
    if (ranges !== undefined) {
      if (this.#ranges === undefined) this.#summarise()
      for (const [range, count] of ranges) this.#into(range, count)
      this.#lowest = Math.min(this.#lowest, other.#lowest)
      this.#highest = Math.max(this.#highest, other.#highest)
      return
    }
    const length = this.#length + other.#length
    if (this.#ranges === undefined && (length <= this.#numbers.length || this.#grow(length))) {
      this.#numbers.set(other.#numbers.subarray(0, other.#length), this.#length)
      this.#length = length
      this.#isSorted = false
      return
    }
    for (let at = 0; at < other.#length; at++) this.#count(other.#numbers[at]!, 1)
  }

  /** @returns undefined where there is no value */
  quantile(fraction: number, isContinuous: boolean): number | undefined {
    const length = this.#length
    if (length === 0) return undefined
    if (this.#ranges !== undefined) return this.#approximate(fraction)
    const sorted = this.#sorted()
    if (!isContinuous) return sorted[Math.max(1, length - Math.floor(length - length * fraction)) - 1]
    const place = (length - 1) * fraction
    const below = Math.floor(place)
    const lower = sorted[below]!
    return below + 1 < length ? lower + (sorted[below + 1]! - lower) * (place - below) : lower
  }

  /** Empty again, with room for the next window. */
  clear(): void {
    this.#length = 0
    this.#ranges = undefined
    this.#lowest = Number.POSITIVE_INFINITY
    this.#highest = Number.NEGATIVE_INFINITY
    if (this.#numbers.length > mostIdleRoom) this.#release()
  }

  #sorted(): Float64Array {
    const numbers = this.#numbers.subarray(0, this.#length)
    if (!this.#isSorted) numbers.sort()
    this.#isSorted = true
    return numbers
  }

  /** False where they are too many. */
  #grow(length: number): boolean {
    const { exactValues, budget } = this.#limits
    if (length > exactValues) return false
    const room = Math.min(exactValues, Math.max(leastRoom, length, this.#numbers.length * 2))
    if (!budget.take((room - this.#numbers.length) * 8)) return false
    const grown = new Float64Array(room)
    grown.set(this.#numbers.subarray(0, this.#length))
    this.#numbers = grown
    return true
  }

  #release(): void {
    this.#limits.budget.give(this.#numbers.length * 8)
    this.#numbers = new Float64Array(0)
  }

  #summarise(): void {
    const numbers = this.#numbers.subarray(0, this.#length)
    this.#ranges = new Map()
    this.#length = 0
    for (const number of numbers) this.#count(number, 1)
    this.#release()
  }

  #count(value: number, count: number): void {
    if (this.#ranges === undefined) this.#summarise()
    if (value < this.#lowest) this.#lowest = value
    if (value > this.#highest) this.#highest = value
    this.#into(rangeOf(value), count)
  }

  #into(range: number, count: number): void {
    const ranges = this.#ranges!
    ranges.set(range, (ranges.get(range) ?? 0) + count)
    this.#length += count
  }

  #approximate(fraction: number): number {
    const place = (this.#length - 1) * fraction
    let seen = 0
    for (const range of [...this.#ranges!.keys()].sort((a, b) => a - b)) {
      seen += this.#ranges!.get(range)!
      if (seen > place) return Math.min(Math.max(middleOf(range), this.#lowest), this.#highest)
    }
    return this.#highest
  }
}

function rangeOf(value: number): number {
  const magnitude = Math.abs(value)
  if (magnitude < lowestMagnitude) return 0
  const range = Math.min(mostRange, 1 + Math.floor(Math.log(magnitude / lowestMagnitude) / logRatio))
  return value < 0 ? -range : range
}

/** The value that is wrong by the same part of itself at either end. */
function middleOf(range: number): number {
  if (range === 0) return 0
  const middle = (lowestMagnitude * ratio ** (Math.abs(range) - 1) * 2 * ratio) / (1 + ratio)
  return range < 0 ? -middle : middle
}
