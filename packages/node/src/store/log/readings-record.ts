/**
 * A batch of readings as one record, self-contained: it carries the identities of its series, so that damage to
 * another record never makes it unreadable. Columns lie in it as in memory; what is equal for all rows is left out.
 *
 * received f64 | rows u32 | series u32 | shape u32 | strings u32 | 0 u64
 * | series: (device bytes u16, property bytes u16, tags bytes u32, device, property, tags)…, padding
 * | time f64… | value f64… | series index u8/u16/u32…, padding | kind u8…, padding | quality u8…, padding
 * | lengths of the strings u32…, padding | strings
 *
 * Shape: bits 0–1 width of the index (0 when there is one series, 1, 2, or 3 for four bytes), bit 2 kinds differ, bit 3
 * qualities differ, bit 4 values are there, bits 8–15 the kind of all rows, bits 16–23 the quality of all rows.
 * Text is UTF-8; a lone surrogate, which has no UTF-8, becomes U+FFFD.
 */
import { ReadingBatch, recordKind, Series, valueKind } from "@brume/core"
import { type Frame, padded } from "./format.ts"
import type { FrameBuffer } from "./frame-buffer.ts"

const fixedBytes = 32
const shapeBit = { kinds: 4, qualities: 8, values: 16 } as const
/** Stands for a row without a string. */
const noString = 0xffff_ffff

/** Appends the batch as a record. The batch has at least one row. */
export function encodeReadings(buffer: FrameBuffer, batch: ReadingBatch, seq: number): void {
  const rows = batch.length
  const entries = batch.series.map(encodedSeries)
  const dictionaryBytes = entries.reduce((sum, entry) => sum + entry.length, 0)
  const start = buffer.begin(mostBytes(batch, dictionaryBytes))
  const kind = commonValue(batch.kind, rows)
  const quality = commonValue(batch.quality, rows)
  const hasValues = kind < 0 || (kind & valueKind.number) !== 0
  const width = indexWidth(entries.length)
  const fixed = buffer.length
  buffer.length += fixedBytes

  for (const entry of entries) {
    buffer.u8.set(entry, buffer.length)
    buffer.length += entry.length
  }
  buffer.pad()
  putDoubles(buffer, batch.time, rows)
  if (hasValues) putDoubles(buffer, batch.value, rows)
  putIndex(buffer, batch.seriesIndex, { rows, width })
  if (kind < 0) putBytes(buffer, batch.kind, rows)
  if (quality < 0) putBytes(buffer, batch.quality, rows)
  const strings = putStrings(buffer, batch.payload, rows)

  buffer.f64[fixed >> 3] = batch.received
  const word = fixed >> 2
  buffer.u32[word + 2] = rows
  buffer.u32[word + 3] = entries.length
  buffer.u32[word + 4] =
    width |
    (kind < 0 ? shapeBit.kinds : kind << 8) |
    (quality < 0 ? shapeBit.qualities : quality << 16) |
    (hasValues ? shapeBit.values : 0)
  buffer.u32[word + 5] = strings
  buffer.u32[word + 6] = 0
  buffer.u32[word + 7] = 0
  buffer.end(start, { kind: recordKind.readings, flags: 0, rows, seq })
}

/** When the batch was received, without decoding it. */
export function receivedOf(buffer: Buffer, frame: Frame): number {
  return buffer.readDoubleLE(frame.start)
}

interface DecodedSeries {
  readonly bytes: Uint8Array
  readonly series: Series
  /** The one that came after it last time. Devices report in rounds, so it is mostly the next one again. */
  follower: DecodedSeries | undefined
}

/** Finds the Series object of encoded bytes, so that most records of a replay create none. */
export class SeriesDecoder {
  readonly #byBytes = new Map<string, DecodedSeries>()
  readonly #limit: number
  #last: DecodedSeries | undefined

  /** @param limit most series held; when it is full it starts anew. */
  constructor(limit = 100_000) {
    this.#limit = limit
  }

  get(buffer: Buffer, start: number, end: number): Series {
    const guess = this.#last?.follower
    if (guess !== undefined && isEqual(guess.bytes, buffer, { start, end })) {
      this.#last = guess
      return guess.series
    }
    const found = this.#find(buffer, start, end)
    if (this.#last !== undefined) this.#last.follower = found
    this.#last = found
    return found.series
  }

  #find(buffer: Buffer, start: number, end: number): DecodedSeries {
    const key = buffer.toString("latin1", start, end)
    const known = this.#byBytes.get(key)
    if (known !== undefined) return known
    const device = start + 8
    const property = device + buffer.readUInt16LE(start)
    const tags = property + buffer.readUInt16LE(start + 2)
    const series = new Series(
      buffer.toString("utf8", device, property),
      buffer.toString("utf8", property, tags),
      buffer.toString("utf8", tags, end),
    )
    if (this.#byBytes.size >= this.#limit) this.#byBytes.clear()
    const decoded = { bytes: new Uint8Array(buffer.subarray(start, end)), series, follower: undefined }
    this.#byBytes.set(key, decoded)
    return decoded
  }
}

/** A loop: for the few bytes of a series a call into the system's comparison costs more. */
function isEqual(bytes: Uint8Array, buffer: Buffer, { start, end }: { start: number; end: number }): boolean {
  if (bytes.length !== end - start) return false
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== buffer[start + i]) return false
  return true
}

/**
 * The batch of a record whose checksum is right; undefined when its content contradicts itself all the same.
 * @param buffer one that begins at the start of its memory, as columns are read in place.
 */
export function decodeReadings(buffer: Buffer, frame: Frame, decoder: SeriesDecoder): ReadingBatch | undefined {
  if (frame.end - frame.start < fixedBytes) return undefined
  const rows = buffer.readUInt32LE(frame.start + 8)
  // Each row has at least its time: a number of rows beyond that is refused before memory is taken for it.
  if (rows !== frame.rows || rows * 8 > frame.end - frame.start) return undefined
  const shape = buffer.readUInt32LE(frame.start + 16)
  const columns = new ColumnReader(buffer, frame.start + fixedBytes, frame.end)
  const batch = new ReadingBatch(0)
  batch.received = receivedOf(buffer, frame)
  batch.length = rows
  if (!columns.series(batch.series, buffer.readUInt32LE(frame.start + 12), decoder)) return undefined
  batch.time = columns.doubles(rows)
  batch.value = (shape & shapeBit.values) === 0 ? new Float64Array(rows).fill(Number.NaN) : columns.doubles(rows)
  batch.seriesIndex = columns.index(rows, shape & 3)
  batch.kind = (shape & shapeBit.kinds) === 0 ? new Uint8Array(rows).fill(shape >>> 8) : columns.bytes(rows)
  batch.quality = (shape & shapeBit.qualities) === 0 ? new Uint8Array(rows).fill(shape >>> 16) : columns.bytes(rows)
  batch.payload = columns.strings(buffer.readUInt32LE(frame.start + 20))
  if (columns.isShort || !isBelow(batch.seriesIndex, batch.series.length)) return undefined
  return batch
}

function encodedSeries(series: Series): Uint8Array {
  series.encoded ??= encodeSeries(series)
  return series.encoded
}

function encodeSeries(series: Series): Uint8Array {
  const device = Buffer.from(series.device)
  const property = Buffer.from(series.property)
  const tags = Buffer.from(series.tags)
  const head = Buffer.alloc(8)
  head.writeUInt16LE(device.length, 0)
  head.writeUInt16LE(property.length, 2)
  head.writeUInt32LE(tags.length, 4)
  const whole = Buffer.concat([head, device, property, tags])
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.length)
}

function mostBytes(batch: ReadingBatch, dictionaryBytes: number): number {
  const rows = batch.length
  let bytes = fixedBytes + dictionaryBytes + rows * (8 + 8 + 4 + 1 + 1) + 6 * 8
  if (batch.payload !== undefined) {
    bytes += rows * 4
    // A UTF-16 unit takes at most three bytes of UTF-8.
    for (const text of batch.payload) if (text !== null) bytes += text.length * 3
  }
  return bytes
}

/** The value that all rows share, or -1. */
function commonValue(column: Uint8Array, rows: number): number {
  const first = column[0]!
  for (let row = 1; row < rows; row++) if (column[row] !== first) return -1
  return first
}

function indexWidth(series: number): 0 | 1 | 2 | 3 {
  if (series <= 1) return 0
  if (series <= 0x100) return 1
  return series <= 0x1_0000 ? 2 : 3
}

/** Below this many rows a loop is quicker than the view that a copy needs. */
const fewRows = 32

function putDoubles(buffer: FrameBuffer, column: Float64Array, rows: number): void {
  const { f64 } = buffer
  const at = buffer.length >> 3
  if (rows < fewRows) for (let row = 0; row < rows; row++) f64[at + row] = column[row]!
  else f64.set(column.subarray(0, rows), at)
  buffer.length += rows * 8
}

function putBytes(buffer: FrameBuffer, column: Uint8Array, rows: number): void {
  buffer.u8.set(column.subarray(0, rows), buffer.length)
  buffer.length += rows
  buffer.pad()
}

function putIndex(buffer: FrameBuffer, index: Uint32Array, shape: { rows: number; width: 0 | 1 | 2 | 3 }): void {
  const { rows, width } = shape
  if (width === 0) return
  const used = index.subarray(0, rows)
  if (width === 1) buffer.u8.set(used, buffer.length)
  else if (width === 2) buffer.u16.set(used, buffer.length >> 1)
  else buffer.u32.set(used, buffer.length >> 2)
  buffer.length += rows << (width - 1)
  buffer.pad()
}

/** Returns how many rows have an entry: those up to the last one with a string. */
function putStrings(buffer: FrameBuffer, payload: readonly (string | null)[] | undefined, rows: number): number {
  if (payload === undefined) return 0
  const count = Math.min(rows, payload.length)
  const lengths = buffer.length >> 2
  buffer.length += count * 4
  buffer.pad()
  for (let row = 0; row < count; row++) {
    const text = payload[row] ?? null
    if (text === null) {
      buffer.u32[lengths + row] = noString
      continue
    }
    const bytes = buffer.bytes.write(text, buffer.length)
    buffer.u32[lengths + row] = bytes
    buffer.length += bytes
  }
  return count
}

function isBelow(index: Uint32Array, limit: number): boolean {
  for (let row = 0; row < index.length; row++) if (index[row]! >= limit) return false
  return true
}

/** Takes columns out of a payload, one after the other. What lies beyond its end reads as empty and is remembered. */
class ColumnReader {
  readonly #buffer: Buffer
  readonly #end: number
  #at: number
  isShort = false

  constructor(buffer: Buffer, at: number, end: number) {
    this.#buffer = buffer
    this.#at = at
    this.#end = end
  }

  /** False when they do not fit. */
  series(target: Series[], count: number, decoder: SeriesDecoder): boolean {
    for (let i = 0; i < count; i++) {
      const start = this.#at
      if (start + 8 > this.#end) return false
      const bytes =
        this.#buffer.readUInt16LE(start) + this.#buffer.readUInt16LE(start + 2) + this.#buffer.readUInt32LE(start + 4)
      if (start + 8 + bytes > this.#end) return false
      target.push(decoder.get(this.#buffer, start, start + 8 + bytes))
      this.#at = start + 8 + bytes
    }
    this.#at = padded(this.#at)
    return true
  }

  doubles(rows: number): Float64Array {
    const at = this.#take(rows * 8)
    return at < 0 ? new Float64Array(rows) : new Float64Array(this.#buffer.buffer, at, rows).slice()
  }

  bytes(rows: number): Uint8Array {
    const at = this.#take(rows)
    return at < 0 ? new Uint8Array(rows) : new Uint8Array(this.#buffer.buffer, at, rows).slice()
  }

  index(rows: number, width: number): Uint32Array {
    if (width === 0) return new Uint32Array(rows)
    const at = this.#take(rows << (width - 1))
    if (at < 0) return new Uint32Array(rows)
    if (width === 1) return new Uint32Array(new Uint8Array(this.#buffer.buffer, at, rows))
    if (width === 2) return new Uint32Array(new Uint16Array(this.#buffer.buffer, at, rows))
    return new Uint32Array(this.#buffer.buffer, at, rows).slice()
  }

  strings(count: number): (string | null)[] | undefined {
    if (count === 0) return undefined
    const lengths = this.#take(count * 4)
    if (lengths < 0) return undefined
    const strings: (string | null)[] = []
    for (let i = 0; i < count; i++) {
      const bytes = this.#buffer.readUInt32LE(lengths + i * 4)
      if (bytes === noString) {
        strings.push(null)
        continue
      }
      if (this.#at + bytes > this.#end) {
        this.isShort = true
        return undefined
      }
      strings.push(this.#buffer.toString("utf8", this.#at, this.#at + bytes))
      this.#at += bytes
    }
    return strings
  }

  /** Where the next `bytes` lie, or -1. */
  #take(bytes: number): number {
    const at = this.#at
    if (at + bytes > this.#end) {
      this.isShort = true
      return -1
    }
    this.#at = padded(at + bytes)
    return at
  }
}
