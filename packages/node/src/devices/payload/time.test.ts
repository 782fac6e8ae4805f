import { maxTimeUs, quality } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { clockQuality, isCarriedTime, msProblem, parseIsoTime } from "./time.ts"

test("an ISO time of a Date is that Date's time", () => {
  const date = fc.date({
    min: new Date("0000-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  })
  fc.assert(fc.property(date, (value) => parseIsoTime(value.toISOString()) === value.getTime() * 1000))
})

test("microseconds are kept and finer digits are cut", () => {
  const second = Date.UTC(2026, 2, 1, 12) * 1000
  expect(parseIsoTime("2026-03-01T12:00:00.123456Z")).toBe(second + 123_456)
  expect(parseIsoTime("2026-03-01T12:00:00.123456999Z")).toBe(second + 123_456)
  expect(parseIsoTime("2026-03-01T12:00:00.1Z")).toBe(second + 100_000)
  expect(parseIsoTime("1969-12-31T23:59:59.999999Z")).toBe(-1)
})

test("offsets, lower case, a space and missing seconds are understood", () => {
  const time = Date.UTC(2026, 2, 1, 12) * 1000
  for (const text of [
    "2026-03-01T14:00:00+02:00",
    "2026-03-01T14:00:00+0200",
    "2026-03-01T14:00+02",
    "2026-03-01T06:30:00-05:30",
    "2026-03-01 12:00:00Z",
    "2026-03-01t12:00z",
    "2026-03-01T12:00:00,0Z",
    "2026-03-01T11:59:60Z",
  ])
    expect(parseIsoTime(text), text).toBe(time)
})

test("texts that are no time of a calendar with a zone are refused", () => {
  for (const text of [
    "",
    "2026-03-01",
    "2026-03-01T12:00:00",
    "2026-02-29T12:00:00Z",
    "1900-02-29T12:00:00Z",
    "2026-04-31T12:00:00Z",
    "2026-00-01T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-03-00T12:00:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T12:60:00Z",
    "2026-03-01T12:00:61Z",
    "2026-03-01T12:00:00.Z",
    "2026-03-01T12:00:00Zx",
    "2026-03-01T12:00:00+24:00",
    "2026-03-01T12:00:00+01:",
    "2026-03-01T12:00:00+1",
    "2026-3-1T12:00:00Z",
    "26-03-01T12:00:00Z",
    "+12026-03-01T12:00Z",
    "２026-03-01T12:00:00Z",
    "now",
  ])
    expect(parseIsoTime(text), text).toBeNaN()
  expect(parseIsoTime("2024-02-29T12:00:00Z")).toBe(Date.UTC(2024, 1, 29, 12) * 1000)
  expect(parseIsoTime("2000-02-29T12:00:00Z")).toBe(Date.UTC(2000, 1, 29, 12) * 1000)
})

test("a clock before 2000 or more than a day ahead is implausible", () => {
  const received = Date.UTC(2026, 0, 1) * 1000
  expect(clockQuality(0, received)).toBe(quality.deviceClock)
  expect(clockQuality(Date.UTC(2000, 0, 1) * 1000 - 1, received)).toBe(quality.deviceClock)
  expect(clockQuality(Date.UTC(2000, 0, 1) * 1000, received)).toBe(quality.good)
  expect(clockQuality(received + 86_400_000_000, received)).toBe(quality.good)
  expect(clockQuality(received + 86_400_000_001, received)).toBe(quality.deviceClock)
})

test("times beyond exact numbers cannot be carried", () => {
  expect(isCarriedTime(maxTimeUs)).toBe(true)
  expect(isCarriedTime(-maxTimeUs)).toBe(true)
  expect(isCarriedTime(maxTimeUs + 1)).toBe(false)
  expect(isCarriedTime(Number.NaN)).toBe(false)
  expect(isCarriedTime(Number.POSITIVE_INFINITY)).toBe(false)
})

test("a number far too large is recognised as µs or ns", () => {
  expect(msProblem(1_700_000_000_000_000)).toContain("looks like µs")
  expect(msProblem(1_700_000_000_000_000_000)).toContain("looks like ns")
  expect(msProblem(32_503_680_000_000)).not.toContain("looks like")
})
