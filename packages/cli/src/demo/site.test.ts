import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { createFeed } from "./feed.ts"
import { createSite, type Site } from "./site.ts"
import { parseWeather } from "./weather.ts"

const file = new URL("../../../../examples/cold-storage/seattle-weather.csv", import.meta.url)
const weather = parseWeather(readFileSync(file, "utf8"), "seattle-weather.csv")
const monday = Date.parse("2026-07-06T00:00:00Z")
const hourMs = 3_600_000

function siteFrom(from: number, { devices = 8, seed = 1 } = {}): Site {
  return createSite({ seed, weather, devices, utcOffsetMs: 0, from })
}

function readings(from: number, to: number, { start = from, speed = 1, liveFrom = to, seed = 1 } = {}) {
  const feed = createFeed({ site: siteFrom(start, { seed }), liveFrom, speed })
  return [...feed.between(from, to)]
}

describe("site", () => {
  it("keeps every room near its setpoint for a whole summer day, with excursions that end", () => {
    const all = readings(monday, monday + 24 * hourMs)
    for (const [device, setpoint] of [
      ["pharmacy/vaccine-fridge", 5],
      ["hall-a/dairy", 4],
      ["hall-b/freezer", -20],
      ["dock/loading-dock", 10],
    ] as const) {
      const values = all
        .filter((reading) => reading.device === device && reading.property === "temperature")
        .map((reading) => reading.value as number)
        .sort((a, b) => a - b)
      expect(values.length).toBeGreaterThan(2_000)
      expect(Math.abs(values[values.length >> 1]! - setpoint)).toBeLessThan(1.5)
      expect(values[0]!).toBeGreaterThan(setpoint - 3)
      expect(values.at(-1)!).toBeLessThan(setpoint + 12)
    }
  })

  it("works harder when it is hot outdoors", () => {
    const power = (day: string): number => {
      const from = Date.parse(`${day}T12:00:00Z`)
      const values = readings(from, from + 6 * hourMs)
        .filter((reading) => reading.property === "power")
        .map((reading) => reading.value as number)
      return values.reduce((sum, value) => sum + value, 0) / values.length
    }
    expect(power("2026-07-06")).toBeGreaterThan(1.3 * power("2026-01-05"))
  })

  it("tells the same story of doors and defrosting whenever it begins, and another one with another seed", () => {
    const from = monday + 30 * hourMs
    const story = (options: { start?: number; seed?: number }) =>
      readings(from, from + 3 * hourMs, options).filter(({ property }) => property === "door")
    expect(story({}).filter(({ value }) => value === "open").length).toBeGreaterThan(10)
    expect(story({ start: from - 77 * hourMs })).toEqual(story({}))
    expect(story({ seed: 2 })).not.toEqual(story({}))
  })

  it("repeats every value when it begins at the same moment", () => {
    expect(readings(monday, monday + hourMs)).toEqual(readings(monday, monday + hourMs))
  })

  it("goes on from what its sensors showed last, without a jump", () => {
    const middle = monday + 13 * hourMs
    const lastOf = (property: string) =>
      new Map(
        readings(monday, middle)
          .filter((reading) => reading.property === property)
          .map((reading) => [reading.device, reading.value as number]),
      )
    const [temperatures, humidities, powers] = ["temperature", "humidity", "power"].map(lastOf)
    const last = new Map(
      [...powers!].map(([device, power]) => [
        device,
        { temperature: temperatures!.get(device)!, humidity: humidities!.get(device)!, power },
      ]),
    )
    const site = createSite({ seed: 1, weather, devices: 8, utcOffsetMs: 0, from: middle, last })
    const feed = createFeed({ site, liveFrom: middle, speed: 1 })
    for (const { device, property, value } of feed.between(middle, middle + 10_000)) {
      if (property !== "temperature" || !last.has(device)) continue
      expect(Math.abs((value as number) - last.get(device)!.temperature)).toBeLessThan(0.3)
    }
  })

  it("does what its rooms are told, and says why not where it does not", () => {
    const cold = (command?: string): number => {
      const from = monday + 12 * hourMs
      const site = siteFrom(from)
      const dairy = site.devices.find(({ name }) => name === "hall-a/dairy")!
      site.advance(from)
      if (command !== undefined) expect(dairy.act(command, { minutes: 60 })).toMatchObject({ state: "done" })
      site.advance(from + hourMs / 2)
      expect(dairy.states()).toContainEqual(
        expect.objectContaining({ property: "cooling", value: command === "boost" ? "boost" : "normal" }),
      )
      return dairy.numbers()[0]!.value as number
    }
    expect(cold("boost")).toBeLessThan(cold() - 0.5)
    expect(cold("open-door")).toBeGreaterThan(cold() + 1)
    const { devices } = siteFrom(monday)
    const told = (name: string, command: string, input: unknown) =>
      devices.find((device) => device.name === name)!.act(command, input)
    expect(told("hall-a/dairy", "fly", null)).toMatchObject({ state: "failed", error: { code: "unknown_command" } })
    expect(told("hall-a/dairy", "boost", { minutes: -1 })).toMatchObject({ error: { code: "bad_input" } })
    expect(told("roof/weather-station", "boost", null)).toMatchObject({ error: { code: "unknown_command" } })
  })

  it("has as many devices as asked for, none twice", () => {
    for (const devices of [1, 4, 5, 8, 40]) {
      const names = siteFrom(monday, { devices }).devices.map((device) => device.name)
      expect(new Set(names).size).toBe(devices)
      expect(names.includes("roof/weather-station")).toBe(devices > 4)
    }
  })
})

describe("feed", () => {
  it("gives each reading once and in order, however the time is cut", () => {
    const whole = readings(monday, monday + 60_000)
    const feed = createFeed({ site: siteFrom(monday), liveFrom: monday + 60_000, speed: 1 })
    const pieces = Array.from({ length: 300 }, (_, index) => [
      ...feed.between(monday + index * 200, monday + (index + 1) * 200),
    ]).flat()
    expect(pieces).toEqual(whole)
    const times = whole.map((reading) => reading.time as number)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times[0]!).toBeGreaterThan(monday)
    expect(times.at(-1)!).toBeLessThanOrEqual(monday + 60_000)
  })

  it("reports the past more coarsely the further back it lies", () => {
    const day = 24 * hourMs
    const temperatures = readings(monday - 2 * day, monday)
      .filter((reading) => reading.device === "hall-a/dairy" && reading.property === "temperature")
      .map((reading) => reading.time as number)
    const between = (from: number, to: number): number => temperatures.filter((at) => at > from && at <= to).length
    expect(between(monday - 2 * day, monday - day - hourMs)).toBeLessThanOrEqual(23 * 12)
    expect(between(monday - hourMs, monday - 300_000)).toBeCloseTo(110, -1)
    expect(between(monday - 60_000, monday)).toBe(12)
  })

  it("runs the site faster, but never the clocks of its devices", () => {
    const liveFrom = monday + 8 * hourMs
    const fast = readings(liveFrom, liveFrom + 60_000, { liveFrom, speed: 60 })
    const slow = readings(liveFrom, liveFrom + 60_000, { liveFrom, speed: 1 })
    for (const { time } of fast) expect((time as number) - liveFrom).toBeLessThanOrEqual(60_000)
    const doors = (all: typeof fast): number => all.filter((reading) => reading.value === "open").length
    expect(doors(fast)).toBeGreaterThan(doors(slow) + 5)
    const perProperty = fast.filter((one) => one.device === "hall-a/dairy" && one.property === "temperature")
    expect(perProperty.length).toBeLessThanOrEqual(600)
  })
})
