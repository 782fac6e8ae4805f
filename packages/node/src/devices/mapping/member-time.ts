/** The time that a payload brings for its readings, in one of its members. */
import { ExactInteger, type JsonValue } from "../payload/exact-json.ts"
import { excerpt } from "../payload/mistakes.ts"
import { isCarriedTime, parseIsoTime } from "../payload/time.ts"

/** `auto` goes by the size of a number; `none` says that no member is the time. */
export type TimeUnit = "auto" | "s" | "ms" | "us" | "ns" | "iso" | "none"

export interface TimeRule {
  /** Members of the outermost object; the first that is there is the time. */
  readonly members: readonly string[]
  readonly unit: TimeUnit
  /** Zone of ISO texts that name none, like `Z` or `+01:00`; without it they are refused. */
  readonly zone: string | undefined
}

export const defaultTimeRule: TimeRule = { members: ["time", "timestamp", "ts"], unit: "auto", zone: undefined }

/** µs since 1970 of a number in a unit, cut or rounded to the microsecond; may be beyond what readings carry. */
export function microsOf(value: number, unit: TimeUnit): number {
  switch (unit === "auto" ? unitBySize(value) : unit) {
    case "s":
      return Math.round(value * 1e6)
    case "ms":
      return Math.round(value * 1e3)
    case "us":
      return Math.round(value)
    default:
      return Math.floor(value / 1e3)
  }
}

/** Whether a number is read as nanoseconds, which a double may not carry. */
export function isNanoseconds(value: number, unit: TimeUnit): boolean {
  return unit === "ns" || (unit === "auto" && unitBySize(value) === "ns")
}

/** 1e11 is the year 5138 in s, 1973 in ms: below and above it the other unit is out of the question, and so on. */
function unitBySize(value: number): TimeUnit {
  const size = Math.abs(value)
  if (size < 1e11) return "s"
  if (size < 1e14) return "ms"
  return size < 1e17 ? "us" : "ns"
}

/** µs since 1970, or why the member is no time; continues a sentence that began with the member. */
export function memberTime(value: JsonValue, rule: TimeRule): number | string {
  if (typeof value === "string") return textTime(value, rule)
  if (typeof value !== "number" && !(value instanceof ExactInteger)) return `is no time, but ${JSON.stringify(value)}`
  if (rule.unit === "iso") return "is a number, but the mapping expects an ISO 8601 text"
  const micros = value instanceof ExactInteger ? exactMicros(value.digits, rule.unit) : microsOf(value, rule.unit)
  if (isCarriedTime(micros)) return micros
  const digits = value instanceof ExactInteger ? value.digits : String(value)
  return `${excerpt(digits)} is beyond the years 1684 to 2255${rule.unit === "auto" ? "" : ` when it is read as ${rule.unit}`}`
}

function textTime(text: string, { unit, zone }: TimeRule): number | string {
  if (unit !== "iso" && unit !== "auto") return `is a text, but the mapping expects a number of ${unit}`
  let micros = parseIsoTime(text)
  if (Number.isNaN(micros) && zone !== undefined) micros = parseIsoTime(text + zone)
  if (isCarriedTime(micros)) return micros
  return Number.isNaN(micros)
    ? `${excerpt(text)} is no ISO 8601 time with a zone, like 2026-03-01T12:00:00.123456Z`
    : `${excerpt(text)} is beyond the years 1684 to 2255`
}

/** Nanoseconds of today have 19 digits: their last three are cut as digits, because a double would round them. */
function exactMicros(digits: string, unit: TimeUnit): number {
  const value = Number(digits)
  if (!isNanoseconds(value, unit)) return microsOf(value, unit)
  const micros = Number(digits.slice(0, -3))
  // Towards the past: -1500 ns lie in the microsecond that begins at -2.
  return value < 0 && !digits.endsWith("000") ? micros - 1 : micros
}
