/** Stored readings of a rule's windows, in the order of the log. */
import { type Query, type QueryRow, Series } from "@brume/core"
import type { Sample } from "./cells.ts"
import { filterCondition, quoted, timeLiteral } from "./filter-sql.ts"
import { noGroup, type WindowRun } from "./window-run.ts"

export interface HistoryOptions {
  readonly query: Pick<Query, "rows">
  readonly run: WindowRun
  /** This life of the log. */
  readonly epoch: string
  /** Readings of it from this sequence on are wanted whatever their time; undefined for none. */
  readonly sinceSeq: number | undefined
  /** Most readings; the latest where there are more. */
  readonly most: number
  /** Whether nobody needs them any more. */
  readonly isOver: () => boolean
}

/** Readings of one statement. */
const pageRows = 50_000

interface Extent {
  readonly epoch: string
  readonly first: number
  readonly next: number
  readonly rows: number
}

export class History {
  readonly #options: HistoryOptions
  readonly #wanted: string
  readonly #groups = new Map<string, number>()
  #groupsVersion = 0
  readonly #sample: Sample = { time: 0, value: Number.NaN, text: undefined }

  constructor(options: HistoryOptions) {
    const { run, epoch, sinceSeq } = options
    const { device, property } = run.rule.filter
    this.#options = options
    const since = sinceSeq === undefined ? "" : ` OR (epoch = ${quoted(epoch)} AND seq >= ${sinceSeq})`
    const isRecent = `(time >= ${timeLiteral(run.oldestOpen)}${since})`
    this.#wanted = `${isRecent} AND ${filterCondition("device", device)} AND ${filterCondition("property", property)}`
  }

  /**
   * Everything that is stored.
   * @returns the sequence before which all readings have been added, and how many were too many
   */
  async addAll(): Promise<{ readonly toSeq: number; readonly omitted: number }> {
    const { query, epoch, most } = this.#options
    const rows = await query.rows(
      `SELECT epoch, min(seq) AS first, max(seq) + 1 AS next, count(*) AS readings FROM readings
       WHERE ${this.#wanted} GROUP BY epoch ORDER BY min(received), epoch`,
    )
    const extents = rows.map(extentOf)
    // The log goes on with its own epoch, whatever clocks said.
    extents.sort((a, b) => Number(a.epoch === epoch) - Number(b.epoch === epoch))
    let omitted = Math.max(0, extents.reduce((sum, extent) => sum + extent.rows, 0) - most)
    const left = omitted
    let toSeq = 0
    for (const extent of extents) {
      const skipped = Math.min(omitted, extent.rows)
      omitted -= skipped
      const first = extent.first + Math.floor(((extent.next - extent.first) * skipped) / extent.rows)
      await this.#addBetween(extent.epoch, first, extent.next, extent.rows / (extent.next - extent.first))
      if (extent.epoch === epoch) toSeq = extent.next
    }
    return { toSeq, omitted: left }
  }

  /** Readings of this life of the log. */
  async add(fromSeq: number, toSeq: number): Promise<void> {
    await this.#addBetween(this.#options.epoch, fromSeq, toSeq, 1)
  }

  /** @param density how many of all sequences are wanted, of 1 */
  async #addBetween(epoch: string, fromSeq: number, toSeq: number, density: number): Promise<void> {
    const { run, query, isOver } = this.#options
    const text = run.rule.plan.needs.texts ? ", text" : ""
    const span = Math.ceil(pageRows / Math.max(density, 1e-6))
    let from = fromSeq
    while (from < toSeq && !isOver()) {
      const to = Math.min(toSeq, from + span)
      const rows = await query.rows(
        `SELECT device, property, time, received, value, seq${text} FROM readings
         WHERE ${this.#wanted} AND epoch = ${quoted(epoch)} AND seq >= ${from} AND seq < ${to}
         ORDER BY seq LIMIT ${pageRows}`,
      )
      for (const row of rows) this.#add(row)
      from = rows.length < pageRows ? to : (rows.at(-1)!.seq as number) + 1
    }
  }

  #add(row: QueryRow): void {
    const { run } = this.#options
    const group = this.#groupOf(row.device as string, row.property as string)
    if (group === noGroup) return
    const sample = this.#sample
    sample.time = row.time as number
    sample.value = (row.value as number | null) ?? Number.NaN
    sample.text = (row.text as string | null | undefined) ?? undefined
    const received = row.received as number
    run.advance(received)
    run.add(group, sample, row.seq as number, received)
  }

  #groupOf(device: string, property: string): number {
    const { run } = this.#options
    if (this.#groupsVersion !== run.version) {
      this.#groups.clear()
      this.#groupsVersion = run.version
    }
    const key = `${device}\u0000${property}`
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = run.groupOf(new Series(device, property))
      this.#groups.set(key, group)
    }
    return group
  }
}

function extentOf(row: QueryRow): Extent {
  return {
    epoch: row.epoch as string,
    first: row.first as number,
    next: row.next as number,
    rows: row.readings as number,
  }
}
