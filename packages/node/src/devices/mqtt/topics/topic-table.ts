/**
 * Finds what is known of a topic by its bytes, without making a string of a topic that was seen before.
 *
 * B1 At most `limit` topics and `maxBytes` of their names are kept. When one more comes, a hand goes round and takes the
 *    first that nobody asked for since it passed last; a topic seen once goes before one seen often.
 *    Topics that are for one message alone are not kept.
 * B2 The hash is keyed, so that nobody can make the table slow by choosing topics.
 */
import type { Random } from "@brume/core"
import { topicHash } from "./topic-hash.ts"

export interface TopicTableOptions<T> {
  /** Topics. */
  readonly limit: number
  /** Of their names, in UTF-8. @default 64 times the limit */
  readonly maxBytes?: number
  readonly random: Random
  /** Whether a topic is for one message alone. @default none is */
  readonly isBrief?: ((name: string) => boolean) | undefined
  /** Makes what belongs to a topic that is not known (any more). */
  readonly create: (name: string) => T
}

export interface TopicEntry<T> {
  readonly name: string
  /** The name in UTF-8; a copy of the table's own. */
  readonly bytes: Buffer
  readonly value: T
}

interface Slot<T> extends TopicEntry<T> {
  readonly hash: number
  /** Next of the same bucket. */
  next: Slot<T> | undefined
  /** Where the hand finds it. */
  place: number
  isUsed: boolean
}

const firstBuckets = 64

export class TopicTable<T> {
  readonly #limit: number
  readonly #maxBytes: number
  readonly #create: (name: string) => T
  readonly #isBrief: (name: string) => boolean
  readonly #key: Int32Array
  #buckets: (Slot<T> | undefined)[] = new Array(firstBuckets).fill(undefined)
  readonly #slots: Slot<T>[] = []
  #hand = 0
  #bytes = 0

  constructor({ limit, maxBytes = limit * 64, random, create, isBrief = () => false }: TopicTableOptions<T>) {
    this.#limit = limit
    this.#maxBytes = maxBytes
    this.#create = create
    this.#isBrief = isBrief
    const seed = random.bytes(8)
    this.#key = new Int32Array(Uint8Array.from(seed).buffer)
  }

  /** Topics that are known. */
  get size(): number {
    return this.#slots.length
  }

  /** Bytes of their names. */
  get bytes(): number {
    return this.#bytes
  }

  /** The entry of a topic given as valid UTF-8. It stays good for whoever holds it, also when the table forgets it. */
  find(buffer: Buffer, start: number, end: number): TopicEntry<T> {
    const hash = topicHash(buffer, start, end, this.#key)
    for (let slot = this.#buckets[hash & (this.#buckets.length - 1)]; slot !== undefined; slot = slot.next) {
      if (slot.hash === hash && isSame(slot.bytes, buffer, start, end)) {
        slot.isUsed = true
        return slot
      }
    }
    return this.#add(buffer, start, end, hash)
  }

  #add(buffer: Buffer, start: number, end: number, hash: number): Slot<T> {
    const name = buffer.toString("utf8", start, end)
    const value = this.#create(name)
    // Not from the shared pool, a page of which would stay for each topic that lives long.
    const bytes = Buffer.from(new ArrayBuffer(end - start))
    buffer.copy(bytes, 0, start, end)
    const slot: Slot<T> = { name, bytes, value, hash, next: undefined, place: 0, isUsed: false }
    // Larger than all the room there is: not worth forgetting everybody else.
    if (bytes.length > this.#maxBytes || this.#isBrief(name)) return slot
    while (
      this.#slots.length > 0 &&
      (this.#slots.length >= this.#limit || this.#bytes + bytes.length > this.#maxBytes)
    ) {
      this.#forget()
    }
    slot.place = this.#slots.length
    this.#slots.push(slot)
    this.#bytes += bytes.length
    if (this.#slots.length > this.#buckets.length) this.#grow()
    else this.#link(slot)
    return slot
  }

  /** Takes out the first that was not used since the hand passed. (B1) */
  #forget(): void {
    const slots = this.#slots
    for (;;) {
      if (this.#hand >= slots.length) this.#hand = 0
      const slot = slots[this.#hand]!
      if (!slot.isUsed) break
      slot.isUsed = false
      this.#hand++
    }
    const gone = slots[this.#hand]!
    const last = slots.pop()!
    if (last !== gone) {
      slots[gone.place] = last
      last.place = gone.place
    }
    this.#hand++
    this.#unlink(gone)
    this.#bytes -= gone.bytes.length
  }

  #link(slot: Slot<T>): void {
    const index = slot.hash & (this.#buckets.length - 1)
    slot.next = this.#buckets[index]
    this.#buckets[index] = slot
  }

  #unlink(gone: Slot<T>): void {
    const index = gone.hash & (this.#buckets.length - 1)
    let before: Slot<T> | undefined
    let slot = this.#buckets[index]
    while (slot !== undefined && slot !== gone) {
      before = slot
      slot = slot.next
    }
    if (before === undefined) this.#buckets[index] = gone.next
    else before.next = gone.next
    // Whoever still holds the entry shall not hold its neighbours.
    gone.next = undefined
  }

  #grow(): void {
    this.#buckets = new Array(this.#buckets.length * 2).fill(undefined)
    for (const slot of this.#slots) this.#link(slot)
  }
}

function isSame(known: Buffer, buffer: Buffer, start: number, end: number): boolean {
  const length = end - start
  if (known.length !== length) return false
  for (let at = 0; at < length; at++) if (known[at] !== buffer[start + at]) return false
  return true
}
