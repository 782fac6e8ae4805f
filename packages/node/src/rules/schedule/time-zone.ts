/** Wall clocks of time zones, by the tables that Node.js carries. */

/** What a wall clock shows. Months count from 1. */
export interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

export interface TimeZone {
  wallTime(ms: number): WallTime
  /**
   * The moments at which the wall clock shows this: one as a rule, two where it was put back, none where it was put
   * forward. ms since 1970 UTC, in order.
   */
  moments(wall: WallTime): number[]
}

const dayMs = 86_400_000

/** Undefined when there is no such zone. */
export function openTimeZone(name: string): TimeZone | undefined {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat("en-US", {
      ...{ timeZone: name, calendar: "iso8601", numberingSystem: "latn", hourCycle: "h23", year: "numeric" },
      ...{ month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" },
    })
  } catch {
    return undefined
  }
  const wallTime = (ms: number): WallTime => {
    const parts: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(ms)) parts[type] = Number(value)
    const { year, month, day, hour, minute, second } = parts
    return { year: year!, month: month!, day: day!, hour: hour!, minute: minute!, second: second! }
  }
  /** How far the wall clock is ahead of UTC. */
  const offsetAt = (ms: number): number => asUtc(wallTime(ms)) - Math.floor(ms / 1_000) * 1_000
  return {
    wallTime,
    moments: (wall) => {
      const shown = asUtc(wall)
      // Zones differ from UTC by less than a day: whatever offset holds there holds at one of these ends.
      const offsets = new Set([offsetAt(shown - dayMs), offsetAt(shown + dayMs)])
      return [...offsets]
        .map((offset) => shown - offset)
        .filter((ms) => asUtc(wallTime(ms)) === shown)
        .sort((a, b) => a - b)
    },
  }
}

/** The moment at which a clock in UTC shows this. ms. */
export function asUtc({ year, month, day, hour, minute, second }: WallTime): number {
  return Date.UTC(year, month - 1, day, hour, minute, second)
}
