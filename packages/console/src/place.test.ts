import { expect, it } from "vitest"
import { formatPlace, parsePlace } from "./place.ts"

it("a place survives the way through the address bar, whatever its names contain", () => {
  const series = { device: "hall a/föhn & #1", property: "p+q=%", tags: '{"unit":"°C"}' }
  expect(parsePlace(formatPlace(series, "24h"))).toEqual({ series, range: "24h" })
  const plain = { device: "d", property: "p", tags: "{}" }
  expect(formatPlace(plain, "1h")).toBe("#device=d&property=p&range=1h")
  expect(parsePlace(formatPlace(plain, "1h")).series).toEqual(plain)
})

it("an empty or foreign fragment is no place", () => {
  expect(parsePlace("")).toEqual({ series: undefined, range: undefined })
  expect(parsePlace("#device=x")).toEqual({ series: undefined, range: undefined })
})
