/**
 * Arrow's IPC stream. Numbers, booleans, dates, times and decimals have Arrow's own types; texts that repeat are
 * dictionaries; lists, structs and maps are their JSON as texts.
 */
import type { DuckDBDataChunk, DuckDBType } from "@duckdb/node-api"
import { DuckDBDecimalType, DuckDBTypeId } from "@duckdb/node-api"
import type { DataType, Field, RecordBatchStreamWriter } from "apache-arrow"
import { type ArrowColumn, textColumn, type WriteValue, wideColumn } from "./arrow-column.ts"
import type { Column } from "./columns.ts"
import type { Encoder, EncoderOptions } from "./encoder.ts"
import { readerOf } from "./reader.ts"
import { isJson, shapeOf } from "./shape.ts"

type Arrow = typeof import("apache-arrow")

/** Rows of a record batch: enough that its head does not matter, and dictionaries pay. */
const batchRows = 16_384
/** Texts of a record batch, UTF-16 code units: it is written earlier when they are long. */
const batchText = 1_048_576

/** Loads apache-arrow, which costs 18 MB of memory and 0.2 s: most nodes never need it. */
export async function createArrowEncoder({ columns }: EncoderOptions): Promise<Encoder> {
  const arrow = await import("apache-arrow")
  return new ArrowEncoder(
    arrow,
    columns,
    columns.map((column) => columnFor(arrow, column)),
  )
}

class ArrowEncoder implements Encoder {
  readonly contentType = "application/vnd.apache.arrow.stream"
  readonly #arrow: Arrow
  readonly #columns: readonly Column[]
  readonly #data: readonly ArrowColumn[]
  readonly #written: Uint8Array[] = []
  #writer: RecordBatchStreamWriter | undefined
  #fields: readonly Field[] = []
  #rows = 0
  #pending = 0

  constructor(arrow: Arrow, columns: readonly Column[], data: readonly ArrowColumn[]) {
    this.#arrow = arrow
    this.#columns = columns
    this.#data = data
  }

  get pending(): number {
    return this.#pending
  }

  rows(chunk: DuckDBDataChunk, from: number, to: number): void {
    for (const [column, data] of this.#data.entries()) {
      const read = readerOf(chunk.getColumnVector(column))
      for (let row = from; row < to; row++) data.add(read(row))
    }
    this.#rows += to - from
    if (this.#rows >= batchRows || this.#data.some((data) => data.textLength >= batchText)) this.#flush()
  }

  end(): void {
    // An empty result still tells its columns.
    if (this.#rows > 0 || this.#writer === undefined) this.#flush()
    this.#writer!.finish()
  }

  take(): Uint8Array {
    this.#pending = 0
    return Buffer.concat(this.#written.splice(0))
  }

  #flush(): void {
    const { Field, makeData, RecordBatch, Schema, Struct } = this.#arrow
    const children = this.#data.map((data) => data.take())
    if (this.#writer === undefined) {
      this.#fields = this.#columns.map(({ name, typeName }, at) => {
        return new Field(name, children[at]!.type as DataType, true, new Map([["duckdb:type", typeName]]))
      })
      this.#writer = this.#createWriter()
    }
    const type = new Struct(this.#fields as Field[])
    const data = makeData({ type, length: this.#rows, nullCount: 0, children })
    this.#writer.write(new RecordBatch(new Schema(this.#fields as Field[]), data))
    this.#rows = 0
  }

  #createWriter(): RecordBatchStreamWriter {
    const { AsyncByteQueue, RecordBatchStreamWriter } = this.#arrow
    const writer = new RecordBatchStreamWriter()
    const sink = new AsyncByteQueue()
    // What a queue holds cannot be taken out of it at once.
    sink.write = (bytes: Uint8Array) => {
      this.#written.push(bytes)
      this.#pending += bytes.length
    }
    writer.reset(sink)
    return writer
  }
}

function columnFor(arrow: Arrow, column: Column): ArrowColumn {
  const { type, name } = column
  if (type instanceof DuckDBDecimalType) {
    const write: WriteValue = (to, at, value) =>
      writeInt128(to as Uint32Array, at * 4, (value as { value: bigint }).value)
    return wideColumn(arrow, { type: new arrow.Decimal(type.scale, type.width), array: Uint32Array, wide: 4, write })
  }
  const made = isJson(type) ? undefined : fixedTypes(arrow).get(type.typeId)
  if (made !== undefined) return made()
  const shape = shapeOf(type, name)
  return textColumn(arrow, shape.text, mayRepeat(type))
}

/** Values of these types are worth a look whether they repeat. */
function mayRepeat(type: DuckDBType): boolean {
  return type.typeId === DuckDBTypeId.VARCHAR || type.typeId === DuckDBTypeId.ENUM
}

function fixedTypes(arrow: Arrow): ReadonlyMap<DuckDBTypeId, () => ArrowColumn> {
  const same: WriteValue = (to, at, value) => {
    to[at] = value as never
  }
  /** The one number of a value of DuckDB: `micros`, `days`, … */
  const of =
    (key: string): WriteValue =>
    (to, at, value) => {
      to[at] = (value as unknown as Record<string, never>)[key]!
    }
  const micros: WriteValue = (to, at, value) => {
    to[at] = (typeof value === "number" ? BigInt(value) : (value as { readonly micros: bigint }).micros) as never
  }
  const { TimeUnit } = arrow
  const numbers = [
    [DuckDBTypeId.TINYINT, new arrow.Int8(), Int8Array, same],
    [DuckDBTypeId.SMALLINT, new arrow.Int16(), Int16Array, same],
    [DuckDBTypeId.INTEGER, new arrow.Int32(), Int32Array, same],
    [DuckDBTypeId.BIGINT, new arrow.Int64(), BigInt64Array, same],
    [DuckDBTypeId.UTINYINT, new arrow.Uint8(), Uint8Array, same],
    [DuckDBTypeId.USMALLINT, new arrow.Uint16(), Uint16Array, same],
    [DuckDBTypeId.UINTEGER, new arrow.Uint32(), Uint32Array, same],
    [DuckDBTypeId.UBIGINT, new arrow.Uint64(), BigUint64Array, same],
    [DuckDBTypeId.FLOAT, new arrow.Float32(), Float32Array, same],
    [DuckDBTypeId.DOUBLE, new arrow.Float64(), Float64Array, same],
    [DuckDBTypeId.DATE, new arrow.DateDay(), Int32Array, of("days")],
    [DuckDBTypeId.TIME, new arrow.TimeMicrosecond(), BigInt64Array, of("micros")],
    [DuckDBTypeId.TIMESTAMP, new arrow.Timestamp(TimeUnit.MICROSECOND, "UTC"), BigInt64Array, micros],
    [DuckDBTypeId.TIMESTAMP_TZ, new arrow.Timestamp(TimeUnit.MICROSECOND, "UTC"), BigInt64Array, micros],
    [DuckDBTypeId.TIMESTAMP_S, new arrow.Timestamp(TimeUnit.SECOND, "UTC"), BigInt64Array, of("seconds")],
    [DuckDBTypeId.TIMESTAMP_MS, new arrow.Timestamp(TimeUnit.MILLISECOND, "UTC"), BigInt64Array, of("millis")],
    [DuckDBTypeId.TIMESTAMP_NS, new arrow.Timestamp(TimeUnit.NANOSECOND, "UTC"), BigInt64Array, of("nanos")],
  ] as const
  const bit: WriteValue = (to, at, value) => {
    const bytes = to as Uint8Array
    if (value === true) bytes[at >> 3]! |= 1 << (at & 7)
  }
  return new Map<DuckDBTypeId, () => ArrowColumn>([
    ...numbers.map(
      ([id, type, array, write]) => [id, () => wideColumn(arrow, { type, array, wide: 1, write })] as const,
    ),
    [
      DuckDBTypeId.BOOLEAN,
      () => wideColumn(arrow, { type: new arrow.Bool(), array: Uint8Array, wide: 1 / 8, write: bit }),
    ],
  ])
}

/** Little end first, as Arrow wants it. */
function writeInt128(to: Uint32Array, at: number, value: bigint): void {
  for (let word = 0; word < 4; word++) to[at + word] = Number((value >> BigInt(32 * word)) & 0xffff_ffffn)
}
