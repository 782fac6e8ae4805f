/**
 * One publishing connection of a load generator. Packets leave as slices of a ring; acknowledgements are counted, in the
 * order that the protocol promises, and timed against the moment at which each packet was due.
 */
import type { Ring } from "./mqtt-packets.ts"
import type { RawConnection } from "./raw-connection.ts"

/** Milliseconds in buckets that are 1.1 % apart: no array of millions to sort. */
export class Latencies {
  readonly #buckets = new Uint32Array(2048)
  #count = 0

  add(ms: number): void {
    const bucket = Math.log2(Math.max(ms, 0.001) * 1000) * 64
    this.#buckets[Math.min(bucket | 0, 2047)]!++
    this.#count++
  }

  /** The value in ms below which `share` (0 to 1) lie. */
  quantile(share: number): number {
    let before = 0
    for (const [bucket, count] of this.#buckets.entries()) {
      before += count
      if (count > 0 && before >= share * this.#count) return 2 ** ((bucket + 0.5) / 64) / 1000
    }
    return Number.NaN
  }
}

export interface Publisher {
  readonly sent: number
  readonly acknowledged: number
  /** How many packets may be sent before the ring would overtake an acknowledgement. */
  readonly free: number
  /** Sends the next `count` packets; the n-th of them was due at `dueMs(n)`. */
  send(count: number, dueMs: (turn: number) => number): void
}

export interface PublisherOptions {
  readonly connection: RawConnection
  readonly protocol: "mqtt" | "redis"
  readonly ring: Ring
  /** Told how many were acknowledged at once, and when; each one's due time went to `onLatency` before. */
  readonly onAcknowledged: (count: number, nowMs: number, publisher: Publisher) => void
  readonly onLatency: (dueMs: number, nowMs: number) => void
  readonly onFailure: (cause: Error) => void
}

export function createPublisher(options: PublisherOptions): Publisher {
  const { connection, ring, onLatency } = options
  const { bytes, starts } = ring
  const slots = starts.length - 1
  const due = new Float64Array(slots)
  let sent = 0
  let acknowledged = 0
  const publisher: Publisher = {
    get sent() {
      return sent
    },
    get acknowledged() {
      return acknowledged
    },
    get free() {
      return slots - (sent - acknowledged)
    },
    send: (count, dueMs) => {
      const first = sent % slots
      for (let turn = 0; turn < count; turn++) {
        const slot = (first + turn) % slots
        due[slot] = dueMs(turn)
        if (sent + turn >= slots) ring.age(slot)
      }
      sent += count
      const end = first + count
      connection.socket.write(bytes.subarray(starts[first], starts[Math.min(end, slots)]))
      if (end > slots) connection.socket.write(bytes.subarray(0, starts[end - slots]))
    },
  }
  const count = options.protocol === "mqtt" ? pubackCounter(slots, () => acknowledged) : replyCounter()
  connection.onLost = options.onFailure
  connection.onBytes = (received, length) => {
    const answers = count(received, length)
    if (answers < 0)
      return options.onFailure(new Error(`unexpected answer: ${received.toString("latin1", 0, Math.min(length, 80))}`))
    if (answers === 0) return
    const nowMs = performance.now()
    for (let turn = 0; turn < answers; turn++) onLatency(due[(acknowledged + turn) % slots]!, nowMs)
    acknowledged += answers
    options.onAcknowledged(answers, nowMs, publisher)
  }
  return publisher
}

/** Returns how many answers a piece completes, or -1 when it is not what must come next. */
type AnswerCounter = (bytes: Buffer, length: number) => number

/** PUBACKs are four bytes each and come in the order of the PUBLISH packets [MQTT-4.6.0-2]. */
function pubackCounter(slots: number, acknowledged: () => number): AnswerCounter {
  let torn = 0
  return (bytes, length) => {
    const begun = torn
    const answers = (begun + length) >> 2
    torn = (begun + length) & 3
    let expected = acknowledged() + (begun > 0 ? 1 : 0)
    for (let at = (4 - begun) & 3; at + 4 <= length; at += 4, expected++) {
      const id = (bytes[at + 2]! << 8) | bytes[at + 3]!
      if (bytes[at] !== 0x40 || id !== (expected % slots) + 1) return -1
    }
    return answers
  }
}

/** XADD answers with an entry's id as a bulk string, which is two lines. */
function replyCounter(): AnswerCounter {
  let lines = 0
  return (bytes, length) => {
    const before = lines >> 1
    for (let at = 0; at < length; at++) {
      if (bytes[at] !== 10) continue
      lines++
      if (at + 1 < length && bytes[at + 1] === 45) return -1
    }
    return (lines >> 1) - before
  }
}
