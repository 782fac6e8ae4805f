/**
 * Flat JSON objects of one topic, from bytes to readings without a string or an object for what was seen before:
 * `{"temperature":21.5,"door":"open","time":1772366400}`. It remembers the bytes of keys and what they stand for, in the
 * order in which payloads bring them.
 *
 * It takes only what it certainly understands: known keys without escapes, each once; numbers as JSON writes them; texts
 * without escapes; booleans and null. Everything else it leaves to the exact parser, which also says what is wrong and
 * teaches it keys. It reads beyond `end` at most to find that it must not.
 */
import { isUtf8 } from "node:buffer"
import type { Series } from "@brume/core"
import type { DecimalReader } from "../payload/decimal.ts"
import { TimestampReader } from "../payload/line-timestamp.ts"
import { isCarriedTime } from "../payload/time.ts"
import { isNanoseconds, memberTime, microsOf, type TimeRule } from "./member-time.ts"
import type { Stage } from "./stage.ts"

/** Keys that are remembered for a topic. Payloads with others take the exact parser each time. */
const maxMembers = 64

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const point = 0x2e
const zero = 0x30
const colon = 0x3a
const backslash = 0x5c

/** What a key stands for: a series, the time, or nothing that is wanted. */
export type Role = Series | "time" | "ignored"

class Member {
  readonly key: Buffer
  readonly series: Series | undefined
  readonly isTime: boolean
  /** Number of the payload that had it last. */
  seen = 0
  /** What came behind it when it was first seen. */
  next: Member | undefined = undefined

  constructor(key: Buffer, role: Role) {
    this.key = key
    this.series = typeof role === "string" ? undefined : role
    this.isTime = role === "time"
  }
}

export interface FlatScannerOptions {
  readonly decimal: DecimalReader
  readonly stage: Stage
  readonly time: TimeRule
  /** Longest text of a reading, UTF-16 code units. */
  readonly textLength: number
}

export class FlatScanner {
  readonly #options: FlatScannerOptions
  #first: Member | undefined
  #last: Member | undefined
  readonly #known = new Set<string>()
  #payload = 0
  readonly #timestamp = new TimestampReader()
  /** Time of the payload at hand, NaN while it has none. */
  #timeUs = Number.NaN

  constructor(options: FlatScannerOptions) {
    this.#options = options
  }

  /** Whether there is nothing to learn of a key. */
  knows(key: string): boolean {
    return this.#known.has(key) || this.#known.size >= maxMembers
  }

  /** Remembers a key of an object that the exact parser has read. */
  learn(key: string, role: Role): void {
    if (this.knows(key)) return
    this.#known.add(key)
    // What JSON must escape never stands in a payload as it is here.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON must escape.
    if (/["\\\u0000-\u001f]/.test(key)) return
    const member = new Member(Buffer.from(key), role)
    if (this.#last === undefined) this.#first = member
    else this.#last.next = member
    this.#last = member
  }

  /** Stages the readings of an object. False when the exact parser has to look; the stage is to be cleared then. */
  scan(bytes: Buffer, start: number, end: number, receivedUs: number): boolean {
    if (this.#first === undefined) return false
    let at = skipSpace(bytes, start, end)
    if (bytes[at] !== 0x7b /* { */) return false
    at = skipSpace(bytes, at + 1, end)
    const payload = ++this.#payload
    this.#timeUs = Number.NaN
    let expected: Member | undefined = this.#first
    for (;;) {
      if (bytes[at] !== quote) return false
      const member = this.#member(expected, bytes, at + 1)
      // Of a key that comes twice the last counts: not decided here.
      if (member === undefined || member.seen === payload) return false
      member.seen = payload
      expected = member.next
      at = skipSpace(bytes, at + member.key.length + 2, end)
      if (bytes[at] !== colon) return false
      at = this.#value(member, bytes, skipSpace(bytes, at + 1, end), end)
      if (at < 0) return false
      at = skipSpace(bytes, at, end)
      if (bytes[at] !== comma) break
      at = skipSpace(bytes, at + 1, end)
    }
    if (bytes[at] !== 0x7d /* } */ || skipSpace(bytes, at + 1, end) !== end) return false
    const { stage } = this.#options
    if (stage.count === 0) return false
    stage.stamp(Number.isNaN(this.#timeUs) ? receivedUs : this.#timeUs)
    return true
  }

  #member(expected: Member | undefined, bytes: Buffer, start: number): Member | undefined {
    if (expected !== undefined && isKey(expected.key, bytes, start)) return expected
    for (let member = this.#first; member !== undefined; member = member.next)
      if (isKey(member.key, bytes, start)) return member
    return undefined
  }

  /** Stages a value; the place behind it, or -1 when it is not plain. */
  #value(member: Member, bytes: Buffer, at: number, end: number): number {
    const byte = bytes[at]!
    if ((byte >= zero && byte <= 0x39) || byte === minus) return this.#number(member, bytes, at, end)
    if (byte === quote) return this.#text(member, bytes, at + 1, end)
    if (byte === 0x74 /* t */ && bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65)
      return this.#boolean(member, "true", at + 4)
    if (
      byte === 0x66 /* f */ &&
      bytes[at + 1] === 0x61 &&
      bytes[at + 2] === 0x6c &&
      bytes[at + 3] === 0x73 &&
      bytes[at + 4] === 0x65
    )
      return this.#boolean(member, "false", at + 5)
    const isNull = byte === 0x6e /* n */ && bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c
    return isNull ? at + 4 : -1
  }

  #boolean(member: Member, json: "true" | "false", end: number): number {
    if (member.isTime) return -1
    if (member.series !== undefined) this.#options.stage.addJson(member.series, json)
    return end
  }

  #number(member: Member, bytes: Buffer, at: number, end: number): number {
    const { decimal, stage } = this.#options
    const behind = decimal.read(bytes, at, end)
    if (behind < 0 || !isJsonNumber(bytes, at, behind, decimal.isInteger)) return -1
    const { value } = decimal
    if (member.series !== undefined) {
      if (decimal.isInteger && !Number.isSafeInteger(value)) {
        if (!Number.isFinite(value)) return -1
        stage.addBigInteger(member.series, bytes.toString("latin1", at, behind))
      } else if (Number.isFinite(value)) stage.addNumber(member.series, value)
      else return -1
      return behind
    }
    if (!Number.isFinite(value)) return -1
    if (!member.isTime) return behind
    const { unit } = this.#options.time
    if (unit === "iso") return -1
    if (!decimal.isInteger || decimal.isExact) return this.#time(microsOf(value, unit), behind)
    if (!isNanoseconds(value, unit)) return -1
    // 19 digits, which a double would round.
    this.#timestamp.read(bytes, at, behind, "ns")
    return this.#time(this.#timestamp.micros, behind)
  }

  #text(member: Member, bytes: Buffer, start: number, end: number): number {
    let at = start
    let isAscii = true
    for (; ; at++) {
      if (at >= end) return -1
      const byte = bytes[at]!
      if (byte === quote) break
      if (byte === backslash || byte < 0x20) return -1
      if (byte >= 0x80) isAscii = false
    }
    // Bytes are at least as many as code units.
    if (at - start > this.#options.textLength) return -1
    if (!isAscii && !isUtf8(bytes.subarray(start, at))) return -1
    if (member.series === undefined && !member.isTime) return at + 1
    const text = bytes.toString(isAscii ? "latin1" : "utf8", start, at)
    if (member.series !== undefined) {
      this.#options.stage.addText(member.series, text)
      return at + 1
    }
    const micros = memberTime(text, this.#options.time)
    return typeof micros === "string" ? -1 : this.#time(micros, at + 1)
  }

  /** Of several members that may be the time, the rule says which is: not decided here. */
  #time(micros: number, behind: number): number {
    if (!Number.isNaN(this.#timeUs) || !isCarriedTime(micros)) return -1
    this.#timeUs = micros
    return behind
  }
}

function isKey(key: Buffer, bytes: Buffer, start: number): boolean {
  const { length } = key
  if (bytes[start + length] !== quote) return false
  for (let index = 0; index < length; index++) if (key[index] !== bytes[start + index]) return false
  return true
}

/** Whether what the decimal reader took is a number in JSON: no leading zeros, digits on both sides of the point. */
export function isJsonNumber(bytes: Buffer, start: number, end: number, isInteger: boolean): boolean {
  const first = bytes[start] === minus ? start + 1 : start
  if (bytes[first] === point) return false
  if (bytes[first] === zero && first + 1 < end && isDigit(bytes[first + 1]!)) return false
  if (isInteger) return true
  for (let at = first; at < end; at++) if (bytes[at] === point) return at + 1 < end && isDigit(bytes[at + 1]!)
  return true
}

const isDigit = (byte: number): boolean => byte >= zero && byte <= 0x39

function skipSpace(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end) {
    const byte = bytes[at]!
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
    at++
  }
  return at
}
