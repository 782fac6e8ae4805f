/** What happened to alarms, the oldest first: numbers here, the events themselves in the log's index. */
import type { AlarmEvent, KeyedRecord, Logger, Store } from "@brume/core"
import { decodeEvent, eventKey, isEventKey, noEventRecord } from "./alarm-record.ts"

export interface HistoryOptions {
  readonly store: Pick<Store, "get" | "entries">
  readonly logger: Logger
  readonly maxEvents: number
}

/** Old events that leave with a new one. */
const removedAtOnce = 4

export class History {
  readonly #options: HistoryOptions
  /** The alarm of each event that is durable. */
  readonly #alarms = new Map<number, string>()
  #next = 1
  /** No event has a lower number. */
  #first = 1

  constructor(options: HistoryOptions) {
    this.#options = options
    const found: [number: number, id: string][] = []
    for (const [key, value] of options.store.entries("state")) {
      if (!isEventKey(key)) continue
      const event = decodeEvent(value)
      if (event === undefined) options.logger.error("An event of an alarm is unreadable and is left out", { key })
      else found.push([event.number, event.alarm.id])
    }
    found.sort((a, b) => a[0] - b[0])
    for (const [number, id] of found) this.#alarms.set(number, id)
    this.#next = (found.at(-1)?.[0] ?? 0) + 1
    this.#first = found[0]?.[0] ?? this.#next
  }

  /** A number that no event had. */
  take(): number {
    return this.#next++
  }

  /** What leaves for a new event. */
  takeOld(): readonly number[] {
    const taken: number[] = []
    for (let number = this.#first; number < this.#next && taken.length < removedAtOnce; number++) {
      if (this.#alarms.size - taken.length < this.#options.maxEvents) break
      if (this.#alarms.has(number)) taken.push(number)
    }
    return taken
  }

  removals(numbers: readonly number[]): readonly KeyedRecord[] {
    return numbers.map(noEventRecord)
  }

  /** It is durable, and what left for it is gone. */
  add({ number, alarm }: AlarmEvent, removed: readonly number[]): void {
    for (const old of removed) this.#alarms.delete(old)
    this.#alarms.set(number, alarm.id)
    this.#first = Math.min(this.#first, number)
    while (!this.#alarms.has(this.#first)) this.#first++
  }

  list({
    id,
    before = Number.POSITIVE_INFINITY,
    limit,
  }: {
    id?: string
    before?: number
    limit: number
  }): AlarmEvent[] {
    const events: AlarmEvent[] = []
    for (const [number, alarm] of [...this.#alarms].reverse()) {
      if (events.length >= limit) break
      if (number >= before || (id !== undefined && alarm !== id)) continue
      const value = this.#options.store.get("state", eventKey(number))
      const event = value === undefined ? undefined : decodeEvent(value)
      if (event !== undefined) events.push(event)
    }
    return events
  }
}
