import { expect, test } from "vitest"
import { parseCron } from "./cron.ts"
import { nextCron } from "./next-cron.ts"
import { nextSun } from "./sun.ts"
import { openTimeZone } from "./time-zone.ts"

function moments(schedule: string, after: string, count: number, zone = "Europe/Zurich"): string[] {
  const cron = parseCron(schedule)
  if (typeof cron === "string") throw new Error(cron)
  const found: string[] = []
  let ms = Date.parse(after)
  while (found.length < count) {
    const next = nextCron(cron, openTimeZone(zone)!, ms)
    if (next === undefined) break
    found.push(new Date(next).toISOString().replace(":00.000Z", "Z"))
    ms = next
  }
  return found
}

test("a schedule keeps to the wall clock of its zone, winter and summer", () => {
  expect(moments("0 8 * * mon-fri", "2026-03-26T12:00:00Z", 3)).toEqual([
    "2026-03-27T07:00Z",
    "2026-03-30T06:00Z",
    "2026-03-31T06:00Z",
  ])
})

test("what falls into the hour that is left out comes at the moment of the change", () => {
  expect(moments("30 2 * * *", "2026-03-28T00:00:00Z", 3)).toEqual([
    "2026-03-28T01:30Z",
    "2026-03-29T01:00Z",
    "2026-03-30T00:30Z",
  ])
})

test("what falls into the hour that comes twice comes once", () => {
  expect(moments("30 2 * * *", "2026-10-24T12:00:00Z", 2)).toEqual(["2026-10-25T00:30Z", "2026-10-26T01:30Z"])
})

test("a schedule of every hour goes on in even steps through a change", () => {
  expect(moments("*/30 * * * *", "2026-10-24T23:45:00Z", 5)).toEqual([
    "2026-10-25T00:00Z",
    "2026-10-25T00:30Z",
    "2026-10-25T01:00Z",
    "2026-10-25T01:30Z",
    "2026-10-25T02:00Z",
  ])
})

test("a zone whose midnight is left out has that day's midnight at the change", () => {
  // Cairo went from 23:59:59 to 01:00 on 24 April 2026.
  expect(moments("0 0 * * *", "2026-04-23T12:00:00Z", 2, "Africa/Cairo")).toEqual([
    "2026-04-23T22:00Z",
    "2026-04-24T21:00Z",
  ])
})

test("day and weekday together: one of them suffices; a 29th of February is found; a 31st is not", () => {
  expect(moments("0 0 13 * fri", "2026-02-01T00:00:00Z", 3, "UTC")).toEqual([
    "2026-02-06T00:00Z",
    "2026-02-13T00:00Z",
    "2026-02-20T00:00Z",
  ])
  expect(moments("0 12 29 2 *", "2026-01-01T00:00:00Z", 2, "UTC")).toEqual(["2028-02-29T12:00Z", "2032-02-29T12:00Z"])
  expect(moments("0 0 31 2 fri", "2026-01-01T00:00:00Z", 1, "UTC")).toEqual(["2026-02-06T00:00Z"])
})

test("six fields begin with seconds", () => {
  expect(moments("*/20 * * * * *", "2026-01-01T00:00:01Z", 3, "UTC")).toEqual([
    "2026-01-01T00:00:20.000Z",
    "2026-01-01T00:00:40.000Z",
    "2026-01-01T00:01Z",
  ])
})

test.each([
  ["61 * * * *", "the minute 61"],
  ["* * * *", "4 fields"],
  ["0 5-2 * * *", "the hour 5-2"],
  ["0 0 * * someday", "the weekday someday"],
  ["*/0 * * * *", "the minute */0"],
  ["0 0 31 2,4 *", "never comes: its months have at most 30 days, and it wants day 31"],
])("the schedule %s is refused with its mistake", (schedule, mistake) => {
  expect(parseCron(schedule)).toContain(mistake)
})

test("an unknown zone is none", () => {
  expect(openTimeZone("Europe/Zürich")).toBeUndefined()
})

// By the tables of the U.S. Naval Observatory and of timeanddate.com, to the minute.
test.each([
  ["sunrise", 47.3769, 8.5417, "2026-06-21T00:00:00Z", "2026-06-21T03:29Z"],
  ["sunset", 47.3769, 8.5417, "2026-06-21T00:00:00Z", "2026-06-21T19:26Z"],
  ["sunrise", -33.8688, 151.2093, "2026-12-20T12:00:00Z", "2026-12-20T18:41Z"],
  ["sunset", 40.7128, -74.006, "2026-12-21T12:00:00Z", "2026-12-21T21:32Z"],
  // Zurich in winter.
  ["sunrise", 47.3769, 8.5417, "2026-12-21T00:00:00Z", "2026-12-21T07:10Z"],
  ["sunset", 47.3769, 8.5417, "2026-12-21T00:00:00Z", "2026-12-21T15:38Z"],
  // Reykjavik, where the sun sets after midnight in summer.
  ["sunrise", 64.1466, -21.9426, "2026-06-21T01:00:00Z", "2026-06-21T02:55Z"],
  ["sunset", 64.1466, -21.9426, "2026-06-21T01:00:00Z", "2026-06-22T00:04Z"],
  ["sunrise", 64.1466, -21.9426, "2026-12-21T01:00:00Z", "2026-12-21T11:22Z"],
  ["sunset", 64.1466, -21.9426, "2026-12-21T01:00:00Z", "2026-12-21T15:30Z"],
  // Quito and Singapore, on the equator and near it.
  ["sunrise", -0.1807, -78.4678, "2026-03-20T06:00:00Z", "2026-03-20T11:18Z"],
  ["sunset", -0.1807, -78.4678, "2026-03-20T06:00:00Z", "2026-03-20T23:24Z"],
  ["sunrise", 1.3521, 103.8198, "2026-09-22T16:00:00Z", "2026-09-22T22:54Z"],
  ["sunset", 1.3521, 103.8198, "2026-09-22T16:00:00Z", "2026-09-23T11:01Z"],
] as const)("the %s at %d, %d after %s is at %s", (event, latitude, longitude, after, wanted) => {
  const moment = nextSun(event, { latitude, longitude }, Date.parse(after))!
  expect(Math.abs(moment - Date.parse(wanted))).toBeLessThanOrEqual(90_000)
})

test("where the sun does not rise in winter, the next sunrise is weeks away", () => {
  const tromso = { latitude: 69.65, longitude: 18.96 }
  const next = new Date(nextSun("sunrise", tromso, Date.parse("2026-12-01T00:00:00Z"))!)
  expect(next.toISOString().slice(0, 7)).toBe("2027-01")
})

test("where the sun does not set in summer, the next sunset is weeks away; at the pole there is none for months", () => {
  const tromso = { latitude: 69.65, longitude: 18.96 }
  const next = new Date(nextSun("sunset", tromso, Date.parse("2026-06-01T00:00:00Z"))!)
  expect(next.toISOString().slice(0, 7)).toBe("2026-07")
  for (const latitude of [90, -90]) {
    const pole = nextSun("sunrise", { latitude, longitude: 0 }, Date.parse("2026-01-01T00:00:00Z"))
    expect(pole === undefined || Number.isFinite(pole)).toBe(true)
  }
})

test("each sunset is followed by another about a day later", () => {
  const place = { latitude: 35.68, longitude: 139.69 }
  let last = nextSun("sunset", place, Date.parse("2026-01-01T00:00:00Z"))!
  for (let day = 0; day < 400; day++) {
    const next = nextSun("sunset", place, last)!
    expect(Math.abs(next - last - 86_400_000)).toBeLessThan(180_000)
    last = next
  }
})
