/**
 * Times of readings: µs since 1970 UTC as whole numbers. Formats that are finer are cut to the microsecond before
 * (towards the past), so that order is kept.
 */
import { maxTimeUs, quality } from "@brume/core"

/** Devices without a clock often start in 1970 or 1980; nothing that sends to Brume measured before 2000. */
const earliestPlausibleUs = Date.UTC(2000, 0, 1) * 1000
const dayUs = 86_400_000_000

/** The quality bit of a device's time: kept as it is, but marked when its clock can hardly be right. */
export function clockQuality(timeUs: number, receivedUs: number): number {
  return timeUs < earliestPlausibleUs || timeUs > receivedUs + dayUs ? quality.deviceClock : quality.good
}

/** Whether readings can carry this time. NaN cannot be carried. */
export function isCarriedTime(timeUs: number): boolean {
  return timeUs >= -maxTimeUs && timeUs <= maxTimeUs
}

/** Why a number cannot be a time in ms since 1970, for a message. */
export function msProblem(ms: number): string {
  const magnitude = Math.abs(ms)
  const unit = magnitude >= 1e17 ? "ns" : magnitude >= 1e14 ? "µs" : undefined
  const guess = unit === undefined ? "" : `; it looks like ${unit}`
  return `is beyond the years 1684 to 2255: a number is ms since 1970${guess}`
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57

/** Two digits at a place of a text, or NaN. */
function pair(text: string, at: number): number {
  const tens = text.charCodeAt(at)
  const ones = text.charCodeAt(at + 1)
  return isDigit(tens) && isDigit(ones) ? (tens - 48) * 10 + ones - 48 : Number.NaN
}

/** Days since 1970-01-01 of a date in the proleptic Gregorian calendar; NaN when there is no such day. */
function daysSince1970(year: number, month: number, day: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const length = month === 2 ? (leap ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= length)) return Number.NaN
  // Counted in years that begin in March, so that the leap day comes last.
  const marchYear = month > 2 ? year : year - 1
  const marchMonth = month > 2 ? month - 3 : month + 9
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leapDays + Math.floor((153 * marchMonth + 2) / 5) + day - 1 - 719_468
}

/**
 * Time of an RFC 3339 text: `2026-03-01T12:00:00.123456Z`, with `Z` or an offset, seconds and fraction optional.
 * NaN for anything else, also for a text without a zone: whose zone it means is anybody's guess. Second 60 is the
 * next minute's first.
 */
export function parseIsoTime(text: string): number {
  const code = (at: number): number => text.charCodeAt(at)
  const separator = code(10)
  const separated = separator === 0x54 || separator === 0x74 || separator === 0x20
  if (!separated || code(4) !== 0x2d || code(7) !== 0x2d || code(13) !== 0x3a) return Number.NaN
  const days = daysSince1970(pair(text, 0) * 100 + pair(text, 2), pair(text, 5), pair(text, 8))
  const hour = pair(text, 11)
  const minute = pair(text, 14)
  let at = 16
  let second = 0
  let micros = 0
  if (code(at) === 0x3a) {
    second = pair(text, at + 1)
    at += 3
    if (code(at) === 0x2e || code(at) === 0x2c) {
      const from = ++at
      for (; isDigit(code(at)); at++) if (at - from < 6) micros = micros * 10 + code(at) - 48
      if (at === from) return Number.NaN
      for (let digits = at - from; digits < 6; digits++) micros *= 10
    }
  }
  const offset = parseZone(text, at)
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return Number.NaN
  return ((days * 24 + hour) * 60 + minute - offset) * 60_000_000 + second * 1_000_000 + micros
}

/** Minutes east of UTC of the zone that ends a text: `Z`, `+01`, `+0100`, `+01:00`; NaN for anything else. */
function parseZone(text: string, at: number): number {
  const sign = text.charCodeAt(at)
  if (sign === 0x5a || sign === 0x7a) return text.length === at + 1 ? 0 : Number.NaN
  if (sign !== 0x2b && sign !== 0x2d) return Number.NaN
  const hours = pair(text, at + 1)
  let end = at + 3
  let minutes = 0
  if (end < text.length) {
    if (text.charCodeAt(end) === 0x3a) end++
    minutes = pair(text, end)
    end += 2
  }
  if (end !== text.length || !(hours <= 23 && minutes <= 59)) return Number.NaN
  return sign === 0x2b ? hours * 60 + minutes : -(hours * 60 + minutes)
}
