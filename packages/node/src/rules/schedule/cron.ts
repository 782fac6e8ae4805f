/**
 * cron: `minute hour day month weekday`, with six fields seconds come first. Fields are `*`, numbers, names (`mon`, `jan`),
 * ranges, lists and steps. As everywhere: where both day and weekday are limited, one of them suffices.
 */

export interface Cron {
  readonly seconds: ReadonlySet<number>
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly days: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>
  readonly anyDay: boolean
  readonly anyWeekday: boolean
}

interface Field {
  readonly name: string
  readonly from: number
  readonly to: number
  /** Words for the numbers from `from` on. */
  readonly words?: readonly string[]
}

const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
/** February as in leap years. */
const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

const fields: readonly Field[] = [
  { name: "second", from: 0, to: 59 },
  { name: "minute", from: 0, to: 59 },
  { name: "hour", from: 0, to: 23 },
  { name: "day", from: 1, to: 31 },
  { name: "month", from: 1, to: 12, words: monthNames },
  { name: "weekday", from: 0, to: 7, words: dayNames },
]

const nicknames: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
}

/** The schedule, or why it is none. */
export function parseCron(text: string): Cron | string {
  const given = (nicknames[text.trim().toLowerCase()] ?? text).trim().split(/\s+/)
  if (given.length !== 5 && given.length !== 6)
    return `has ${given.length} fields, but a schedule has five (minute hour day month weekday), or six with seconds first`
  if (given.length === 5) given.unshift("0")
  const sets: Set<number>[] = []
  for (const [index, field] of fields.entries()) {
    const parsed = parseField(given[index]!, field)
    if (typeof parsed === "string") return parsed
    sets.push(parsed)
  }
  const weekdays = new Set([...sets[5]!].map((day) => day % 7))
  // Where weekdays are limited too, one of them suffices.
  const longest = Math.max(...[...sets[4]!].map((month) => monthDays[month - 1]!))
  const first = Math.min(...sets[3]!)
  if (isAny(given[5]!) && first > longest)
    return `never comes: its months have at most ${longest} days, and it wants day ${first}`
  return {
    ...{ seconds: sets[0]!, minutes: sets[1]!, hours: sets[2]!, days: sets[3]!, months: sets[4]!, weekdays },
    anyDay: isAny(given[3]!),
    anyWeekday: isAny(given[5]!),
  }
}

const isAny = (field: string): boolean => field.startsWith("*") || field === "?"

function parseField(text: string, { name, from, to, words }: Field): Set<number> | string {
  const numberOf = (word: string): number => {
    const place = words?.indexOf(word.toLowerCase()) ?? -1
    if (place >= 0) return place + from
    return /^\d+$/.test(word) ? Number(word) : Number.NaN
  }
  const found = new Set<number>()
  for (const part of text.split(",")) {
    const match = /^(?:[*?]|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part)
    if (match === null) return `has the ${name} ${part}, which is none`
    const [, first, last, by] = match
    const step = by === undefined ? 1 : Number(by)
    const start = first === undefined ? from : numberOf(first)
    const single = by === undefined ? start : to
    const end = first === undefined ? to : last === undefined ? single : numberOf(last)
    if (!(start >= from && end <= to && start <= end && step >= 1))
      return `has the ${name} ${part}, but it goes from ${from} to ${to}`
    for (let value = start; value <= end; value += step) found.add(value)
  }
  return found
}

/** Whether it takes this day. */
export function takesDay(cron: Cron, { year, month, day }: { year: number; month: number; day: number }): boolean {
  if (!cron.months.has(month)) return false
  const isDay = cron.days.has(day)
  const isWeekday = cron.weekdays.has(new Date(Date.UTC(year, month - 1, day)).getUTCDay())
  return cron.anyDay || cron.anyWeekday ? isDay && isWeekday : isDay || isWeekday
}
