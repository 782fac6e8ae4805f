import fc from "fast-check"
import { expect, test } from "vitest"
import { createTimestampText, dateText, nanosecondText, timestampText } from "./time.ts"

const dayMs = 86_400_000
/** Days that JavaScript's Date knows. */
const dateDays = 100_000_000

test("dates are those of JavaScript's Date wherever it knows them", () => {
  fc.assert(
    fc.property(fc.integer({ min: -dateDays, max: dateDays }), (days) => {
      expect(dateText(days)).toBe(new Date(days * dayMs).toISOString().split("T")[0])
    }),
    { numRuns: 2_000 },
  )
})

test("timestamps have six digits and a Z, before 1970 too", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -8_640_000_000_000_000n, max: 8_640_000_000_000_000n }), (ms) => {
      const text = new Date(Number(ms)).toISOString()
      expect(timestampText(ms * 1_000n + 7n)).toBe(`${text.slice(0, -1)}007Z`)
    }),
    { numRuns: 2_000 },
  )
})

test("a run of timestamps gives the texts that each alone gives", () => {
  const text = createTimestampText()
  fc.assert(
    fc.property(
      fc.oneof(
        fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }),
        fc.bigInt({ min: -200_000_000_000n, max: 200_000_000_000n }),
      ),
      (us) => {
        expect(text(us)).toBe(timestampText(us))
      },
    ),
    { numRuns: 2_000 },
  )
})

test("the ends of time have names", () => {
  expect(timestampText(2n ** 63n - 1n)).toBe("infinity")
  expect(timestampText(-(2n ** 63n) + 1n)).toBe("-infinity")
  expect(dateText(2 ** 31 - 1)).toBe("infinity")
  expect(dateText(-(2 ** 31) + 1)).toBe("-infinity")
  expect(dateText(-719_529)).toBe("-000001-12-31")
  expect(dateText(-719_528)).toBe("0000-01-01")
  expect(nanosecondText(-1n)).toBe("1969-12-31T23:59:59.999999999Z")
})
