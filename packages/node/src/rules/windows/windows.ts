/**
 * Windows: readings of a span of time taken together, for the rules that ask for it.
 *
 * - V1 The device's time says to which windows a reading belongs. A reading is *late* for a window when the node received
 *   it at `end + allowedLateness` or after. That depends on the reading alone (`time`, `received`, its place in the log),
 *   so that a crash, or a slow timer, changes no result: it is what SQL over the stored readings would say.
 * - V2 A window's result is handed over once, in the commit that also says up to where windows have been told
 *   (`window/<rule>`, kind `state`). What a crash leaves open is rebuilt from the stored readings before anything closes.
 * - V3 Only durable readings count: windows hear the store as live streams do, and hold up nobody's acknowledgement. A
 *   window closes when everything that was appended before its end came is durable.
 * - V4 A reading costs the same however many readings its windows hold, and closing costs what has to be told.
 * - V5 Memory has written limits (limits.ts). What they keep out is counted and shown, never silently missing.
 *
 * The parts: window-plan.ts (what people write, checked; select.ts, aggregate.ts), cells.ts (running aggregates in
 * columns), panes.ts and sessions.ts (which readings belong together), window-run.ts (one rule), history.ts (readings
 * from the store), this file (all rules, time, and the log).
 *
 * It is not the judge of what a result means: `when`, `cooldown` and actions are the rules' own.
 */
import type { Clock, Closeable, KeyedRecord, Logger, Metrics, Query, Store } from "@brume/core"
import type { WindowPlan } from "./window-plan.ts"
import type { WindowResult } from "./window-result.ts"

/** A rule that has windows. */
export interface Windowed {
  readonly name: string
  /** Filters with MQTT's wildcards of whose readings they are. */
  readonly filter: { readonly device: string; readonly property: string }
  readonly plan: WindowPlan
}

export interface WindowsOptions {
  readonly store: Pick<Store, "node" | "epoch" | "nextSeq" | "durableSeq" | "get" | "put" | "entries" | "onDurable">
  /** Trusted SQL over the view `readings`. */
  readonly query: Pick<Query, "rows">
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /**
   * Puts what these results cause, together with these records, into one commit (V2), and resolves when it is durable.
   * Throws or rejects where the store does not take it: then the same is told again a second later.
   */
  readonly tell: (results: readonly WindowResult[], records: readonly KeyedRecord[]) => Promise<void>
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

export interface Windows extends Closeable {
  /** A rule is new, or has changed: what its windows hold stays where the window is the same. */
  set(rule: Windowed): void
  /** A rule is no more; what is remembered of its windows goes too. */
  delete(name: string): void
  /** undefined when no such rule has windows. */
  status(name: string): WindowStatus | undefined
  /** Reads again what crashed windows held, and closes those that ended meanwhile. To be called when `tell` can be. */
  begin(): Promise<void>
}
