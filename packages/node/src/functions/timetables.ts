/** When schedules come: a port, as another room reads cron and knows time zones. */
export interface Timetable {
  /** The first time after this one, µs since 1970 UTC; undefined where there is none. */
  next(afterUs: number): number | undefined
}

export interface Timetables {
  /** The timetable, or what is wrong, as it follows a path in a sentence. */
  parse(schedule: string, timeZone: string): Timetable | string
}
