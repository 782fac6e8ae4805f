import { expect, test } from "vitest"
import { SeededRandom } from "./seeded-random.ts"

test("equal seeds give equal numbers, other seeds others", () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed)
    return [random.unit(), random.below(1000), ...random.bytes(4)]
  }
  expect(draw(1)).toEqual(draw(1))
  expect(draw(1)).not.toEqual(draw(2))
})

test("numbers spread over their whole range", () => {
  const random = new SeededRandom(7)
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 10_000; i++) counts[random.below(10)]!++
  expect(Math.min(...counts)).toBeGreaterThan(850)
  expect(Math.max(...counts)).toBeLessThan(1150)
})
