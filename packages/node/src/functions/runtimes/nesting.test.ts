import { expect, test } from "vitest"
import { deepest, isTooDeep } from "./nesting.ts"

function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = "x".repeat(3 * deepest)
  for (let level = 0; level < levels; level++) value = wrap(value)
  return value
}

test.each([
  ["arrays", (inner: unknown) => [inner]],
  ["objects", (inner: unknown) => ({ inner, beside: 1 })],
] as const)("%s may nest so deep and no deeper", (_name, wrap) => {
  for (const [levels, isDeep] of [
    [deepest, false],
    [deepest + 1, true],
    [100_000, true],
  ] as const) {
    expect(isTooDeep(nested(levels, wrap), 10_000)).toBe(isDeep)
  }
})

test("wide is not deep", () => {
  expect(
    isTooDeep(
      Array.from({ length: 100_000 }, () => [{}]),
      1_000_000,
    ),
  ).toBe(false)
})
