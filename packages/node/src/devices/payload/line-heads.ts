/**
 * From the bytes of a line's names to its Series, without making strings: a cache of heads (`measurement,tags`) as a
 * hash table that compares bytes, and behind each head its fields as a list in the order in which lines bring them.
 *
 * A cache only: whatever it forgets is parsed again. Searching is bounded (a few slots, then the list of one head), so
 * that names chosen to collide cost no more than names never seen. Full, it starts anew.
 */
import type { Series, SeriesCache } from "@brume/core"
import { type LineHead, parseField, parseHead } from "./line-names.ts"

/** How much is remembered before the cache starts anew. */
export interface LineMemory {
  /** Different `measurement,tags`. */
  readonly heads: number
  readonly fields: number
  /** Fields of one head; those beyond are parsed each time. */
  readonly fieldsOfHead: number
  readonly nameBytes: number
}

/** About 30 MB besides the series when all is full. */
export const defaultLineMemory: LineMemory = {
  heads: 65_536,
  fields: 131_072,
  fieldsOfHead: 256,
  nameBytes: 8 * 1024 * 1024,
}

/** Slots looked at for a head before the slow path. */
const maxProbes = 12
const firstSlotCount = 1_024

const space = 0x20
const newline = 0x0a
const backslash = 0x5c
const equals = 0x3d
const comma = 0x2c

/** A remembered head. Its bytes lie in the cache; `length` -1 was not remembered and matches nothing. */
export class Head {
  hash: number
  offset = 0
  length = -1
  readonly names: LineHead
  first: Field | undefined = undefined
  last: Field | undefined = undefined
  fieldCount = 0
  /** The head that came next last time: devices tend to keep their order. */
  following: Head | undefined = undefined

  constructor(names: LineHead, hash: number) {
    this.names = names
    this.hash = hash
  }
}

/** A remembered field of a head. */
export class Field {
  offset = 0
  length = -1
  readonly series: Series
  /** The field that followed when it was first seen. */
  next: Field | undefined = undefined

  constructor(series: Series) {
    this.series = series
  }
}

export interface LineHeadsOptions {
  readonly series: SeriesCache
  /** Tags that name the device; the first that a line has wins. */
  readonly deviceTags: readonly string[]
  readonly memory?: LineMemory
}

export class LineHeads {
  /** Place behind what was found last: at the space behind a head, or behind the equals sign of a field. */
  end = 0
  /** Why nothing was found; continues "line 7 …". */
  problem = ""
  readonly #options: LineHeadsOptions
  readonly #memory: LineMemory
  #slots: (Head | undefined)[] = []
  #headCount = 0
  #fieldCount = 0
  #names = Buffer.alloc(0)
  #namesUsed = 0
  #previous: Head | undefined

  constructor(options: LineHeadsOptions) {
    this.#options = options
    this.#memory = options.memory ?? defaultLineMemory
    this.#startAnew()
  }

  /** The head that begins at a place; undefined with a `problem`, and `end` where it was noticed. */
  head(bytes: Buffer, start: number, limit: number): Head | undefined {
    const guess = this.#previous?.following
    if (guess !== undefined) {
      const end = start + guess.length
      if (end < limit && bytes[end] === space && this.#isSame(guess.offset, guess.length, bytes, start)) {
        this.end = end
        this.#previous = guess
        return guess
      }
    }
    const head = this.#find(bytes, start, limit)
    if (head === undefined || head.length < 0) return head
    if (this.#previous !== undefined) this.#previous.following = head
    this.#previous = head
    return head
  }

  #find(bytes: Buffer, start: number, limit: number): Head | undefined {
    let hash = 0x811c9dc5 | 0
    let at = start
    for (; at < limit; at++) {
      const byte = bytes[at]!
      if (byte === space) break
      // FNV-1a.
      hash = Math.imul(hash ^ byte, 0x01000193)
      if (byte === backslash && at + 1 < limit && bytes[at + 1] === space) at++
      else if (byte === newline) return this.#fail("has no fields", at)
    }
    this.end = at
    if (at === limit) return this.#fail("has no fields", at)
    const length = at - start
    const mask = this.#slots.length - 1
    let slot = (hash ^ (hash >>> 15)) & mask
    for (let probe = 0; probe < maxProbes; probe++) {
      const head = this.#slots[slot]
      if (head === undefined) break
      if (head.hash === hash && head.length === length && this.#isSame(head.offset, length, bytes, start)) return head
      slot = (slot + 1) & mask
    }
    return this.#learnHead(bytes, start, hash)
  }

  /**
   * The field of a head that begins at a place; undefined with a `problem`.
   * @param expected what followed the line's previous field last time.
   */
  field(head: Head, expected: Field | undefined, bytes: Buffer, start: number, limit: number): Field | undefined {
    if (expected !== undefined && this.#isField(expected, bytes, start, limit)) return expected
    for (let field = head.first; field !== undefined; field = field.next)
      if (this.#isField(field, bytes, start, limit)) return field
    return this.#learnField(head, bytes, start, limit)
  }

  #isField(field: Field, bytes: Buffer, start: number, limit: number): boolean {
    const end = start + field.length
    if (end >= limit || bytes[end] !== equals || !this.#isSame(field.offset, field.length, bytes, start)) return false
    this.end = end + 1
    return true
  }

  #isSame(offset: number, length: number, bytes: Buffer, start: number): boolean {
    const names = this.#names
    for (let index = 0; index < length; index++) if (names[offset + index] !== bytes[start + index]) return false
    return length >= 0
  }

  #learnHead(bytes: Buffer, start: number, hash: number): Head | undefined {
    const names = parseHead({ bytes, start, end: this.end }, this.#options.deviceTags)
    if (typeof names === "string") return this.#fail(names, this.end)
    // Only here, between lines: heads and fields in use point into the bytes that starting anew forgets.
    const { heads, fields, nameBytes } = this.#memory
    if (this.#headCount >= heads || this.#fieldCount >= fields || this.#namesUsed > nameBytes / 2) this.#startAnew()
    const head = new Head(names, hash)
    head.offset = this.#remember(bytes, start, this.end)
    if (head.offset < 0) return head
    head.length = this.end - start
    this.#headCount++
    if (this.#headCount * 2 > this.#slots.length) this.#widen()
    this.#place(head)
    return head
  }

  #learnField(head: Head, bytes: Buffer, start: number, limit: number): Field | undefined {
    let at = start
    for (; ; at++) {
      const byte = at < limit ? bytes[at]! : newline
      if (byte === equals) break
      if (byte === newline || byte === space || byte === comma) return this.#fail("has a field without a value", at)
      if (byte !== backslash || at + 1 >= limit) continue
      const next = bytes[at + 1]
      if (next === equals || next === space || next === comma) at++
    }
    const { property, problem } = parseField({ bytes, start, end: at }, head.names)
    if (problem !== undefined) return this.#fail(problem, at)
    this.end = at + 1
    const { device, tags } = head.names
    const field = new Field(this.#options.series.get(device, property, tags))
    const { fields, fieldsOfHead } = this.#memory
    if (head.length < 0 || head.fieldCount >= fieldsOfHead || this.#fieldCount >= fields) return field
    field.offset = this.#remember(bytes, start, at)
    if (field.offset < 0) return field
    field.length = at - start
    if (head.last === undefined) head.first = field
    else head.last.next = field
    head.last = field
    head.fieldCount++
    this.#fieldCount++
    return field
  }

  /** Keeps bytes of a name; their offset, or -1 when there is no room. */
  #remember(bytes: Buffer, start: number, end: number): number {
    const offset = this.#namesUsed
    const used = offset + end - start
    const { nameBytes } = this.#memory
    if (used > nameBytes) return -1
    if (used > this.#names.length) {
      const wider = Buffer.alloc(Math.min(nameBytes, Math.max(used, this.#names.length * 2)))
      this.#names.copy(wider, 0, 0, offset)
      this.#names = wider
    }
    bytes.copy(this.#names, offset, start, end)
    this.#namesUsed = used
    return offset
  }

  #place(head: Head): void {
    const mask = this.#slots.length - 1
    const home = (head.hash ^ (head.hash >>> 15)) & mask
    for (let probe = 0; probe < maxProbes; probe++) {
      const slot = (home + probe) & mask
      if (this.#slots[slot] !== undefined) continue
      this.#slots[slot] = head
      return
    }
    // Crowded: the newest takes the place, the one before is parsed again when it comes.
    this.#slots[home] = head
  }

  #widen(): void {
    const heads = this.#slots
    this.#slots = new Array<Head | undefined>(heads.length * 2).fill(undefined)
    for (const head of heads) if (head !== undefined) this.#place(head)
  }

  #startAnew(): void {
    this.#slots = new Array<Head | undefined>(firstSlotCount).fill(undefined)
    // Nothing may lead to old heads: their bytes are overwritten.
    this.#previous = undefined
    this.#headCount = 0
    this.#fieldCount = 0
    this.#namesUsed = 0
  }

  #fail(problem: string, at: number): undefined {
    this.problem = problem
    this.end = at
    return undefined
  }
}
