/**
 * When a schedule comes next. When clocks change (DST), one that names hours keeps to the wall clock: what falls into the
 * hour that is left out comes at the moment of the change, and what falls into the hour that comes twice comes once. One
 * that takes every hour goes on in even steps of real time.
 */
import { type Cron, takesDay } from "./cron.ts"
import { asUtc, type TimeZone, type WallTime } from "./time-zone.ts"

/** How far it is looked ahead: a 29th of February may be eight years away. */
const mostYears = 9
const hoursOfDay = 24

type Day = Pick<WallTime, "year" | "month" | "day">

/** The first moment after this one; undefined where there is none. ms since 1970 UTC. */
export function nextCron(cron: Cron, zone: TimeZone, afterMs: number): number | undefined {
  const begin = (Math.floor(afterMs / 1_000) + 1) * 1_000
  return cron.hours.size === hoursOfDay ? nextByTime(cron, zone, begin) : nextByWall(cron, zone, begin)
}

function nextByTime(cron: Cron, zone: TimeZone, begin: number): number | undefined {
  const lastYear = zone.wallTime(begin).year + mostYears
  let ms = begin
  for (;;) {
    const wall = zone.wallTime(ms)
    if (wall.year > lastYear) return undefined
    if (!takesDay(cron, wall))
      ms = Math.max(ms + 1_000, momentOf(zone, { ...dayAfter(wall, 1), hour: 0, minute: 0, second: 0 }))
    else if (!cron.minutes.has(wall.minute)) ms += (60 - wall.second) * 1_000
    else if (!cron.seconds.has(wall.second)) ms += 1_000
    else return ms
  }
}

function nextByWall(cron: Cron, zone: TimeZone, begin: number): number | undefined {
  const first = zone.wallTime(begin)
  const inOrder = (set: ReadonlySet<number>): number[] => [...set].sort((a, b) => a - b)
  const [hours, minutes, seconds] = [inOrder(cron.hours), inOrder(cron.minutes), inOrder(cron.seconds)]
  for (let offset = 0; offset < mostYears * 366; offset++) {
    const day = dayAfter(first, offset)
    if (!takesDay(cron, day)) continue
    for (const hour of hours) {
      // An hour that is over on the first day needs no look at its minutes.
      if (offset === 0 && hour < first.hour - 1) continue
      for (const minute of minutes) {
        for (const second of seconds) {
          const ms = momentOf(zone, { ...day, hour, minute, second })
          if (ms >= begin) return ms
        }
      }
    }
  }
  return undefined
}

function dayAfter({ year, month, day }: Day, days: number): Day {
  const date = new Date(Date.UTC(year, month - 1, day + days))
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
}

/** The first of two; where the wall clock leaves it out, the moment at which it was put forward. */
function momentOf(zone: TimeZone, wall: WallTime): number {
  const [moment] = zone.moments(wall)
  if (moment !== undefined) return moment
  const wanted = asUtc(wall)
  let low = wanted - 86_400_000
  let high = wanted + 86_400_000
  while (high - low > 1_000) {
    const middle = Math.floor((low + high) / 2_000) * 1_000
    if (asUtc(zone.wallTime(middle)) >= wanted) high = middle
    else low = middle
  }
  return high
}
