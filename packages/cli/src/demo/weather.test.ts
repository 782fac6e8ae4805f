import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { parseWeather } from "./weather.ts"

const file = new URL("../../../../examples/cold-storage/seattle-weather.csv", import.meta.url)
const weather = parseWeather(readFileSync(file, "utf8"), "seattle-weather.csv")
const head = "date,precipitation,temp_max,temp_min,wind"

describe("weather", () => {
  it("turns at the observed extremes of the same day of the year", () => {
    // 2012-01-02 in the file: 10.6 at most, 2.8 at least; 2028 plays 2012.
    expect(weather.temperature(Date.parse("2028-01-02T06:00:00Z"))).toBeCloseTo(2.8, 6)
    expect(weather.temperature(Date.parse("2028-01-02T15:00:00Z"))).toBeCloseTo(10.6, 6)
    expect(weather.day(Date.parse("2028-01-02T23:00:00Z"))).toEqual({
      precipitation: 10.9,
      warmest: 10.6,
      coldest: 2.8,
      wind: 4.5,
    })
  })

  it("never jumps, over all the years and into the next round of them", () => {
    const stepMs = 600_000
    let before = weather.temperature(Date.parse("2026-01-01T00:00:00Z"))
    let widest = 0
    for (let at = Date.parse("2026-01-01T00:10:00Z"); at < Date.parse("2030-02-01T00:00:00Z"); at += stepMs) {
      const now = weather.temperature(at)
      widest = Math.max(widest, Math.abs(now - before))
      before = now
    }
    expect(widest).toBeLessThan(1)
  })

  it("plays 29 February from a leap year, and 28 February where the observed year has none", () => {
    expect(weather.day(Date.parse("2028-02-29T12:00:00Z"))).toEqual(weather.day(Date.parse("2032-02-29T12:00:00Z")))
    const short = `${head}\n${Array.from({ length: 365 }, (_, day) => {
      const date = new Date(Date.parse("2013-01-01") + day * 86_400_000).toISOString().slice(0, 10)
      return `${date},0,${day},0,1`
    }).join("\n")}`
    const one = parseWeather(short, "short.csv")
    expect(one.day(Date.parse("2028-02-29T12:00:00Z")).warmest).toBe(58)
    expect(one.day(Date.parse("1969-12-31T12:00:00Z")).warmest).toBe(364)
  })

  it("estimates a humidity between dry and fog", () => {
    const hours = Array.from({ length: 24 * 365 }, (_, hour) => Date.parse("2026-01-01T00:00:00Z") + hour * 3_600_000)
    const humidities = hours.map((at) => weather.humidity(at))
    expect(Math.min(...humidities)).toBeGreaterThan(10)
    expect(Math.max(...humidities)).toBeLessThanOrEqual(98)
  })

  it.each([
    ["", "first line"],
    ["date,temp\n2012-01-01,3", "first line"],
    [`${head}\n`, "no days"],
    [`${head}\n2012-01-01,0.0,12.8,,4.7`, "line 2"],
    [`${head}\n2012-01-01,0.0,12.8,5.0,4.7\n2012-01-03,0.0,12.8,5.0,4.7`, "2012-01-02 is missing"],
  ])("names what is wrong with a file: %j", (csv, why) => {
    expect(() => parseWeather(csv, "mine.csv")).toThrow(expect.objectContaining({ code: "usage" }))
    expect(() => parseWeather(csv, "mine.csv")).toThrow(why)
  })
})
