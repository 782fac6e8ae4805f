import fc from "fast-check"
import { expect, test } from "vitest"
import { Budget } from "./limits.ts"
import { Values } from "./values.ts"

const made = (exactValues: number, numbers: readonly number[], budget = new Budget(2 ** 20)): Values => {
  const values = new Values({ exactValues, budget })
  for (const number of numbers) values.add(number)
  return values
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 })
const fraction = fc.double({ min: 0, max: 1, noNaN: true })

test("quantiles of what is kept are exact, and adding other values is as adding them one by one", () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 1 }), fc.array(finite), fraction, (some, others, of) => {
      const joined = made(1_000, some)
      joined.addAll(made(1_000, others))
      const sorted = [...some, ...others].sort((a, b) => a - b)
      const place = (sorted.length - 1) * of
      const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
      expect(joined.isApproximate).toBe(false)
      expect(joined.quantile(of, true)).toBeCloseTo(below + (above - below) * (place - Math.floor(place)), 3)
      expect(sorted).toContain(joined.quantile(of, false))
    }),
  )
})

test("beyond the limit a quantile is within 1 % of a value at its place", () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 20, maxLength: 200 }), fc.array(finite), fraction, (some, others, of) => {
      const values = made(10, some)
      values.addAll(made(10, others))
      expect(values.isApproximate).toBe(true)
      const sorted = [...some, ...others].sort((a, b) => a - b)
      const place = (sorted.length - 1) * of
      const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
      const given = values.quantile(of, true)!
      const slack = 0.0101 * Math.max(Math.abs(below), Math.abs(above)) + 1e-9
      expect(given).toBeGreaterThanOrEqual(below - slack)
      expect(given).toBeLessThanOrEqual(above + slack)
      expect(values.length).toBe(sorted.length)
    }),
  )
})

test("where the bytes are used up, values are counted by range instead of kept", () => {
  const budget = new Budget(16 * 8)
  const [first, second] = [made(1_000, [1, 2, 3], budget), made(1_000, [4, 5, 6], budget)]
  expect([first.isApproximate, second.isApproximate]).toEqual([false, true])
  expect(second.quantile(0.5, true)).toBeCloseTo(5, 0)
  expect(budget.used).toBe(16 * 8)
})

test("an emptied one begins anew", () => {
  const values = made(2, [1, 2, 3])
  values.clear()
  expect([values.length, values.isApproximate, values.quantile(0.5, true)]).toEqual([0, false, undefined])
  values.add(7)
  expect(values.quantile(0.5, true)).toBe(7)
})
