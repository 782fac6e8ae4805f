import { expect, test } from "vitest"
import { ageText, countText, parseSpan, sizeText } from "./times.ts"

test.each([
  ["250ms", 250],
  ["1.5s", 1_500],
  ["5m", 300_000],
  ["12h", 43_200_000],
  ["90d", 7_776_000_000],
  ["2w", 1_209_600_000],
  ["40", 40],
])("the span %s is %i ms", (text, ms) => {
  expect(parseSpan(text, "--timeout")).toBe(ms)
})

test.each(["", "5 apples", "-1s", "1e3s", "s"])("the span %j is refused by its flag's name", (text) => {
  expect(() => parseSpan(text, "--timeout")).toThrow("--timeout")
})

test("ages, sizes and counts read well", () => {
  expect([0, 999, 1_000, 119_999, 120_000, 7_200_000, 172_800_000, -5_000].map(ageText)).toEqual([
    "now",
    "now",
    "1 s",
    "119 s",
    "2 min",
    "2 h",
    "2 d",
    "in the future",
  ])
  expect([0, 1_023, 1_024, 1_536, 1_073_741_824, 157_286_400].map(sizeText)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "1.0 GiB",
    "150 MiB",
  ])
  expect([0, 999, 1_000, 1_234_567].map(countText)).toEqual(["0", "999", "1,000", "1,234,567"])
})
