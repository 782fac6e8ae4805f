/**
 * Readings, one by one and in batches.
 *
 * A batch is columns, because everything that a node does with readings (log, tables, segments, replication) is
 * faster on columns, and a reading costs no object.
 */
import { type Series, SeriesCache } from "./series.ts"

/** What a reading carries; a bit set. A big integer has `number` (rounded) and `json` (exact). */
export const valueKind = { number: 1, text: 2, json: 4 } as const

/** Why a reading deserves less trust; a bit set, 0 is good. The SQL column `quality` is this number. */
export const quality = {
  good: 0,
  /** The device's clock was implausible: before 2000 or more than a day ahead of the node. Its time was kept. */
  deviceClock: 1,
  /** The node's own clock was implausible when it received this, and a durable time floor stands in for `received`. */
  nodeClock: 2,
  /** The device itself marked the reading as doubtful. */
  deviceMarked: 4,
} as const

/** Largest magnitude of a time, µs since 1970: beyond it (year 2255) numbers stop being exact. */
export const maxTimeUs: number = Number.MAX_SAFE_INTEGER

/** One reading as people and programs see it. */
export interface Reading {
  /** When the device measured, µs since 1970 UTC. */
  readonly time: number
  /** When the node received it, µs since 1970 UTC. */
  readonly received: number
  readonly device: string
  readonly property: string
  /** The number; null where the reading is none. */
  readonly value: number | null
  readonly text: string | null
  /** Raw JSON: booleans, objects, arrays, integers beyond 2^53. */
  readonly json: string | null
  /** Canonical JSON object. */
  readonly tags: string
  readonly quality: number
  readonly node: string
  /** 16 hex digits: the life of the node's log. */
  readonly epoch: string
  readonly seq: number
}

let lastBatchId = 0

/**
 * Readings in columns, in the order in which they arrived. Only its maker appends to it; once handed to the store it
 * is read-only. Row `i` belongs to `series[seriesIndex[i]]`; columns are longer than `length`.
 */
export class ReadingBatch {
  readonly series: Series[] = []
  length = 0
  seriesIndex: Uint32Array
  /** µs since 1970 UTC, whole numbers. */
  time: Float64Array
  kind: Uint8Array
  /** NaN where `kind` has no `number`. */
  value: Float64Array
  quality: Uint8Array
  /** Text or raw JSON by row; undefined while no row has any. A row without one may lie beyond its end. */
  payload: (string | null)[] | undefined
  /** When the node received the batch, µs since 1970 UTC. Set by the store. */
  received = 0
  readonly #id: number

  constructor(capacity = 16) {
    this.#id = ++lastBatchId
    this.seriesIndex = new Uint32Array(capacity)
    this.time = new Float64Array(capacity)
    this.kind = new Uint8Array(capacity)
    this.value = new Float64Array(capacity)
    this.quality = new Uint8Array(capacity)
  }

  addNumber(series: Series, time: number, value: number, quality = 0): void {
    const row = this.#addRow(series, time, quality)
    this.kind[row] = valueKind.number
    this.value[row] = value
  }

  addText(series: Series, time: number, text: string, quality = 0): void {
    this.#addPayload(series, time, valueKind.text, text, quality)
  }

  /** @param json valid JSON; the caller has parsed it. */
  addJson(series: Series, time: number, json: string, quality = 0): void {
    this.#addPayload(series, time, valueKind.json, json, quality)
  }

  /** An integer beyond 2^53: exact as JSON, rounded as a number. */
  addBigInteger(series: Series, time: number, digits: string, quality = 0): void {
    const row = this.#addPayload(series, time, valueKind.json | valueKind.number, digits, quality)
    this.value[row] = Number(digits)
  }

  /** The row as one object; for people and live streams, not for hot paths. */
  readingAt(
    row: number,
    origin: { readonly node: string; readonly epoch: string; readonly firstSeq: number },
  ): Reading {
    const series = this.series[this.seriesIndex[row]!]!
    const kind = this.kind[row]!
    const payload = this.payload?.[row] ?? null
    return {
      time: this.time[row]!,
      received: this.received,
      device: series.device,
      property: series.property,
      value: (kind & valueKind.number) === 0 ? null : this.value[row]!,
      text: (kind & valueKind.text) === 0 ? null : payload,
      json: (kind & valueKind.json) === 0 ? null : payload,
      tags: series.tags,
      quality: this.quality[row]!,
      node: origin.node,
      epoch: origin.epoch,
      seq: origin.firstSeq + row,
    }
  }

  #addPayload(series: Series, time: number, kind: number, payload: string, quality: number): number {
    const row = this.#addRow(series, time, quality)
    this.kind[row] = kind
    this.value[row] = Number.NaN
    this.payload ??= []
    // Holes would turn the array into a slow one.
    while (this.payload.length < row) this.payload.push(null)
    this.payload.push(payload)
    return row
  }

  #addRow(series: Series, time: number, quality: number): number {
    const row = this.length++
    if (row === this.time.length) this.#grow()
    if (series.batchId !== this.#id) {
      series.batchId = this.#id
      series.batchSlot = this.series.push(series) - 1
    }
    this.seriesIndex[row] = series.batchSlot
    this.time[row] = time
    this.quality[row] = quality
    return row
  }

  #grow(): void {
    const capacity = Math.max(16, this.time.length * 2)
    const wider = <T extends Uint8Array | Uint32Array | Float64Array>(column: T, made: T): T => {
      made.set(column)
      return made
    }
    this.seriesIndex = wider(this.seriesIndex, new Uint32Array(capacity))
    this.time = wider(this.time, new Float64Array(capacity))
    this.kind = wider(this.kind, new Uint8Array(capacity))
    this.value = wider(this.value, new Float64Array(capacity))
    this.quality = wider(this.quality, new Uint8Array(capacity))
  }
}

/** The batch of given readings, mostly for tests and small imports. `received`, `node`, `epoch` and `seq` are ignored. */
export function batchOf(readings: readonly Partial<Reading>[], cache: SeriesCache = new SeriesCache()): ReadingBatch {
  const batch = new ReadingBatch(readings.length)
  for (const reading of readings) {
    const series = cache.get(reading.device ?? "device", reading.property ?? "value", reading.tags)
    const time = reading.time ?? 0
    if (reading.json != null && reading.value != null) batch.addBigInteger(series, time, reading.json, reading.quality)
    else if (reading.json != null) batch.addJson(series, time, reading.json, reading.quality)
    else if (reading.text != null) batch.addText(series, time, reading.text, reading.quality)
    else batch.addNumber(series, time, reading.value ?? 0, reading.quality)
  }
  return batch
}
