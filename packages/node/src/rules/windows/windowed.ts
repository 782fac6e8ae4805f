/** A rule that has windows, and how they stand. */
import type { WindowPlan } from "./window-plan.ts"

/** A rule that has windows. */
export interface Windowed {
  readonly name: string
  /** Filters with MQTT's wildcards of whose readings they are. */
  readonly filter: { readonly device: string; readonly property: string }
  readonly plan: WindowPlan
}

/** How the windows of a rule stand. */
export interface WindowStatus {
  /** `rebuilding` while readings of before the start are read again. */
  readonly state: "rebuilding" | "running"
  /** Devices, or whatever the windows are by, with an open window. */
  readonly groups: number
  /** Windows that hold readings. */
  readonly open: number
  /** Results that were told. */
  readonly told: number
  /** Readings that came late and were dropped. */
  readonly late: number
  /** Results that were told again because of late readings. */
  readonly updated: number
  /** Readings that were left out because a limit was reached. */
  readonly overflowed: number
  /** Results whose quantiles are approximate, because their windows held more values than are kept. */
  readonly approximate: number
  /** Bytes that its windows hold, about. */
  readonly bytes: number
}
