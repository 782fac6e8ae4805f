/**
 * Sessions: readings of a group that are less than a gap apart. They end at the multiples of `size` at the latest, so that
 * none is without end, and so that where one begins never depends on what was long ago.
 *
 * - E1 A closed session takes nothing. A reading of before its end is late, also where that end would move.
 * - E2 Sessions of a group never overlap: one that joins two makes one of them.
 */
import { DueHeap } from "../due-heap.ts"
import type { Cells, Sample } from "./cells.ts"
import { floorDivided, type Shape, type ShapeOptions, type Taken, taken } from "./shape.ts"
import type { WindowPlan } from "./window-plan.ts"

interface Session {
  readonly group: number
  readonly cell: number
  /** The multiple of `size` at which it ends at the latest. */
  readonly limit: number
  start: number
  last: number
  isClosed: boolean
}

export class Sessions implements Shape {
  readonly #plan: WindowPlan
  readonly #cells: Cells
  readonly #onClose: ShapeOptions["onClose"]
  /** Open sessions by group. */
  readonly #open: (Session[] | undefined)[] = []
  /** Where the last closed session of a group ended (E1). */
  readonly #closedTo: number[] = []
  /** A session that has grown is put in again when its turn comes. */
  readonly #heap = new DueHeap<Session>()
  #count = 0
  #nowUs = Number.NEGATIVE_INFINITY

  constructor({ plan, cells, onClose }: ShapeOptions) {
    this.#plan = plan
    this.#cells = cells
    this.#onClose = onClose
  }

  get open(): number {
    return this.#count
  }

  get nextDue(): number {
    this.#settle()
    return this.#heap.first?.due ?? Number.POSITIVE_INFINITY
  }

  take(group: number, sample: Sample): Taken {
    const { gapUs, sizeUs, latenessUs } = this.#plan
    const { time } = sample
    if (time < this.#closedToOf(group)) return taken.late
    const sessions = this.#openOf(group)
    let joined: Session | undefined
    for (const session of sessions) {
      if (time - session.last >= gapUs || session.start - time >= gapUs || time >= session.limit) continue
      if (time < session.limit - sizeUs) continue
      if (joined !== undefined) {
        this.#merge(joined, session)
        sessions.splice(sessions.indexOf(session), 1)
        break
      }
      joined = session
      joined.start = Math.min(joined.start, time)
      joined.last = Math.max(joined.last, time)
    }
    if (joined !== undefined) {
      this.#cells.add(joined.cell, sample)
      return taken.whole
    }
    const limit = (floorDivided(time, sizeUs) + 1) * sizeUs
    if (Math.min(time + gapUs, limit) + latenessUs <= this.#nowUs) return taken.late
    const cell = this.#cells.take()
    if (cell === undefined) return taken.full
    const session: Session = { group, cell, limit, start: time, last: time, isClosed: false }
    sessions.push(session)
    this.#count++
    this.#heap.add(this.#dueOf(session), session)
    this.#cells.add(cell, sample)
    return taken.whole
  }

  advance(toUs: number): void {
    if (toUs <= this.#nowUs) return
    this.#nowUs = toUs
    for (let due = this.nextDue; due <= toUs; due = this.nextDue) this.#close(this.#heap.take())
  }

  setBack(toUs: number): void {
    this.#nowUs = toUs
    for (const [group, closedTo] of this.#closedTo.entries()) this.#closedTo[group] = Math.min(closedTo, toUs)
  }

  isIdle(group: number): boolean {
    if ((this.#open[group]?.length ?? 0) > 0) return false
    const { gapUs, latenessUs } = this.#plan
    return this.#closedToOf(group) + gapUs + latenessUs <= this.#nowUs
  }

  forget(group: number): void {
    this.#closedTo[group] = Number.NEGATIVE_INFINITY
  }

  oldestOpen(atUs: number): number {
    const { sizeUs, latenessUs } = this.#plan
    return floorDivided(atUs - latenessUs, sizeUs) * sizeUs
  }

  #openOf(group: number): Session[] {
    let sessions = this.#open[group]
    if (sessions === undefined) {
      sessions = []
      this.#open[group] = sessions
    }
    return sessions
  }

  #closedToOf(group: number): number {
    return this.#closedTo[group] ?? Number.NEGATIVE_INFINITY
  }

  #endOf({ last, limit }: Session): number {
    return Math.min(last + this.#plan.gapUs, limit)
  }

  #dueOf(session: Session): number {
    return this.#endOf(session) + this.#plan.latenessUs
  }

  /** E2 */
  #merge(into: Session, other: Session): void {
    into.start = Math.min(into.start, other.start)
    into.last = Math.max(into.last, other.last)
    this.#cells.addAll(into.cell, other.cell)
    this.#end(other)
  }

  #close(session: Session): void {
    const end = this.#endOf(session)
    this.#onClose(session.group, session.start, end, session.cell)
    this.#closedTo[session.group] = Math.max(this.#closedToOf(session.group), end)
    const sessions = this.#open[session.group]!
    sessions.splice(sessions.indexOf(session), 1)
    this.#end(session)
  }

  #end(session: Session): void {
    session.isClosed = true
    this.#cells.give(session.cell)
    this.#count--
  }

  /** The nearest one is what it says. */
  #settle(): void {
    for (let top = this.#heap.first; top !== undefined; top = this.#heap.first) {
      const session = top.item
      const due = this.#dueOf(session)
      if (!session.isClosed && due === top.due) return
      this.#heap.take()
      if (!session.isClosed) this.#heap.add(due, session)
    }
  }
}
