/**
 * InfluxDB line protocol: `measurement,tag=value field=value,field2=value 1700000000000000000`.
 *
 * The hot path of ingest: bytes become columns without a string or an object for a line whose names were seen before.
 * How names map to device and property is told in docs/decisions/line-protocol-mapping.md.
 *
 * Each line is taken whole or refused with its number and reason; the others are taken nevertheless, as clients of
 * InfluxDB expect. A line ends at a newline outside a quoted text.
 */
import { isUtf8 } from "node:buffer"
import { type FogError, ReadingBatch, type Series, type SeriesCache } from "@brume/core"
import { DecimalReader } from "./decimal.ts"
import type { PayloadLimits } from "./limits.ts"
import { LineHeads, type LineMemory } from "./line-heads.ts"
import { type LinePrecision, TimestampReader } from "./line-timestamp.ts"
import { type Mistake, Mistakes } from "./mistakes.ts"
import { tooManyReadings } from "./reading-collector.ts"
import { clockQuality, isCarriedTime } from "./time.ts"
import { checkSize } from "./utf8.ts"

export interface LineParserOptions {
  readonly series: SeriesCache
  readonly limits: PayloadLimits
  /** Tags that name the device; the first that a line has wins, the measurement when it has none. */
  readonly deviceTags: readonly string[]
  /** How many names are remembered. */
  readonly memory?: LineMemory
}

export const defaultDeviceTags: readonly string[] = ["device", "device_id", "host"]

export interface ParsedLines {
  /** Readings of all good lines; may be empty. */
  readonly batch: ReadingBatch
  /** How many lines were refused. */
  readonly refused: number
  /** The first of them. */
  readonly mistakes: readonly Mistake[]
  /** What to answer when `refused` is not 0, after the batch is stored. */
  readonly error: FogError | undefined
}

export interface LinesContext {
  readonly receivedUs: number
  readonly precision: LinePrecision
}

const space = 0x20
const newline = 0x0a
const carriageReturn = 0x0d
const comma = 0x2c
const quote = 0x22
const backslash = 0x5c
const minus = 0x2d

const booleans: ReadonlyMap<string, string> = new Map([
  ...["t", "T", "true", "True", "TRUE"].map((word) => [word, "true"] as const),
  ...["f", "F", "false", "False", "FALSE"].map((word) => [word, "false"] as const),
])

/** Places for fields of a line that are kept between payloads. */
const maxFieldsKept = 1_024

const minInt64 = -(2n ** 63n)
const maxInt64 = 2n ** 63n - 1n
const maxUint64 = 2n ** 64n - 1n

type Kind = "number" | "integer" | "text" | "json"

/** Keeps what it learned of names between payloads; one for all connections of a node. */
export class LineParser {
  readonly #limits: PayloadLimits
  readonly #heads: LineHeads
  readonly #decimal = new DecimalReader()
  readonly #timestamp = new TimestampReader()
  // The line at hand: its fields by index, its time, and what is wrong with it and where.
  readonly #series: Series[] = []
  readonly #kinds: Kind[] = []
  readonly #values: number[] = []
  readonly #payloads: string[] = []
  #count = 0
  #micros = 0
  #problem = ""
  #problemAt = 0

  constructor(options: LineParserOptions) {
    this.#limits = options.limits
    this.#heads = new LineHeads(options)
  }

  /** Throws `payload_too_large` and `readings_too_many`; wrong lines are part of the result. */
  parse(payload: Uint8Array, context: LinesContext): ParsedLines {
    checkSize(payload, this.#limits)
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
    const limit = bytes.length
    const batch = new ReadingBatch(Math.min(this.#limits.readings, 16 + (limit >> 6)))
    const mistakes = new Mistakes(Number.POSITIVE_INFINITY)
    const lines = new LineCounter(bytes)
    let at = beginsWithMark(bytes) ? 3 : 0
    while (at < limit) {
      const byte = bytes[at]!
      if (byte === newline || byte === space || byte === carriageReturn || byte === 0x09) at++
      else if (byte === 0x23 /* # */) at = endOfLine(bytes, at, limit)
      else {
        const end = this.#line(bytes, at, limit, context)
        if (end >= 0) {
          this.#commit(batch, context.receivedUs)
          at = end
        } else {
          if (mistakes.count >= this.#limits.readings) throw tooManyReadings(this.#limits.readings)
          mistakes.add(`line ${lines.numberAt(at)}`, this.#problem)
          at = endOfRefused(bytes, this.#problemAt, limit)
        }
      }
    }
    this.#payloads.length = 0
    if (this.#series.length > maxFieldsKept) this.#series.length = 0
    const { count, named } = mistakes
    const outcome = `${count === 1 ? "One line was" : `${count} lines were`} refused, ${batch.length} readings are good`
    return { batch, refused: count, mistakes: named, error: count === 0 ? undefined : mistakes.toError(outcome, hint) }
  }

  /** Reads one line; the place of the newline behind it, or -1 with a problem. */
  #line(bytes: Buffer, start: number, limit: number, context: LinesContext): number {
    const heads = this.#heads
    const head = heads.head(bytes, start, limit)
    if (head === undefined) return this.#refuse(heads.problem, heads.end)
    let at = skipSpaces(bytes, heads.end, limit)
    let expected = head.first
    let count = 0
    for (;;) {
      const field = heads.field(head, expected, bytes, at, limit)
      if (field === undefined) return this.#refuse(heads.problem, heads.end)
      expected = field.next
      this.#series[count] = field.series
      at = this.#value(bytes, heads.end, limit, count)
      if (at < 0) return this.#refuse(`${this.#problem} for ${field.series.property}`, this.#problemAt)
      if (++count > this.#limits.readings) throw tooManyReadings(this.#limits.readings)
      if (at >= limit || bytes[at] !== comma) break
      at++
    }
    this.#count = count
    return this.#time(bytes, at, limit, context)
  }

  #commit(batch: ReadingBatch, receivedUs: number): void {
    const micros = this.#micros
    const quality = clockQuality(micros, receivedUs)
    const count = this.#count
    if (batch.length + count > this.#limits.readings) throw tooManyReadings(this.#limits.readings)
    for (let index = 0; index < count; index++) {
      const series = this.#series[index]!
      const kind = this.#kinds[index]!
      if (kind === "number") batch.addNumber(series, micros, this.#values[index]!, quality)
      else if (kind === "text") batch.addText(series, micros, this.#payloads[index]!, quality)
      else if (kind === "json") batch.addJson(series, micros, this.#payloads[index]!, quality)
      else batch.addBigInteger(series, micros, this.#payloads[index]!, quality)
    }
  }

  /** Reads the timestamp, if there is one, and makes sure that the line ends. */
  #time(bytes: Buffer, start: number, limit: number, { precision, receivedUs }: LinesContext): number {
    let at = skipSpaces(bytes, start, limit)
    this.#micros = receivedUs
    if (at > start && at < limit && (isDigit(bytes[at]!) || bytes[at] === minus)) {
      const end = this.#timestamp.read(bytes, at, limit, precision)
      if (end < 0) return this.#refuse("has a minus sign without a timestamp", at)
      this.#micros = this.#timestamp.micros
      if (!isCarriedTime(this.#micros))
        return this.#refuse(`has a timestamp beyond the years 1684 to 2255 when it is read as ${precision}`, at)
      at = skipSpaces(bytes, end, limit)
    }
    if (at < limit && bytes[at] === carriageReturn) at++
    if (at >= limit || bytes[at] === newline) return at
    return this.#refuse("goes on where a comma, a timestamp or its end is expected", at)
  }

  /** Reads a value into its place of the line; the place behind it, or -1 with a problem. */
  #value(bytes: Buffer, at: number, limit: number, index: number): number {
    const byte = at < limit ? bytes[at]! : newline
    if (isDigit(byte) || byte === minus || byte === 0x2e /* . */) return this.#number(bytes, at, limit, index)
    if (byte === quote) return this.#text(bytes, at, limit, index)
    let end = at
    while (end < limit && end - at < 6 && bytes[end]! > space && bytes[end] !== comma) end++
    const json = booleans.get(bytes.toString("latin1", at, end))
    if (json === undefined)
      return this.#refuse(end === at ? "has no value" : "has neither a number, a boolean nor a quoted text", at)
    this.#kinds[index] = "json"
    this.#payloads[index] = json
    return end
  }

  #number(bytes: Buffer, at: number, limit: number, index: number): number {
    const decimal = this.#decimal
    const end = decimal.read(bytes, at, limit)
    if (end < 0) return this.#refuse("has a malformed number", at)
    const suffix = end < limit ? bytes[end]! : newline
    if (suffix === 0x69 /* i */ || suffix === 0x75 /* u */) return this.#integer(bytes, at, end, index)
    if (!Number.isFinite(decimal.value)) return this.#refuse("has a number too large for a double", at)
    this.#kinds[index] = "number"
    this.#values[index] = decimal.value
    return end
  }

  /** An integer of 64 bits, signed with the suffix `i`, unsigned with `u`. */
  #integer(bytes: Buffer, at: number, suffix: number, index: number): number {
    const isUnsigned = bytes[suffix] === 0x75
    if (!this.#decimal.isInteger) return this.#refuse("has an integer with a fraction or exponent", at)
    if (isUnsigned && bytes[at] === minus) return this.#refuse("has a negative unsigned integer", at)
    this.#kinds[index] = "number"
    if (this.#decimal.isExact) {
      // An integer has no negative zero.
      this.#values[index] = this.#decimal.value + 0
      return suffix + 1
    }
    const digits = bytes.toString("latin1", at, suffix).replace(/^(-?)0+(?=[0-9])/, "$1")
    const exact = digits.length > 20 ? maxUint64 + 1n : BigInt(digits)
    if (isUnsigned ? exact > maxUint64 : exact < minInt64 || exact > maxInt64)
      return this.#refuse("has an integer beyond 64 bits", at)
    this.#values[index] = Number(exact)
    if (!Number.isSafeInteger(this.#values[index])) {
      this.#kinds[index] = "integer"
      this.#payloads[index] = String(exact)
    }
    return suffix + 1
  }

  #text(bytes: Buffer, opening: number, limit: number, index: number): number {
    let at = opening + 1
    let isAscii = true
    let isEscaped = false
    for (; ; at++) {
      if (at >= limit) return this.#refuse("has a text whose quotes never close, which takes all that follows", limit)
      const byte = bytes[at]!
      if (byte === quote) break
      if (byte >= 0x80) isAscii = false
      else if (byte === backslash && (bytes[at + 1] === quote || bytes[at + 1] === backslash)) {
        isEscaped = true
        at++
      }
    }
    if (!isAscii && !isUtf8(bytes.subarray(opening + 1, at)))
      return this.#refuse("has a text that is not UTF-8", at + 1)
    let text = isAscii ? bytes.toString("latin1", opening + 1, at) : bytes.toString("utf8", opening + 1, at)
    if (isEscaped) text = text.replace(/\\(["\\])/g, "$1")
    const { textLength } = this.#limits
    if (text.length > textLength)
      return this.#refuse(`has a text of ${text.length} characters, the limit is ${textLength},`, at + 1)
    this.#kinds[index] = "text"
    this.#payloads[index] = text
    return at + 1
  }

  #refuse(problem: string, at: number): -1 {
    this.#problem = problem
    this.#problemAt = at
    return -1
  }
}

const hint = "A line is measurement,tag=value field=value timestamp; see docs/guide/ingest.md."

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39

/** A byte order mark, which some editors write. */
function beginsWithMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function skipSpaces(bytes: Buffer, start: number, limit: number): number {
  let at = start
  while (at < limit && (bytes[at] === space || bytes[at] === 0x09)) at++
  return at
}

function endOfLine(bytes: Buffer, start: number, limit: number): number {
  const end = bytes.indexOf(newline, start)
  return end === -1 ? limit : end
}

/** The newline behind a refused line, from a place outside quotes: those of a quoted text do not end it. */
function endOfRefused(bytes: Buffer, start: number, limit: number): number {
  let isQuoted = false
  for (let at = start; at < limit; at++) {
    const byte = bytes[at]!
    if (isQuoted) {
      if (byte === backslash) at++
      else if (byte === quote) isQuoted = false
    } else if (byte === newline) return at
    else if (byte === quote && bytes[at - 1] === 0x3d /* = */) isQuoted = true
  }
  return limit
}

/** Line numbers, counted only as far as mistakes ask for them. */
class LineCounter {
  readonly #bytes: Buffer
  #countedTo = 0
  #line = 1

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  numberAt(place: number): number {
    for (;;) {
      const end = this.#bytes.indexOf(newline, this.#countedTo)
      if (end === -1 || end >= place) return this.#line
      this.#countedTo = end + 1
      this.#line++
    }
  }
}
