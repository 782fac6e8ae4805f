/** Values of one column on their way into a record batch of Arrow. */
import type { DuckDBValue } from "@duckdb/node-api"
import type { Data, DataType, Utf8 } from "apache-arrow"

type Arrow = typeof import("apache-arrow")

export interface ArrowColumn {
  add(value: DuckDBValue): void
  /** UTF-16 code units of the texts since the last {@link take}. */
  readonly textLength: number
  /** What was added since the last call. Its type is the same each time. */
  take(): Data
}

type NumberArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array

export type WriteValue = (to: NumberArray, at: number, value: DuckDBValue) => void

export interface WideColumnOptions {
  readonly type: DataType
  readonly array: new (length: number) => NumberArray
  /** Elements of the array per value. */
  readonly wide: number
  readonly write: WriteValue
}

/** Values that all take the same room. */
export function wideColumn({ makeData }: Arrow, { type, array, wide, write }: WideColumnOptions): ArrowColumn {
  const validity = new Validity()
  const room = (rows: number) => new array(Math.ceil(rows * wide))
  let data = room(1_024)
  return {
    textLength: 0,
    add(value) {
      const row = validity.length
      if (Math.ceil((row + 1) * wide) > data.length) {
        const wider = room(row * 2)
        wider.set(data as never)
        data = wider
      }
      if (validity.add(value !== null)) write(data, row, value)
    },
    take() {
      const { length } = validity
      const taken = data.slice(0, Math.ceil(length * wide))
      data = room(1_024)
      return makeData({ type, length, data: taken, ...validity.take() } as never)
    },
  }
}

/** A first batch with fewer rows says nothing about repetition, and plain texts are easier to read. */
const minRows = 64

/**
 * Texts, as a dictionary where they repeat, which the first batch decides. Each batch brings its own dictionary: readers
 * that know no growing ones exist, and a batch has few different texts.
 */
export function textColumn(arrow: Arrow, text: (value: DuckDBValue) => string, mayRepeat: boolean): ArrowColumn {
  const { Dictionary, Int32, makeData, makeVector, Utf8 } = arrow
  const utf8 = new Utf8()
  const validity = new Validity()
  let texts: (string | null)[] = []
  let textLength = 0
  let dictionary: InstanceType<typeof Dictionary<Utf8>> | undefined
  let isDecided = !mayRepeat
  const take = () => {
    const taken = texts
    texts = []
    textLength = 0
    return taken
  }
  return {
    get textLength() {
      return textLength
    },
    add(value) {
      const shown = validity.add(value !== null) ? text(value) : null
      texts.push(shown)
      textLength += shown?.length ?? 0
    },
    take() {
      const taken = take()
      const { length } = taken
      const places = isDecided && dictionary === undefined ? undefined : new Map<string, number>()
      const indices = new Int32Array(places === undefined ? 0 : length)
      for (const [row, shown] of places === undefined ? [] : taken.entries()) {
        if (shown === null) continue
        const place = places!.get(shown) ?? places!.size
        places!.set(shown, place)
        indices[row] = place
      }
      if (!isDecided) {
        isDecided = true
        if (length >= minRows && places!.size * 2 <= length) dictionary = new Dictionary(utf8, new Int32())
      }
      if (dictionary === undefined) return makeData({ type: utf8, length, ...encoded(taken), ...validity.take() })
      const known = [...places!.keys()]
      const entries = makeData({ type: utf8, length: known.length, nullCount: 0, ...encoded(known) })
      return makeData({
        type: dictionary,
        length,
        data: indices,
        dictionary: makeVector(entries),
        ...validity.take(),
      })
    },
  }
}

/** The bytes of texts one after the other, and where each begins. */
function encoded(texts: readonly (string | null)[]): { valueOffsets: Int32Array; data: Uint8Array } {
  const valueOffsets = new Int32Array(texts.length + 1)
  let end = 0
  for (const [row, text] of texts.entries()) {
    end += text === null ? 0 : Buffer.byteLength(text)
    valueOffsets[row + 1] = end
  }
  const data = Buffer.allocUnsafe(end)
  for (const [row, text] of texts.entries()) if (text !== null) data.write(text, valueOffsets[row]!)
  return { valueOffsets, data }
}

/** One bit per row: whether it has a value. */
class Validity {
  length = 0
  #nulls = 0
  #bits = new Uint8Array(256)

  add(isValid: boolean): boolean {
    const row = this.length++
    if (row >> 3 >= this.#bits.length) {
      const wider = new Uint8Array(this.#bits.length * 2)
      wider.set(this.#bits)
      this.#bits = wider
    }
    if (isValid) this.#bits[row >> 3]! |= 1 << (row & 7)
    else this.#nulls++
    return isValid
  }

  take(): { nullCount: number; nullBitmap?: Uint8Array } {
    const taken = { nullCount: this.#nulls, nullBitmap: this.#bits.slice(0, (this.length + 7) >> 3) }
    this.length = 0
    this.#nulls = 0
    this.#bits = new Uint8Array(256)
    return taken.nullCount === 0 ? { nullCount: 0 } : taken
  }
}
