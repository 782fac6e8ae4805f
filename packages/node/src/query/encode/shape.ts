/** How values of each type of DuckDB look as text and as JSON. */
import { FogError } from "@brume/core"
import {
  DuckDBArrayType,
  type DuckDBArrayValue,
  type DuckDBBlobValue,
  type DuckDBDateValue,
  DuckDBDecimalType,
  type DuckDBDecimalValue,
  DuckDBListType,
  type DuckDBListValue,
  DuckDBMapType,
  type DuckDBMapValue,
  DuckDBStructType,
  type DuckDBStructValue,
  type DuckDBTimestampMillisecondsValue,
  type DuckDBTimestampNanosecondsValue,
  type DuckDBTimestampSecondsValue,
  type DuckDBTimestampTZValue,
  type DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  DuckDBUnionType,
  type DuckDBUnionValue,
  type DuckDBValue,
} from "@duckdb/node-api"
import { createTimestampText, dateText, nanosecondText, timestampText } from "./time.ts"

/** Both take a value that is not NULL. */
export interface Shape {
  /** As it stands in CSV, before quoting. */
  text(value: DuckDBValue): string
  /** As it stands in JSON. */
  json(value: DuckDBValue): string
}

/** Widest DECIMAL that is a number in JSON: a double carries 15 digits there and back. */
const numberDigits = 15

/** @param name of the column, for the error about a type that cannot be shown. */
export function shapeOf(type: DuckDBType, name: string): Shape {
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType) return listShape(shapeOf(type.valueType, name))
  if (type instanceof DuckDBStructType) {
    const fields = type.entryTypes.map((entry, at) => [type.entryNames[at]!, shapeOf(entry, name)] as const)
    return structShape(fields)
  }
  if (type instanceof DuckDBMapType) return mapShape(type, name)
  if (type instanceof DuckDBUnionType) return unionShape(type, name)
  if (type.typeId === DuckDBTypeId.TIMESTAMP || type.typeId === DuckDBTypeId.TIMESTAMP_TZ) {
    const text = createTimestampText()
    return plain((value) =>
      text(typeof value === "number" ? value : (value as DuckDBTimestampValue | DuckDBTimestampTZValue).micros),
    )
  }
  if (type instanceof DuckDBDecimalType) return type.width <= numberDigits ? bare(decimalText) : quoted(decimalText)
  const shape = isJson(type) ? jsonShape : shapes.get(type.typeId)
  if (shape !== undefined) return shape
  throw new FogError("query_invalid", {
    message: `The column ${JSON.stringify(name)} has the type ${type}, which no format carries`,
    hint: "Cast it, for example to VARCHAR.",
  })
}

export function isJson(type: DuckDBType): boolean {
  return type.alias === "JSON"
}

/** The same text in JSON as elsewhere: numbers, booleans, lists. */
function bare(text: (value: DuckDBValue) => string): Shape {
  return { text, json: text }
}

function quoted(text: (value: DuckDBValue) => string): Shape {
  return { text, json: (value) => JSON.stringify(text(value)) }
}

/** Texts that never need an escape. */
function plain(text: (value: DuckDBValue) => string): Shape {
  return { text, json: (value) => `"${text(value)}"` }
}

/** JSON has no NaN and no infinity: they are null there. */
function float(text: (value: number) => string): Shape {
  return {
    text: (value) => text(value as number),
    json: (value) => (Number.isFinite(value as number) ? text(value as number) : "null"),
  }
}

/** Integers beyond 2^53 are strings in JSON, because most readers would round them. */
const integer: Shape = {
  text: String,
  json: (value) => (isSafe(value as bigint) ? String(value) : `"${value}"`),
}

export function isSafe(value: bigint): boolean {
  return value <= 9_007_199_254_740_991n && value >= -9_007_199_254_740_991n
}

/** Already JSON. It stays on one line: outside of strings, which have none, a line break is a blank. */
const jsonShape: Shape = bare((value) => (value as string).replace(/[\r\n]/g, " "))

const shapes: ReadonlyMap<DuckDBTypeId, Shape> = new Map<DuckDBTypeId, Shape>([
  [DuckDBTypeId.BOOLEAN, bare(String)],
  [DuckDBTypeId.TINYINT, bare(String)],
  [DuckDBTypeId.SMALLINT, bare(String)],
  [DuckDBTypeId.INTEGER, bare(String)],
  [DuckDBTypeId.UTINYINT, bare(String)],
  [DuckDBTypeId.USMALLINT, bare(String)],
  [DuckDBTypeId.UINTEGER, bare(String)],
  [DuckDBTypeId.BIGINT, integer],
  [DuckDBTypeId.UBIGINT, integer],
  [DuckDBTypeId.HUGEINT, integer],
  [DuckDBTypeId.UHUGEINT, integer],
  [DuckDBTypeId.BIGNUM, integer],
  [DuckDBTypeId.FLOAT, float(singleText)],
  [DuckDBTypeId.DOUBLE, float(doubleText)],
  [DuckDBTypeId.VARCHAR, quoted(String)],
  [DuckDBTypeId.ENUM, quoted(String)],
  [DuckDBTypeId.BLOB, plain((value) => Buffer.from((value as DuckDBBlobValue).bytes).toString("base64"))],
  [DuckDBTypeId.BIT, plain(String)],
  [DuckDBTypeId.UUID, plain(String)],
  [DuckDBTypeId.DATE, plain((value) => dateText((value as DuckDBDateValue).days))],
  [DuckDBTypeId.TIME, plain(String)],
  [DuckDBTypeId.TIME_TZ, plain(String)],
  [DuckDBTypeId.TIME_NS, plain(String)],
  [DuckDBTypeId.INTERVAL, plain(String)],
  [
    DuckDBTypeId.TIMESTAMP_S,
    plain((value) => timestampText((value as DuckDBTimestampSecondsValue).seconds * 1_000_000n)),
  ],
  [
    DuckDBTypeId.TIMESTAMP_MS,
    plain((value) => timestampText((value as DuckDBTimestampMillisecondsValue).millis * 1_000n)),
  ],
  [DuckDBTypeId.TIMESTAMP_NS, plain((value) => nanosecondText((value as DuckDBTimestampNanosecondsValue).nanos))],
])

function doubleText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value)
}

/** The shortest digits that mean the same FLOAT: not 0.10000000149011612 for 0.1. */
function singleText(value: number): string {
  for (let precision = 1; precision < 9; precision++) {
    const short = Number(value.toPrecision(precision))
    if (Math.fround(short) === value) return doubleText(short)
  }
  return doubleText(value)
}

function decimalText(value: DuckDBValue): string {
  const { value: scaled, scale } = value as DuckDBDecimalValue
  if (scale === 0) return String(scaled)
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, "0")
  return `${scaled < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

function orNull(shape: Shape, value: DuckDBValue): string {
  return value === null ? "null" : shape.json(value)
}

function listShape(element: Shape): Shape {
  return bare((value) => {
    const { items } = value as DuckDBListValue | DuckDBArrayValue
    return `[${items.map((item) => orNull(element, item)).join(",")}]`
  })
}

function structShape(fields: readonly (readonly [name: string, shape: Shape])[]): Shape {
  const keys = fields.map(([name]) => JSON.stringify(name))
  return bare((value) => {
    const { entries } = value as DuckDBStructValue
    return `{${fields.map(([name, shape], at) => `${keys[at]}:${orNull(shape, entries[name] ?? null)}`).join(",")}}`
  })
}

/** An object where keys are texts, which are unique; otherwise pairs. */
function mapShape(type: DuckDBMapType, name: string): Shape {
  const key = shapeOf(type.keyType, name)
  const element = shapeOf(type.valueType, name)
  const isObject = type.keyType.typeId === DuckDBTypeId.VARCHAR && !isJson(type.keyType)
  return bare((value) => {
    const { entries } = value as DuckDBMapValue
    if (!isObject)
      return `[${entries.map((entry) => `[${key.json(entry.key)},${orNull(element, entry.value)}]`).join(",")}]`
    return `{${entries.map((entry) => `${key.json(entry.key)}:${orNull(element, entry.value)}`).join(",")}}`
  })
}

/** The value without its tag. */
function unionShape(type: DuckDBUnionType, name: string): Shape {
  const byTag = new Map(type.memberTags.map((tag, at) => [tag, shapeOf(type.memberTypes[at]!, name)]))
  return bare((value) => {
    const { tag, value: member } = value as DuckDBUnionValue
    return orNull(byTag.get(tag)!, member)
  })
}
