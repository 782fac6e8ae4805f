import { expect, it } from "vitest"
import { liveFilter } from "./live-filter.ts"

it("asks for the first names that fit into one request", () => {
  expect(liveFilter(["a", "hall/b"])).toEqual(["a", "hall/b"])
  expect(liveFilter(Array.from({ length: 300 }, (_, index) => `device-${index}`)).length).toBe(64)
  const long = liveFilter(Array.from({ length: 100 }, () => "é".repeat(500)))
  expect(long.join("").length).toBeLessThan(2_000)
})

it("leaves out names that would be read as wildcards", () => {
  expect(liveFilter(["a+b", "c/#", "d"])).toEqual(["d"])
})
