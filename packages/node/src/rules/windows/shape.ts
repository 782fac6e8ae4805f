/** Which readings belong together: what panes.ts and sessions.ts have in common. Times are µs since 1970 UTC. */
import type { Cells, Sample } from "./cells.ts"
import type { Budget } from "./limits.ts"
import type { WindowPlan } from "./window-plan.ts"

/** What became of a reading. */
export const taken = {
  /** It counts. */
  whole: 0,
  /** It came too late for some of its windows, and counts in the others. */
  partly: 1,
  /** It came too late for all. */
  late: 2,
  /** There was no room for it (V5). */
  full: 3,
} as const

export type Taken = (typeof taken)[keyof typeof taken]

/** Hears of each window that closes and has readings. The cell is empty again after the call. */
export type CloseListener = (group: number, startUs: number, endUs: number, cell: number) => void

export interface ShapeOptions {
  readonly plan: WindowPlan
  readonly cells: Cells
  /** For what a shape holds besides the cells. */
  readonly budget: Budget
  readonly onClose: CloseListener
}

export interface Shape {
  /** When the next window closes; infinite where none is open. */
  readonly nextDue: number
  /** Windows, or parts of them, that hold readings. */
  readonly open: number
  take(group: number, sample: Sample): Taken
  /** Closes all windows that are due by then. What is due later stays open, however long the call is overdue. */
  advance(toUs: number): void
  /** The clock was ahead and was set back: what is due later is open again. */
  setBack(toUs: number): void
  /** Whether nothing depends on the group any more. */
  isIdle(group: number): boolean
  /** The group's number will be another's. */
  forget(group: number): void
  /** No reading of before this time is part of a window that is open then. */
  oldestOpen(atUs: number): number
}

/** The largest whole number of units that is not above; exact, also where the quotient of large numbers is not. */
export function floorDivided(value: number, unit: number): number {
  const rest = value % unit
  return (value - (rest < 0 ? rest + unit : rest)) / unit
}
