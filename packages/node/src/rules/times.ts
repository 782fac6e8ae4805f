/** Schedules and the sun as one thing: a function from a moment to the next one. */
import type { TimeRule } from "./compiled-rule.ts"
import { parseDuration } from "./duration.ts"
import type { RuleSpec } from "./rule-spec.ts"
import { parseCron } from "./schedule/cron.ts"
import { nextCron } from "./schedule/next-cron.ts"
import { nextSun } from "./schedule/sun.ts"
import { openTimeZone } from "./schedule/time-zone.ts"

type Times = Pick<TimeRule, "next" | "catchUpUs">
type Mistake = (path: string, problem: string) => void

const defaultCatchUpMs = 3_600_000

/** Undefined where there are mistakes. */
export function compileTimes(on: RuleSpec["on"], mistake: Mistake): Times | undefined {
  const catchUpMs = on.catchUp === undefined ? defaultCatchUpMs : parseDuration(on.catchUp)
  if (catchUpMs === undefined) mistake("on.catchUp", "must be a duration like 1h, and at most ten years")
  const next = on.schedule === undefined ? sunTimes(on, mistake) : cronTimes(on, mistake)
  if (next === undefined || catchUpMs === undefined) return undefined
  return {
    catchUpUs: catchUpMs * 1_000,
    next: (afterUs) => {
      const ms = next(afterUs / 1_000)
      return ms === undefined ? undefined : ms * 1_000
    },
  }
}

type NextMs = (afterMs: number) => number | undefined

function cronTimes({ schedule, timeZone = "UTC" }: RuleSpec["on"], mistake: Mistake): NextMs | undefined {
  const cron = parseCron(schedule!)
  if (typeof cron === "string") mistake("on.schedule", cron)
  const zone = openTimeZone(timeZone)
  if (zone === undefined) mistake("on.timeZone", `is ${timeZone}, which is no time zone; one is Europe/Zurich`)
  if (typeof cron === "string" || zone === undefined) return undefined
  return (afterMs) => nextCron(cron, zone, afterMs)
}

function sunTimes({ sun, latitude, longitude, offset }: RuleSpec["on"], mistake: Mistake): NextMs | undefined {
  const size = parseDuration(offset?.replace(/^[-+]/, "") ?? "0s")
  if (size === undefined || size > longestOffsetMs) {
    mistake("on.offset", "must be a duration of at most 12h, before the event with a minus: -30m")
    return undefined
  }
  if (latitude === undefined || longitude === undefined) return undefined
  const offsetMs = offset?.startsWith("-") ? -size : size
  return (afterMs) => {
    const event = nextSun(sun!, { latitude, longitude }, afterMs - offsetMs)
    return event === undefined ? undefined : event + offsetMs
  }
}

const longestOffsetMs = 43_200_000
