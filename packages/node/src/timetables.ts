/** Schedules of functions: the same as rules have. */
import type { Timetables } from "./functions/timetables.ts"
import { parseCron } from "./rules/schedule/cron.ts"
import { nextCron } from "./rules/schedule/next-cron.ts"
import { openTimeZone } from "./rules/schedule/time-zone.ts"

export const timetables: Timetables = {
  parse(schedule, timeZone) {
    const cron = parseCron(schedule)
    if (typeof cron === "string") return cron
    const zone = openTimeZone(timeZone)
    if (zone === undefined) return `has the time zone ${timeZone}, which there is not; one is Europe/Zurich`
    return {
      next(afterUs) {
        const ms = nextCron(cron, zone, afterUs / 1_000)
        return ms === undefined ? undefined : ms * 1_000
      },
    }
  },
}
