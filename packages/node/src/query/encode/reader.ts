/**
 * Reading the vectors of a chunk. The binding makes an object or decodes a text for each value; most answers consist of
 * times, numbers and texts that repeat, and are read here from the memory that lies behind the vectors. Where that is
 * not as expected, as after an upgrade, the binding's own way is taken, and a test says so.
 */
import { FogError } from "@brume/core"
import {
  DuckDBDoubleVector,
  DuckDBTimestampTZVector,
  DuckDBTimestampVector,
  type DuckDBValue,
  DuckDBVarCharVector,
  type DuckDBVector,
} from "@duckdb/node-api"

/** A TIMESTAMP within 2^53 µs of 1970 comes as a number of µs, all other values as the binding gives them. */
export type Reader = (row: number) => DuckDBValue

/** Longest text of one value, bytes: it is decoded at once, on the thread that everything else waits for. */
const maxTextBytes = 33_554_432

/** Use it no longer than the vector's chunk. */
export function readerOf(vector: DuckDBVector): Reader {
  return quickReaderOf(vector) ?? ((row) => vector.getItem(row))
}

/** Undefined for other types, and when the vector is not as expected. */
export function quickReaderOf(vector: DuckDBVector): Reader | undefined {
  const isTime = vector instanceof DuckDBTimestampVector || vector instanceof DuckDBTimestampTZVector
  if (!isTime && !(vector instanceof DuckDBDoubleVector) && !(vector instanceof DuckDBVarCharVector)) return undefined
  const { items, dataView, validity } = vector as unknown as {
    readonly items?: unknown
    readonly dataView?: unknown
    readonly validity?: { readonly data?: unknown; readonly offset?: unknown }
  }
  const bits = validity?.data
  if (validity?.offset !== 0 || (bits !== null && !(bits instanceof BigUint64Array))) return undefined
  const valid = bits === null ? undefined : new Uint32Array(bits.buffer, bits.byteOffset, bits.length * 2)
  if (isTime && items instanceof BigInt64Array) return timeReader(vector, items, valid)
  if (items instanceof Float64Array) return (row) => (isNull(valid, row) ? null : items[row]!)
  if (dataView instanceof DataView && dataView.byteOffset % 4 === 0) return textReader(vector, dataView, valid)
  return undefined
}

/** One bit per row: whether it has a value. Undefined when all have. */
type Valid = Uint32Array | undefined

function isNull(valid: Valid, row: number): boolean {
  return valid !== undefined && (valid[row >> 5]! & (1 << (row & 31))) === 0
}

/** The two halves of a 64-bit number make a double without a BigInt in between. */
function timeReader(vector: DuckDBVector, items: BigInt64Array, valid: Valid): Reader {
  const low = new Uint32Array(items.buffer, items.byteOffset, items.length * 2)
  const high = new Int32Array(items.buffer, items.byteOffset, items.length * 2)
  return (row) => {
    if (isNull(valid, row)) return null
    const us = high[row * 2 + 1]! * 0x1_0000_0000 + low[row * 2]!
    return Number.isSafeInteger(us) ? us : vector.getItem(row)
  }
}

/** Remembered texts of a vector; a power of two. */
const places = 256

/**
 * Per row there are four words: length, then the text itself up to 12 bytes, or its first four bytes and where it lies.
 * Decoding is most of the work, and names of devices repeat: rows whose words are the same have the same text, because
 * they point to the same place of the same chunk, or hold it themselves.
 */
function textReader(vector: DuckDBVector, view: DataView, valid: Valid): Reader {
  const words = new Uint32Array(view.buffer, view.byteOffset, view.byteLength / 4)
  const keys = new Uint32Array(places * 4)
  const texts: (string | undefined)[] = new Array(places)
  return (row) => {
    if (isNull(valid, row)) return null
    const at = row * 4
    const length = words[at]!
    if (length > maxTextBytes) throw tooLong(length)
    const [a, b, c] = [words[at + 1]!, words[at + 2]!, words[at + 3]!]
    const place = ((length ^ a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca6b)) >>> 8) & (places - 1)
    const key = place * 4
    const known = texts[place]
    const isSame = keys[key] === length && keys[key + 1] === a && keys[key + 2] === b && keys[key + 3] === c
    if (known !== undefined && isSame) return known
    const text = vector.getItem(row) as string
    keys[key] = length
    keys[key + 1] = a
    keys[key + 2] = b
    keys[key + 3] = c
    texts[place] = text
    return text
  }
}

function tooLong(length: number): FogError {
  return new FogError("query_too_large", {
    message: `A text of the result has ${length} bytes; the limit is ${maxTextBytes}`,
    hint: "Ask for a part of it, or for more rows with less in each.",
  })
}
