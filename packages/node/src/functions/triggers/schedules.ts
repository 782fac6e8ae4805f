/** Calls at times. The next time follows from the clock whenever it is looked at, so that a clock which jumps is followed. */
import type { Clock, Timer } from "@brume/core"
import type { Timetable } from "../timetables.ts"

/** The clock is looked at again after this, whenever the next time is. */
const longestWaitMs = 30_000

/**
 * Calls with each time that comes. What was missed while the machine slept or the node was away is not made up for.
 * Returns the function that ends it.
 */
export function follow(timetable: Timetable, clock: Clock, call: (timeUs: number) => void): () => void {
  let timer: Timer | undefined
  let due = timetable.next(clock.now())
  const wait = (): void => {
    if (due === undefined) return
    timer = clock.after(Math.min(Math.max((due - clock.now()) / 1_000, 0), longestWaitMs), look)
  }
  const look = (): void => {
    const now = clock.now()
    if (due !== undefined && now >= due) {
      const time = due
      due = timetable.next(now)
      call(time)
    }
    wait()
  }
  wait()
  return () => timer?.cancel()
}
