/**
 * Fills a table of DuckDB with readings, 2,048 rows at a time, column by column: about two million rows a second.
 *
 * It calls the native binding directly. The layer above it makes one object per value, which costs five times as much
 * on the thread that also acknowledges readings.
 */
import { type ReadingBatch, valueKind } from "@brume/core"
import duckdb, { type Appender, type DataChunk } from "@duckdb/node-bindings"

/** Rows of a full chunk; DuckDB's own vector size. */
const chunkRows = 2048
/** Order of the columns in `createGeneration`. */
const column = { series: 0, time: 1, received: 2, value: 3, text: 4, json: 5, quality: 6, seq: 7 } as const
const columnCount = 8

/** Rows `from` ≤ row < `to` of a batch. */
export interface Rows {
  readonly batch: ReadingBatch
  /** Sequence of the batch's row 0. */
  readonly firstSeq: number
  readonly from: number
  readonly to: number
}

export class RowWriter {
  readonly #appender: Appender
  readonly #chunk: DataChunk
  #length = 0
  readonly #series = new Int32Array(chunkRows)
  readonly #value = new Float64Array(chunkRows)
  readonly #quality = new Uint8Array(chunkRows)
  /** 64-bit integers as their low and high words: a BigInt per value would cost more than all the rest. */
  readonly #time = new Int32Array(chunkRows * 2)
  readonly #received = new Int32Array(chunkRows * 2)
  readonly #seq = new Int32Array(chunkRows * 2)
  readonly #hasValue = new Uint32Array(chunkRows / 32)
  readonly #hasText = new Uint32Array(chunkRows / 32)
  readonly #hasJson = new Uint32Array(chunkRows / 32)

  constructor(appender: Appender) {
    this.#appender = appender
    this.#chunk = duckdb.create_data_chunk(
      Array.from({ length: columnCount }, (_, index) => duckdb.appender_column_type(appender, index)),
    )
  }

  /** @param ids the series' numbers in the table, by their place in the batch. */
  add(rows: Rows, ids: Int32Array): void {
    const { batch, firstSeq, from, to } = rows
    for (let row = from; row < to; row++) {
      const at = this.#length
      const kind = batch.kind[row]!
      this.#series[at] = ids[batch.seriesIndex[row]!]!
      setInteger(this.#time, at, batch.time[row]!)
      setInteger(this.#received, at, batch.received)
      setInteger(this.#seq, at, firstSeq + row)
      this.#quality[at] = batch.quality[row]!
      if ((kind & valueKind.number) !== 0) {
        this.#value[at] = batch.value[row]!
        this.#hasValue[at >>> 5]! |= 1 << (at & 31)
      }
      if ((kind & (valueKind.text | valueKind.json)) !== 0) this.#setPayload(at, kind, batch.payload?.[row] ?? "")
      if (++this.#length === chunkRows) this.#emit()
    }
  }

  /** Commits everything that was added. When it throws, nothing of it is in the table and the writer is of no use. */
  flush(): void {
    this.#emit()
    duckdb.appender_flush_sync(this.#appender)
  }

  /** Forgets what was not committed. */
  clear(): void {
    duckdb.appender_clear(this.#appender)
  }

  close(): void {
    duckdb.appender_close_sync(this.#appender)
  }

  #setPayload(at: number, kind: number, payload: string): void {
    const isText = (kind & valueKind.text) !== 0
    const vector = duckdb.data_chunk_get_vector(this.#chunk, isText ? column.text : column.json)
    const present = isText ? this.#hasText : this.#hasJson
    present[at >>> 5]! |= 1 << (at & 31)
    const text = isText ? payload : wellFormedJson(payload)
    // The binding ends a string at its first NUL.
    if (text.includes("\u0000")) duckdb.vector_assign_string_element_len(vector, at, new TextEncoder().encode(text))
    else duckdb.vector_assign_string_element(vector, at, text)
  }

  #emit(): void {
    const rows = this.#length
    if (rows === 0) return
    this.#copy(column.series, this.#series, rows)
    this.#copy(column.time, this.#time, rows * 2)
    this.#copy(column.received, this.#received, rows * 2)
    this.#copy(column.value, this.#value, rows, this.#hasValue)
    this.#present(column.text, this.#hasText)
    this.#present(column.json, this.#hasJson)
    this.#copy(column.quality, this.#quality, rows)
    this.#copy(column.seq, this.#seq, rows * 2)
    duckdb.data_chunk_set_size(this.#chunk, rows)
    duckdb.append_data_chunk(this.#appender, this.#chunk)
    duckdb.data_chunk_reset(this.#chunk)
    this.#length = 0
  }

  #copy(index: number, values: Int32Array | Float64Array | Uint8Array, length: number, present?: Uint32Array): void {
    const vector = duckdb.data_chunk_get_vector(this.#chunk, index)
    duckdb.copy_data_to_vector(vector, 0, values.buffer as ArrayBuffer, 0, length * values.BYTES_PER_ELEMENT)
    if (present !== undefined) this.#present(index, present)
  }

  /** Hands over which rows have a value, and begins anew: none. */
  #present(index: number, present: Uint32Array): void {
    const vector = duckdb.data_chunk_get_vector(this.#chunk, index)
    duckdb.vector_ensure_validity_writable(vector)
    duckdb.copy_data_to_vector_validity(vector, 0, present.buffer as ArrayBuffer, 0, present.byteLength)
    present.fill(0)
  }
}

/** A whole number of up to 53 bits and its sign, as two's complement of 64 bits. */
function setInteger(words: Int32Array, at: number, value: number): void {
  const high = Math.floor(value / 4_294_967_296)
  words[at * 2] = value - high * 4_294_967_296
  words[at * 2 + 1] = high
}

/** Half of a surrogate pair, escaped. */
const half = /^\\u[dD][89a-fA-F][0-9a-fA-F]{2}$/
/** A whole pair or any other escape, so that what follows an escaped backslash is not taken for one. */
const pairOrEscape = /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[\s\S]/g

/**
 * JSON that DuckDB accepts. `JSON.parse` lets escapes of half a surrogate pair pass, DuckDB does not, and one such value
 * would make every query over its segment fail. They become U+FFFD, as halves that are not escaped do in UTF-8.
 */
export function wellFormedJson(json: string): string {
  if (!/\\u[dD][89a-fA-F]/.test(json)) return json
  return json.replace(pairOrEscape, (found) => (half.test(found) ? "\\ufffd" : found))
}
