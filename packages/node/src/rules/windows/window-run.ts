/**
 * The windows of one rule: readings in, results out. It knows no clock and no store: what it says depends on the readings,
 * their order, and when they were received (V1 in windows.ts).
 */
import type { Logger, Series } from "@brume/core"
import { matchesFilter } from "@brume/core"
import { Cells, type Sample } from "./cells.ts"
import { Groups } from "./groups.ts"
import { LateWindows } from "./late-windows.ts"
import { Budget, type WindowLimits } from "./limits.ts"
import { Panes } from "./panes.ts"
import { Sessions } from "./sessions.ts"
import { type Shape, taken } from "./shape.ts"
import { resultOf, type WindowResult } from "./window-result.ts"
import type { Windowed, WindowStatus } from "./windowed.ts"

export interface WindowRunOptions {
  readonly rule: Windowed
  readonly node: string
  readonly limits: WindowLimits
  /** What the windows of all rules may hold. */
  readonly budget: Budget
  readonly logger: Logger
  /** Windows that were due by then have been told. µs since 1970 UTC. */
  readonly toldUs: number
}

/** A clock that is set back by more takes the windows with it. µs */
const jumpUs = 60_000_000

/** What one series is to the rule: nothing, or its group. */
export const noGroup = -1
/** There was no room for its group. */
export const noRoom = -2

export class WindowRun {
  /** Results that wait to be told, in the order in which their windows closed. */
  results: WindowResult[] = []
  readonly late: LateWindows
  rule: Windowed
  state: "rebuilding" | "running" = "rebuilding"
  told = 0
  updated = 0
  readonly #options: WindowRunOptions
  readonly #cells: Cells
  readonly #shape: Shape
  readonly #groups: Groups
  readonly #budget: Budget
  #toldUs: number
  #advancedUs: number
  #lateCount = 0
  #overflowed = 0
  #approximate = 0
  #hasWarned = false

  constructor(options: WindowRunOptions) {
    const { rule, limits, toldUs } = options
    const { plan } = rule
    this.#options = options
    this.rule = rule
    this.#toldUs = toldUs
    this.#advancedUs = plan.type === "session" ? Number.NEGATIVE_INFINITY : toldUs
    this.late = new LateWindows(limits.lateWindows)
    const { exactValues, cells: most } = limits
    const budget = new Budget(limits.bytes, options.budget)
    this.#budget = budget
    this.#cells = new Cells({ needs: plan.needs, most, exactValues, budget })
    const onClose = this.#onClose.bind(this)
    const shape = { plan, cells: this.#cells, budget, onClose }
    this.#shape = plan.type === "session" ? new Sessions(shape) : new Panes(shape, toldUs)
    this.#groups = new Groups({
      plan,
      most: limits.groups,
      isIdle: (group) => this.#shape.isIdle(group),
      forget: (group) => this.#shape.forget(group),
    })
  }

  /** Grows when what {@link groupOf} said before may be wrong. */
  get version(): number {
    return this.#groups.version
  }

  /** When the next window closes; infinite where none is open. */
  get nextDue(): number {
    return this.#shape.nextDue
  }

  /** All that is due by then is in {@link results}, or was told. */
  get advancedUs(): number {
    return this.#advancedUs
  }

  /** Readings of before this time are of no use when it begins. */
  get oldestOpen(): number {
    return this.#shape.oldestOpen(this.#toldUs)
  }

  groupOf({ device, property }: Series): number {
    const { filter } = this.rule
    if (!matchesFilter(filter.device, device) || !matchesFilter(filter.property, property)) return noGroup
    return this.#groups.numberOf(device, property) ?? noRoom
  }

  /** The clock stands there: what is due closes. To be called before readings that were received then are added. */
  advance(toUs: number): void {
    if (toUs <= this.#advancedUs) return
    this.#advancedUs = toUs
    this.#shape.advance(toUs)
  }

  /** As {@link advance}, for the clock of now: it may have been ahead, and set back. */
  follow(nowUs: number): void {
    if (nowUs < this.#advancedUs - jumpUs) this.#setBack(nowUs)
    else this.advance(nowUs)
  }

  /**
   * @param seq of the reading
   * @param received when it is read again: it may have counted in a window that was told, or have been late for it
   */
  add(group: number, sample: Sample, seq: number, received = Number.POSITIVE_INFINITY): void {
    if (group === noRoom) {
      this.#overflow("groups")
      return
    }
    const what = this.#shape.take(group, sample)
    if (what === taken.whole) return
    if (what === taken.full) this.#overflow("windows")
    else this.#noteLate(group, sample.time, seq, received)
  }

  /** Takes the results out that are to be told. */
  takeResults(): WindowResult[] {
    const { results } = this
    this.results = []
    return results
  }

  get status(): WindowStatus {
    return {
      state: this.state,
      groups: this.#groups.size,
      open: this.#shape.open,
      told: this.told,
      late: this.#lateCount,
      updated: this.updated,
      overflowed: this.#overflowed,
      approximate: this.#approximate,
      bytes: this.#budget.used,
    }
  }

  close(): void {
    this.#budget.release()
  }

  #setBack(toUs: number): void {
    this.#advancedUs = toUs
    this.#toldUs = Math.min(this.#toldUs, toUs)
    this.#shape.setBack(toUs)
  }

  #onClose(group: number, startUs: number, endUs: number, cell: number): void {
    const { plan } = this.rule
    this.#groups.closed()
    if (endUs + plan.latenessUs <= this.#toldUs) return
    if (this.#cells.isApproximate(cell)) this.#approximate++
    const aggregates = this.#cells.read(cell, plan.aggregates)
    const values = plan.columns.map(({ formula }) => formula(aggregates))
    const extent = { ...this.#groups.at(group), startUs, endUs, revision: 0 }
    if (this.results.length >= this.#options.limits.results) {
      this.#overflow("results")
      return
    }
    this.results.push(resultOf({ rule: this.rule.name, node: this.#options.node, plan }, extent, values))
  }

  #noteLate(group: number, time: number, seq: number, received: number): void {
    const { sizeUs, latenessUs, late } = this.rule.plan
    const shape = this.#shape
    const starts =
      shape instanceof Panes ? shape.closedAt(time).filter((start) => received >= start + sizeUs + latenessUs) : [time]
    if (starts.length === 0) return
    this.#lateCount++
    if (late !== "update") return
    for (const start of starts) if (!this.late.add(this.#groups.at(group), start, seq)) this.#overflow("late windows")
  }

  /** V5 */
  #overflow(of: string): void {
    this.#overflowed++
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#options.logger.warn("The windows of a rule have no room for all readings; some are left out", {
      rule: this.rule.name,
      of,
    })
  }
}
