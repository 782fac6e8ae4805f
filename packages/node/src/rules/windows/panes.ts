/**
 * Tumbling and sliding windows. Time is cut into panes; a reading goes into one, and a window is some consecutive ones.
 *
 * - P1 Windows are closed in their order. One that is closed takes nothing: panes that it shares with others may go on.
 */
import type { Cells, Sample } from "./cells.ts"
import type { Budget } from "./limits.ts"
import { floorDivided, type Shape, type ShapeOptions, type Taken, taken } from "./shape.ts"
import type { WindowPlan } from "./window-plan.ts"

interface Pane {
  readonly index: number
  /** Cells by group, plus one; 0 where it has none. */
  cells: Int32Array
}

export class Panes implements Shape {
  readonly #plan: WindowPlan
  readonly #cells: Cells
  readonly #budget: Budget
  readonly #onClose: ShapeOptions["onClose"]
  readonly #panes = new Map<number, Pane>()
  /** How many panes hold something of a group. */
  #ofGroup: Int32Array = new Int32Array(64)
  #open = 0
  /** All windows below this number are closed. */
  #next: number
  /** Readings of before are in closed windows only. */
  #lateBelow: number
  /** Readings of before are in some closed windows. */
  #partlyLateBelow: number
  /** The pane of the last reading, and where it begins and ends. */
  #current: Pane | undefined
  #currentFrom = 0
  #currentTo = 0
  #nextDue: number | undefined = Number.POSITIVE_INFINITY

  /** @param fromUs what is due by then counts as closed */
  constructor({ plan, cells, budget, onClose }: ShapeOptions, fromUs: number) {
    this.#plan = plan
    this.#cells = cells
    this.#budget = budget
    this.#onClose = onClose
    this.#next = this.#firstOpen(fromUs)
    this.#lateBelow = 0
    this.#partlyLateBelow = 0
    this.#setLate()
  }

  get open(): number {
    return this.#open
  }

  get nextDue(): number {
    if (this.#nextDue !== undefined) return this.#nextDue
    const first = this.#firstPane()
    const { slideUs, sizeUs, latenessUs } = this.#plan
    this.#nextDue =
      first === undefined
        ? Number.POSITIVE_INFINITY
        : Math.max(this.#next, this.#firstWindow(first)) * slideUs + sizeUs + latenessUs
    return this.#nextDue
  }

  take(group: number, sample: Sample): Taken {
    const { time } = sample
    if (time < this.#lateBelow) return taken.late
    let pane = this.#current
    if (pane === undefined || time < this.#currentFrom || time >= this.#currentTo) pane = this.#paneOf(time)
    let place = group < pane.cells.length ? pane.cells[group]! : 0
    if (place === 0) {
      // Also a pane with one reading may be as long as there are groups.
      const cell = this.#hasRoom(pane, group) ? this.#cells.take() : undefined
      if (cell === undefined) {
        this.#dropIfEmpty(pane)
        return taken.full
      }
      place = cell + 1
      pane.cells[group] = place
      if (group >= this.#ofGroup.length) this.#ofGroup = longer(this.#ofGroup, group)
      this.#ofGroup[group]!++
      this.#open++
      this.#nextDue = undefined
    }
    this.#cells.add(place - 1, sample)
    return time < this.#partlyLateBelow ? taken.partly : taken.whole
  }

  advance(toUs: number): void {
    const target = this.#firstOpen(toUs)
    if (target <= this.#next) return
    for (let first = this.#firstPane(); first !== undefined; first = this.#firstPane()) {
      const window = Math.max(this.#next, this.#firstWindow(first))
      if (window >= target) break
      this.#close(window)
      this.#next = window + 1
      this.#drop()
    }
    this.#next = target
    this.#setLate()
    this.#nextDue = undefined
  }

  setBack(toUs: number): void {
    this.#next = this.#firstOpen(toUs)
    this.#setLate()
    this.#nextDue = undefined
  }

  isIdle(group: number): boolean {
    return (this.#ofGroup[group] ?? 0) === 0
  }

  forget(_group: number): void {}

  oldestOpen(atUs: number): number {
    return this.#firstOpen(atUs) * this.#plan.slideUs
  }

  /** Windows that hold a time and are closed, by their start. */
  closedAt(time: number): number[] {
    const { slideUs, sizeUs } = this.#plan
    const starts: number[] = []
    for (let window = floorDivided(time, slideUs); window * slideUs + sizeUs > time; window--)
      if (window < this.#next) starts.push(window * slideUs)
    return starts
  }

  /** The first window that is not due. */
  #firstOpen(atUs: number): number {
    const { sizeUs, slideUs, latenessUs } = this.#plan
    return floorDivided(atUs - latenessUs - sizeUs, slideUs) + 1
  }

  #setLate(): void {
    const { slideUs, sizeUs } = this.#plan
    this.#lateBelow = this.#next * slideUs
    // What the last closed window ends with.
    this.#partlyLateBelow = (this.#next - 1) * slideUs + sizeUs
  }

  #paneOf(time: number): Pane {
    const { paneUs } = this.#plan
    const index = floorDivided(time, paneUs)
    let pane = this.#panes.get(index)
    if (pane === undefined) {
      pane = { index, cells: new Int32Array(0) }
      this.#panes.set(index, pane)
      this.#nextDue = undefined
    }
    this.#current = pane
    this.#currentFrom = index * paneUs
    this.#currentTo = (index + 1) * paneUs
    return pane
  }

  #hasRoom(pane: Pane, group: number): boolean {
    if (group < pane.cells.length) return true
    const cells = longer(pane.cells, group)
    if (!this.#budget.take((cells.length - pane.cells.length) * 4)) return false
    pane.cells = cells
    return true
  }

  #firstPane(): number | undefined {
    let first: number | undefined
    for (const index of this.#panes.keys()) if (first === undefined || index < first) first = index
    return first
  }

  /** The first window that a pane is part of. */
  #firstWindow(pane: number): number {
    const { paneUs, sizeUs, slideUs } = this.#plan
    return -floorDivided(sizeUs - (pane + 1) * paneUs, slideUs)
  }

  #close(window: number): void {
    const { paneUs, sizeUs, slideUs } = this.#plan
    const [start, end] = [window * slideUs, window * slideUs + sizeUs]
    const panes: Pane[] = []
    for (let index = start / paneUs; index < end / paneUs; index++) {
      const pane = this.#panes.get(index)
      if (pane !== undefined) panes.push(pane)
    }
    const groups = panes.reduce((most, { cells }) => Math.max(most, cells.length), 0)
    for (let group = 0; group < groups; group++) {
      let only = 0
      let more = false
      for (const { cells } of panes) {
        const place = group < cells.length ? cells[group]! : 0
        if (place === 0) continue
        if (only !== 0) more = true
        only ||= place
      }
      if (only === 0) continue
      if (!more) this.#onClose(group, start, end, only - 1)
      else this.#closeMany(group, panes, [start, end])
    }
  }

  #closeMany(group: number, panes: readonly Pane[], [start, end]: readonly [number, number]): void {
    const whole = this.#cells.whole
    for (const { cells } of panes) {
      const place = group < cells.length ? cells[group]! : 0
      if (place !== 0) this.#cells.addAll(whole, place - 1)
    }
    this.#onClose(group, start, end, whole)
    this.#cells.clear(whole)
  }

  /** Panes that are part of closed windows only. */
  #drop(): void {
    const { paneUs, slideUs } = this.#plan
    const below = this.#next * slideUs
    for (const pane of this.#panes.values()) {
      if (pane.index * paneUs >= below) continue
      for (const [group, place] of pane.cells.entries()) {
        if (place === 0) continue
        this.#cells.give(place - 1)
        this.#ofGroup[group]!--
        this.#open--
      }
      this.#forgetPane(pane)
    }
  }

  #dropIfEmpty(pane: Pane): void {
    if (pane.cells.every((place) => place === 0)) this.#forgetPane(pane)
  }

  #forgetPane(pane: Pane): void {
    this.#panes.delete(pane.index)
    this.#budget.give(pane.cells.length * 4)
    if (this.#current === pane) this.#current = undefined
    this.#nextDue = undefined
  }
}

function longer(column: Int32Array, place: number): Int32Array {
  const made = new Int32Array(Math.max(64, column.length * 2, place + 1))
  made.set(column)
  return made
}
