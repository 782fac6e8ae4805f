/**
 * Decimal numbers read from bytes, without a string where the result is provably the nearest double: digits that make
 * a whole number up to 2^53, scaled by a power of ten up to 10^22. Both are exact doubles then, so that the one
 * multiplication or division rounds correctly. Everything else goes through Number().
 */

const zero = 0x30
const point = 0x2e
const minus = 0x2d

const powersOfTen = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

/** The number that was read last. One reader serves one parser; it is not re-entrant. */
export class DecimalReader {
  /** May be ±Infinity where the text is beyond any double. */
  value = 0
  /** Had neither point nor exponent. */
  isInteger = false
  /** Integer that `value` carries exactly. */
  isExact = false

  /**
   * Reads `-?digits[.digits][e[±]digits]` (also `.5` and `5.`) as far as it goes.
   * @returns the place behind it, or -1 when there is no number.
   */
  read(bytes: Buffer, start: number, end: number): number {
    let at = start
    const isNegative = at < end && bytes[at] === minus
    if (isNegative) at++
    let mantissa = 0
    // Leading zeros count too: harmless, such numbers take the slow path.
    let digits = 0
    let digit: number
    for (; at < end; at++) {
      digit = bytes[at]! - zero
      if (digit < 0 || digit > 9) break
      mantissa = mantissa * 10 + digit
      digits++
    }
    let fraction = 0
    this.isInteger = true
    if (at < end && bytes[at] === point) {
      this.isInteger = false
      const from = ++at
      for (; at < end; at++) {
        digit = bytes[at]! - zero
        if (digit < 0 || digit > 9) break
        mantissa = mantissa * 10 + digit
      }
      fraction = at - from
      digits += fraction
    }
    if (digits === 0) return -1
    // 15 digits are below 2^53; 16 are exact when the (monotonically rounded) result says so.
    this.isExact = digits <= 15 || (digits === 16 && mantissa <= Number.MAX_SAFE_INTEGER)
    if (at < end && (bytes[at]! | 0x20) === 0x65 /* e */) return this.#readExponent(bytes, start, at, end)
    if (this.isExact && fraction <= 22) {
      if (fraction !== 0) mantissa /= powersOfTen[fraction]!
      this.value = isNegative ? -mantissa : mantissa
    } else this.value = Number(bytes.toString("latin1", start, at))
    return at
  }

  #readExponent(bytes: Buffer, start: number, letter: number, end: number): number {
    let at = letter + 1
    if (at < end && (bytes[at] === minus || bytes[at] === 0x2b)) at++
    const from = at
    while (at < end && bytes[at]! >= zero && bytes[at]! <= 0x39) at++
    if (at === from) return -1
    this.isInteger = false
    this.value = Number(bytes.toString("latin1", start, at))
    return at
  }
}
