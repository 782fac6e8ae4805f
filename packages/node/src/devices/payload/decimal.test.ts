import fc from "fast-check"
import { expect, test, vi } from "vitest"
import { DecimalReader } from "./decimal.ts"

vi.setConfig({ testTimeout: 600_000 })
const isLong = process.env.BRUME_LONG === "1"
const reader = new DecimalReader()

/** Value of a whole text, or undefined when it is not a number to its end. */
function read(text: string): number | undefined {
  const bytes = Buffer.from(text)
  return reader.read(bytes, 0, bytes.length) === bytes.length ? reader.value : undefined
}

/** Compares bits, so that the sign of zero counts. */
function expectSame(text: string): void {
  const value = read(text)
  if (!Object.is(value, Number(text))) throw new Error(`${text} was read as ${value}, but is ${Number(text)}`)
}

/** A small generator of its own: fast-check would take minutes for millions. */
function* randomDecimals(count: number, seed: number): Generator<string> {
  let state = seed
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const digits = (length: number): string => Array.from({ length }, () => next(10)).join("")
  for (let index = 0; index < count; index++) {
    const whole = digits(next(20))
    const fraction = next(3) === 0 ? "" : `.${digits(next(25))}`
    const number = whole + fraction
    const exponent = next(4) === 0 ? `${"eE"[next(2)]}${["", "+", "-"][next(3)]}${next(next(2) === 0 ? 30 : 340)}` : ""
    if (/[0-9]/.test(number)) yield `${next(4) === 0 ? "-" : ""}${number}${exponent}`
  }
}

test("reads random decimals to the same bits as Number", () => {
  for (const text of randomDecimals(isLong ? 5_000_000 : 30_000, 7)) expectSame(text)
})

test("reads the shortest text of random doubles back to the same bits", () => {
  const random = new Float64Array(1)
  const bits = new BigUint64Array(random.buffer)
  let state = 88_172_645_463_325_252n
  for (let index = 0; index < (isLong ? 3_000_000 : 20_000); index++) {
    state ^= (state << 13n) & 0xffff_ffff_ffff_ffffn
    state ^= state >> 7n
    state ^= (state << 17n) & 0xffff_ffff_ffff_ffffn
    bits[0] = state
    if (Number.isFinite(random[0])) expectSame(String(random[0]))
  }
})

test("reads numbers at the limits of exact arithmetic to the same bits as Number", () => {
  for (const mantissa of ["9007199254740991", "9007199254740992", "9007199254740993", "9999999999999999", "1", "0"])
    for (let scale = 0; scale <= 40; scale++)
      for (const text of [`${mantissa}e-${scale}`, `${mantissa}e${scale}`, `0.${"0".repeat(scale)}${mantissa}`])
        expectSame(text)
  for (const text of [
    "-0",
    "0.0",
    ".5",
    "5.",
    "1e22",
    "1e23",
    "4.9e-324",
    "2.4703282292062327e-324",
    "1.7976931348623159e308",
  ])
    expectSame(text)
})

test("refuses what is not a number", () => {
  for (const text of [
    "",
    "-",
    ".",
    "-.",
    "e5",
    "1e",
    "1e+",
    "1.5e",
    "+1",
    "--1",
    "1.2.3",
    "0x10",
    "1_000",
    "NaN",
    "Infinity",
  ])
    expect(read(text), text).toBeUndefined()
})

test("stops at the first byte that does not belong to the number", () => {
  fc.assert(
    fc.property(
      fc.double({ noDefaultInfinity: true, noNaN: true }),
      fc.constantFrom(",", " ", "i", "u", "\n", "x"),
      (value, end) => {
        const text = String(value)
        const bytes = Buffer.from(text + end)
        expect(reader.read(bytes, 0, bytes.length)).toBe(text.length)
        expect(reader.value).toBe(Number(text))
      },
    ),
  )
})

test("knows which integers it carries exactly", () => {
  const exact = (text: string): boolean => {
    const bytes = Buffer.from(text)
    reader.read(bytes, 0, bytes.length)
    return reader.isInteger && reader.isExact
  }
  expect(exact("9007199254740991")).toBe(true)
  expect(exact("-9007199254740991")).toBe(true)
  expect(exact("9007199254740993")).toBe(false)
  expect(exact("12345678901234567890")).toBe(false)
  expect(exact("1.0")).toBe(false)
  expect(exact("1e3")).toBe(false)
})
