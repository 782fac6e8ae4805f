/**
 * The outdoor weather: days that were really observed, played at the same day of the year.
 *
 * The file names the lowest and the highest temperature of a day. Between them the temperature follows half cosines,
 * lowest at 06:00 and highest at 15:00 local time, so that every turning point is an observed value.
 */
import { FogError } from "@brume/core"

export interface WeatherDay {
  /** °C, as observed. */
  readonly coldest: number
  readonly warmest: number
  /** mm of the whole day. */
  readonly precipitation: number
  /** m/s, average of the day. */
  readonly wind: number
}

export interface Weather {
  /** @param local ms since 1970 of the site's local time. */
  day(local: number): WeatherDay
  /** °C. */
  temperature(local: number): number
  /** Relative humidity, %, as if the dew point were the day's lowest temperature: an estimate, not an observation. */
  humidity(local: number): number
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const coldestAtMs = 6 * hourMs
const warmestAtMs = 15 * hourMs
const columns = "date,precipitation,temp_max,temp_min,wind"

/** @param name of the file, for the errors. */
export function parseWeather(csv: string, name: string): Weather {
  const days = parseDays(csv, name)
  const years = [...new Set([...days.keys()].map((date) => Number(date.slice(0, 4))))].sort((a, b) => a - b)
  const known = new Map<number, WeatherDay>()
  const day = (local: number): WeatherDay => {
    const number = Math.floor(local / dayMs)
    let found = known.get(number)
    if (found === undefined) {
      // Three days are asked for at a time; the limit only keeps a run of years small.
      if (known.size >= 1_000) known.clear()
      found = days.get(playedDate(local, years, days))!
      known.set(number, found)
    }
    return found
  }

  function temperature(local: number): number {
    const sinceMidnight = ((local % dayMs) + dayMs) % dayMs
    const today = day(local)
    if (sinceMidnight < coldestAtMs) {
      const phase = (sinceMidnight + dayMs - warmestAtMs) / (dayMs - warmestAtMs + coldestAtMs)
      return between(day(local - dayMs).warmest, today.coldest, phase)
    }
    if (sinceMidnight < warmestAtMs) {
      return between(today.coldest, today.warmest, (sinceMidnight - coldestAtMs) / (warmestAtMs - coldestAtMs))
    }
    const phase = (sinceMidnight - warmestAtMs) / (dayMs - warmestAtMs + coldestAtMs)
    return between(today.warmest, day(local + dayMs).coldest, phase)
  }

  const humidity = (local: number): number =>
    Math.min(98, (100 * vapourPressure(day(local).coldest)) / vapourPressure(temperature(local)))

  return { day, temperature, humidity }
}

/** Saturation vapour pressure over water, hPa, by the Magnus formula. */
function vapourPressure(celsius: number): number {
  return 6.112 * Math.exp((17.62 * celsius) / (243.12 + celsius))
}

function between(from: number, to: number, phase: number): number {
  return from + ((to - from) * (1 - Math.cos(Math.PI * phase))) / 2
}

/** The same day of the year in one of the observed years, which take turns; 29 February falls back to the 28th. */
function playedDate(local: number, years: readonly number[], days: ReadonlyMap<string, WeatherDay>): string {
  const iso = new Date(local).toISOString()
  // Leap years meet leap years when the first observed year is one and their number is four.
  const year = years[(((Number(iso.slice(0, 4)) - years[0]!) % years.length) + years.length) % years.length]!
  const date = `${year}${iso.slice(4, 10)}`
  return days.has(date) ? date : `${year}-02-28`
}

function parseDays(csv: string, name: string): Map<string, WeatherDay> {
  const [head, ...lines] = csv.trim().split(/\r?\n/)
  if (head !== columns) throw refuse(name, `its first line must be ${columns}`)
  const days = new Map<string, WeatherDay>()
  for (const [index, line] of lines.entries()) {
    const [date, ...numbers] = line.split(",")
    const [precipitation, warmest, coldest, wind] = numbers.map(Number)
    const isComplete = numbers.length === 4 && numbers.every((text) => text !== "" && Number.isFinite(Number(text)))
    if (date === undefined || !/^\d{4}-\d\d-\d\d$/.test(date) || !isComplete) {
      throw refuse(name, `line ${index + 2} is not a day: ${line.slice(0, 80)}`)
    }
    days.set(date, { precipitation: precipitation!, warmest: warmest!, coldest: coldest!, wind: wind! })
  }
  for (const year of new Set([...days.keys()].map((date) => date.slice(0, 4)))) checkYear(year, days, name)
  if (days.size === 0) throw refuse(name, "it has no days")
  return days
}

function checkYear(year: string, days: ReadonlyMap<string, WeatherDay>, name: string): void {
  for (let at = Date.parse(`${year}-01-01`); at < Date.parse(`${Number(year) + 1}-01-01`); at += dayMs) {
    const date = new Date(at).toISOString().slice(0, 10)
    if (!days.has(date) && !date.endsWith("-02-29")) throw refuse(name, `${date} is missing`)
  }
}

function refuse(name: string, why: string): FogError {
  return new FogError("usage", {
    message: `Cannot play the weather of ${name}: ${why}`,
    hint: "Give whole years of daily rows, like examples/cold-storage/seattle-weather.csv.",
  })
}
