import { FogError } from "@brume/core"
import { type DuckDBValue, DuckDBVarCharVector, type DuckDBVector } from "@duckdb/node-api"

export type Reader = (row: number) => DuckDBValue

/** Longest text of one value, bytes: it is decoded at once, on the thread that everything else waits for. */
export const maxTextBytes = 33_554_432

/** Reads the values of a vector. Use it no longer than the vector's chunk. */
export function readerOf(vector: DuckDBVector): Reader {
  const layout = vector instanceof DuckDBVarCharVector ? layoutOf(vector) : undefined
  return layout === undefined ? (row) => vector.getItem(row) : textReader(vector, layout)
}

export interface Layout {
  /** Per row: length, then the text itself up to 12 bytes, or its first four bytes and where it lies. */
  readonly words: Uint32Array
  /** A bit per row: whether it has a value. Undefined when all have. */
  readonly valid: Uint32Array | undefined
}

/** Remembered texts of a vector; a power of two. */
const places = 256

/**
 * Decoding is most of the work of an answer, and names of devices repeat: rows whose 16 bytes are the same have the
 * same text, because they point to the same place of the same chunk, or hold it themselves.
 */
function textReader(vector: DuckDBVector, { words, valid }: Layout): Reader {
  const keys = new Uint32Array(places * 4)
  const texts: (string | undefined)[] = new Array(places)
  return (row) => {
    if (valid !== undefined && (valid[row >> 5]! & (1 << (row & 31))) === 0) return null
    const at = row * 4
    const length = words[at]!
    if (length > maxTextBytes) throw tooLong(length)
    const [a, b, c] = [words[at + 1]!, words[at + 2]!, words[at + 3]!]
    const place = ((length ^ a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca6b)) >>> 8) & (places - 1)
    const key = place * 4
    const known = texts[place]
    if (
      known !== undefined &&
      keys[key] === length &&
      keys[key + 1] === a &&
      keys[key + 2] === b &&
      keys[key + 3] === c
    )
      return known
    const text = vector.getItem(row) as string
    keys[key] = length
    keys[key + 1] = a
    keys[key + 2] = b
    keys[key + 3] = c
    texts[place] = text
    return text
  }
}

/** What the vector keeps for itself; undefined when it is not as expected, as after an upgrade. A test would tell. */
export function layoutOf(vector: DuckDBVarCharVector): Layout | undefined {
  const { dataView, validity } = vector as unknown as {
    readonly dataView?: unknown
    readonly validity?: { readonly data?: unknown; readonly offset?: unknown }
  }
  if (!(dataView instanceof DataView) || dataView.byteOffset % 4 !== 0 || validity?.offset !== 0) return undefined
  const words = new Uint32Array(dataView.buffer, dataView.byteOffset, dataView.byteLength / 4)
  const bits = validity.data
  if (bits === null) return { words, valid: undefined }
  if (!(bits instanceof BigUint64Array)) return undefined
  return { words, valid: new Uint32Array(bits.buffer, bits.byteOffset, bits.length * 2) }
}

function tooLong(length: number): FogError {
  return new FogError("query_too_large", {
    message: `A text of the result has ${length} bytes; the limit is ${maxTextBytes}`,
    hint: "Ask for a part of it, or for more rows with less in each.",
  })
}
