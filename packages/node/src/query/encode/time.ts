/**
 * Dates and times as ISO 8601 texts in UTC. Years from 0000 to 9999 have four digits, all others a sign and six, as
 * JavaScript's Date reads and writes them; the year before 0001 is 0000.
 */

const usPerDay = 86_400_000_000n
const usPerDayNumber = 86_400_000_000
/** DuckDB's `infinity` and `-infinity`, µs. */
const endless = 9_223_372_036_854_775_807n
/** DuckDB's `infinity` and `-infinity`, days. */
const endlessDays = 2_147_483_647

/** @param days since 1970-01-01. */
export function dateText(days: number): string {
  if (Math.abs(days) === endlessDays) return days < 0 ? "-infinity" : "infinity"
  // Counted from 0000-03-01, so that the leap day is the last of a year; 146097 days are 400 years.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${yearText(year)}-${digits(month, 2)}-${digits(day, 2)}`
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9_999) return digits(year, 4)
  return `${year < 0 ? "-" : "+"}${digits(Math.abs(year), 6)}`
}

/** With six digits of the second, always: texts of the same length sort by time. @param us since 1970 UTC. */
export function timestampText(us: bigint): string {
  if (us === endless || us === -endless) return us < 0n ? "-infinity" : "infinity"
  const days = us / usPerDay - (us % usPerDay < 0n ? 1n : 0n)
  return `${dateText(Number(days))}T${clockText(Number(us - days * usPerDay))}Z`
}

/** {@link timestampText} for many times that are near each other: the text of the day is kept. */
export function createTimestampText(): (us: bigint | number) => string {
  let dayStart = 0
  let date = dateText(0)
  return (us) => {
    const exact = Number(us)
    // Beyond 2^53 µs, the year 2255, numbers are not exact.
    if (!Number.isSafeInteger(exact)) return timestampText(BigInt(us))
    if (exact < dayStart || exact >= dayStart + usPerDayNumber) {
      const days = Math.floor(exact / usPerDayNumber)
      dayStart = days * usPerDayNumber
      date = dateText(days)
    }
    return `${date}T${clockText(exact - dayStart)}Z`
  }
}

/** With nine digits of the second. @param ns since 1970 UTC. */
export function nanosecondText(ns: bigint): string {
  const us = ns / 1_000n - (ns % 1_000n < 0n ? 1n : 0n)
  return `${timestampText(us).slice(0, -1)}${digits(Number(ns - us * 1_000n), 3)}Z`
}

/** @param us of the day. */
function clockText(us: number): string {
  const seconds = Math.floor(us / 1_000_000)
  const minutes = Math.floor(seconds / 60)
  const clock = `${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}:${twoDigits[seconds % 60]}`
  // Quicker than padding: a leading 1 that is cut off.
  return `${clock}.${String(1_000_000 + us - seconds * 1_000_000).slice(1)}`
}

const twoDigits: readonly string[] = Array.from({ length: 60 }, (_, value) => digits(value, 2))

function digits(value: number, count: number): string {
  return String(value).padStart(count, "0")
}
