/** Stored readings for a test of a rule, page by page, by a clock: the devices' or the node's. */
import { type Query, type QueryRow, type ReadingBatch, SeriesCache } from "@brume/core"
import { filterCondition, quoted, timeLiteral } from "../windows/filter-sql.ts"

export interface StoredReadingsOptions {
  readonly query: Pick<Query, "rows">
  readonly filter: { readonly device: string; readonly property: string }
  /** Which column says when a reading came. */
  readonly by: "time" | "received"
  /** From this time on, and before that one. µs since 1970 UTC */
  readonly fromUs: number
  readonly toUs: number
}

/** Readings of one statement. */
export const pageRows = 50_000

export class StoredReadings {
  readonly #options: StoredReadingsOptions
  readonly #series = new SeriesCache()
  #last: QueryRow | undefined
  #isOver = false

  constructor(options: StoredReadingsOptions) {
    this.#options = options
  }

  /** The next ones; none when there are no more. */
  async next(): Promise<readonly QueryRow[]> {
    if (this.#isOver) return []
    const { query, filter, by, fromUs, toUs } = this.#options
    const rows = await query.rows(
      `SELECT time, received, device, property, value, text, json::VARCHAR AS json, tags::VARCHAR AS tags, quality, epoch, seq
       FROM readings
       WHERE ${by} >= ${timeLiteral(fromUs)} AND ${by} < ${timeLiteral(toUs)} AND ${this.#behind()}
         AND ${filterCondition("device", filter.device)} AND ${filterCondition("property", filter.property)}
       ORDER BY ${by}, epoch, seq LIMIT ${pageRows}`,
    )
    this.#last = rows.at(-1)
    this.#isOver = rows.length < pageRows
    return rows
  }

  /** Adds a row to a batch. */
  add(batch: ReadingBatch, row: QueryRow): void {
    const series = this.#series.get(row.device as string, row.property as string, row.tags as string)
    const time = row.time as number
    const quality = (row.quality as number | null) ?? 0
    if (row.json !== null && row.value !== null) batch.addBigInteger(series, time, row.json as string, quality)
    else if (row.json !== null) batch.addJson(series, time, row.json as string, quality)
    else if (row.text !== null) batch.addText(series, time, row.text as string, quality)
    else batch.addNumber(series, time, row.value as number, quality)
  }

  #behind(): string {
    if (this.#last === undefined) return "true"
    const { by } = this.#options
    const { epoch, seq } = this.#last
    const at = timeLiteral(this.#last[by] as number)
    const isLater = `epoch > ${quoted(epoch as string)} OR (epoch = ${quoted(epoch as string)} AND seq > ${seq})`
    return `(${by} > ${at} OR (${by} = ${at} AND (${isLater})))`
  }
}
