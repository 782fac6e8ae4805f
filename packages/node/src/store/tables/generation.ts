/**
 * One generation of the tables: the readings that will become one segment, in memory.
 *
 * It knows which sequences it stands for (`covered`), also those whose records are no readings or were lost, so that
 * the segment made of it says the same.
 */
import { type ReadingBatch, type Series, seriesKey } from "@brume/core"
import duckdb, { type Appender } from "@duckdb/node-bindings"
import { type Ranges, unite } from "../segments/ranges.ts"
import type { Engine } from "./engine.ts"
import { type Rows, RowWriter, wellFormedJson } from "./row-writer.ts"

export interface GenerationOptions {
  readonly engine: Engine
  readonly number: number
  readonly node: string
  readonly epoch: string
}

/** From the least to the greatest, µs since 1970 UTC. */
export interface Span {
  readonly min: number
  readonly max: number
}

/** Of what series remember their numbers in, process-wide. */
let lastTableId = 0

/** Fixed bytes of a row in DuckDB, measured; payloads come on top. */
const rowBytes = 64

export class Generation {
  readonly number: number
  readonly #options: GenerationOptions
  #rows = 0
  #bytes = 0
  #covered: Ranges = []
  #time: Span | undefined
  #received: Span | undefined
  /** Monotonic ms at which the first row was added. */
  #begunMs: number | undefined
  #writer: RowWriter | undefined
  #seriesAppender: Appender | undefined
  /** Numbers of the series by their identity; each object remembers its own as well, under `#tableId`. */
  readonly #ids = new Map<string, number>()
  #tableId = ++lastTableId
  /** Series whose rows are not committed yet. */
  #newSeries: string[] = []

  /** The tables exist already. */
  constructor(options: GenerationOptions) {
    this.#options = options
    this.number = options.number
  }

  get rows(): number {
    return this.#rows
  }

  /** About what the tables hold in memory. */
  get bytes(): number {
    return this.#bytes
  }

  get seriesCount(): number {
    return this.#ids.size
  }

  get covered(): Ranges {
    return this.#covered
  }

  get time(): Span {
    return this.#time ?? { min: 0, max: 0 }
  }

  get received(): Span {
    return this.#received ?? { min: 0, max: 0 }
  }

  get begunMs(): number | undefined {
    return this.#begunMs
  }

  /** Takes note of sequences, after their rows were added. */
  cover(ranges: Ranges): void {
    this.#covered = unite(this.#covered, ranges)
  }

  /** Adds rows and commits them: all, or none and an exception. Then it can be tried again. */
  add(parts: readonly Rows[], nowMs: number): void {
    let bytes = 0
    try {
      this.#writer ??= new RowWriter(this.#options.engine.appender(`hot_${this.number}`))
      this.#seriesAppender ??= this.#options.engine.appender(`series_${this.number}`)
      for (const rows of parts) bytes += this.#addPart(rows, this.#writer)
      // Rows of series come first: a reading without its series would be invisible, a series without readings is.
      if (this.#newSeries.length > 0) duckdb.appender_flush_sync(this.#seriesAppender)
      this.#newSeries = []
      this.#writer.flush()
    } catch (error) {
      this.#startOver()
      throw error
    }
    this.#bytes += bytes
    this.#begunMs ??= nowMs
    for (const { batch, from, to } of parts) this.#note(batch, from, to)
  }

  /** No more rows come. */
  finish(): void {
    this.#writer?.close()
    if (this.#seriesAppender !== undefined) duckdb.appender_close_sync(this.#seriesAppender)
    this.#writer = undefined
    this.#seriesAppender = undefined
    this.#ids.clear()
  }

  #addPart(rows: Rows, writer: RowWriter): number {
    const { batch, from, to } = rows
    const ids = new Int32Array(batch.series.length)
    for (let index = 0; index < ids.length; index++) ids[index] = this.#idOf(batch.series[index]!)
    writer.add(rows, ids)
    let bytes = (to - from) * rowBytes
    const end = Math.min(to, batch.payload?.length ?? 0)
    for (let row = from; row < end; row++) bytes += batch.payload?.[row]?.length ?? 0
    return bytes
  }

  #idOf(series: Series): number {
    if (series.tableId === this.#tableId) return series.tableSlot
    const { device, property, tags } = series
    const key = seriesKey(device, property, tags)
    let id = this.#ids.get(key)
    if (id === undefined) {
      id = this.#ids.size
      const appender = this.#seriesAppender!
      duckdb.append_int32(appender, id)
      duckdb.append_varchar(appender, device)
      duckdb.append_varchar(appender, property)
      duckdb.append_varchar(appender, wellFormedJson(tags))
      duckdb.append_varchar(appender, this.#options.node)
      duckdb.append_varchar(appender, this.#options.epoch)
      duckdb.appender_end_row(appender)
      this.#ids.set(key, id)
      this.#newSeries.push(key)
      this.#bytes += (key.length + tags.length) * 2 + rowBytes
    }
    series.tableId = this.#tableId
    series.tableSlot = id
    return id
  }

  #note(batch: ReadingBatch, from: number, to: number): void {
    this.#rows += to - from
    let min = this.#time?.min ?? Number.POSITIVE_INFINITY
    let max = this.#time?.max ?? Number.NEGATIVE_INFINITY
    for (let row = from; row < to; row++) {
      const time = batch.time[row]!
      if (time < min) min = time
      if (time > max) max = time
    }
    this.#time = { min, max }
    const received = this.#received ?? { min: batch.received, max: batch.received }
    this.#received = { min: Math.min(received.min, batch.received), max: Math.max(received.max, batch.received) }
  }

  /** After a failure nothing is known of what the appenders hold. They are emptied: a finalizer would write the rest. */
  #startOver(): void {
    this.#writer?.clear()
    if (this.#seriesAppender !== undefined) duckdb.appender_clear(this.#seriesAppender)
    this.#writer = undefined
    this.#seriesAppender = undefined
    // They have the highest numbers, so that counting goes on from the lowest free one.
    for (const key of this.#newSeries) this.#ids.delete(key)
    this.#newSeries = []
    this.#tableId = ++lastTableId
  }
}
