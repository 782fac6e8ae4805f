import { expect, it } from "vitest"
import { formatAge, formatBytes, formatDuration, formatNumber, formatRate } from "./format.ts"

it.each([
  [0, "0"],
  [3.9, "3.9"],
  [-18.04, "-18.04"],
  [76.3, "76.3"],
  [1 / 3, "0.33"],
  [4, "4"],
  [119.26, "119.3"],
  [1234.5, "1,235"],
  [0.0421, "0.042"],
  [0.5, "0.5"],
  [999, "999"],
  [1e12, "1 e12"],
  [0.00001234, "1.23 e-5"],
])("formatNumber writes %d as %s", (value, text) => {
  expect(formatNumber(value)).toBe(text)
})

it("formatNumber keeps the decimals of a series", () => {
  expect([4, 0, 150].map((value) => formatNumber(value, 2))).toEqual(["4.00", "0.00", "150.0"])
  expect([4.26, 0.1 + 0.2].map((value) => formatNumber(value, 1))).toEqual(["4.3", "0.3"])
})

it("formatAge speaks in one unit, and calls the clock's small differences now", () => {
  expect([-5_000, 900, 5_000, 125_000, 7_300_000, 200_000_000, -120_000].map(formatAge)).toEqual([
    "now",
    "now",
    "5 s ago",
    "2 min ago",
    "2 h ago",
    "2 d ago",
    "in the future",
  ])
})

it("rates, bytes and durations keep their unit readable", () => {
  expect([0, 4.25, 99.94, 51_234].map(formatRate)).toEqual(["0", "4.3", "99.9", "51.2K"])
  expect([512, 1_500, 12_345_678].map(formatBytes)).toEqual(["512 B", "1.5 kB", "12 MB"])
  expect([0.42, 87.3, 1_234, 65_000].map(formatDuration)).toEqual(["0.4 ms", "87 ms", "1.23 s", "65.0 s"])
})
