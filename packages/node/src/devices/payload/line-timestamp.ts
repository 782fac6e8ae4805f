/** Timestamps of the line protocol: whole numbers in a unit that the request names, cut to µs towards the past. */

/** Units of timestamps: the words of both generations of InfluxDB's API. */
const precisions = {
  ns: "ns",
  n: "ns",
  us: "us",
  u: "us",
  µs: "us",
  µ: "us",
  ms: "ms",
  s: "s",
  m: "m",
  h: "h",
} as const

export type LinePrecision = (typeof precisions)[keyof typeof precisions]

/** The unit that a request names, or undefined when there is no such unit. */
export function parsePrecision(text: string): LinePrecision | undefined {
  return Object.hasOwn(precisions, text) ? precisions[text as keyof typeof precisions] : undefined
}

const microsPer: Readonly<Record<Exclude<LinePrecision, "ns">, number>> = {
  us: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
}

export class TimestampReader {
  /** µs since 1970 of the timestamp that was read last; beyond ±2^53 it is not exact. */
  micros = 0

  /** @returns the place behind the timestamp, or -1 when there is none. */
  read(bytes: Buffer, start: number, end: number, precision: LinePrecision): number {
    const isNegative = bytes[start] === 0x2d
    const from = isNegative ? start + 1 : start
    let at = from
    while (at < end && isDigit(bytes[at]!)) at++
    if (at === from) return -1
    if (precision !== "ns") {
      const count = number(bytes, from, at) * microsPer[precision]
      this.micros = isNegative ? 0 - count : count
      return at
    }
    const cut = Math.max(from, at - 3)
    const count = number(bytes, from, cut)
    // Towards the past: -1500 ns lie in the microsecond that begins at -2.
    this.micros = isNegative ? 0 - count - (number(bytes, cut, at) === 0 ? 0 : 1) : count
    return at
  }
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39

/** Value of digits; exact up to 2^53. Halves of 8 digits stay in 32-bit arithmetic. */
function number(bytes: Buffer, from: number, to: number): number {
  const middle = to - 8
  if (middle <= from) return shortNumber(bytes, from, to)
  if (middle - from <= 8) return shortNumber(bytes, from, middle) * 1e8 + shortNumber(bytes, middle, to)
  let value = 0
  for (let at = from; at < to; at++) value = value * 10 + bytes[at]! - 0x30
  return value
}

function shortNumber(bytes: Buffer, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at++) value = (Math.imul(value, 10) + bytes[at]! - 0x30) | 0
  return value
}
