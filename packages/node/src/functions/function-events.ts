/** What reaches one function by itself: its triggers, the events that wait, and its dead letters. */
import type {
  Clock,
  FunctionSpec,
  FunctionTrigger,
  KeyedRecord,
  Logger,
  Planned,
  Reading,
  ReadingTrigger,
  ScheduleTrigger,
  TopicTrigger,
} from "@brume/core"
import { type BuryReason, Deliveries } from "./deliveries/deliveries.ts"
import { type Delivery, sizeOf } from "./deliveries/delivery.ts"
import { type DeliveryRecords, deliveryRecord, keyOf, type RecordedDelivery } from "./deliveries/delivery-records.ts"
import type { DeployedFunction } from "./deployed-function.ts"
import type { FunctionPorts } from "./services/ports.ts"
import type { Timetables } from "./timetables.ts"
import { messageEvent, readingEvent, scheduleEvent, type TopicMessage } from "./triggers/events.ts"
import type { ReadingTriggers } from "./triggers/readings.ts"
import { follow } from "./triggers/schedules.ts"
import type { TakenMessage, TopicTriggers } from "./triggers/topics.ts"

export interface FunctionEventsOptions {
  readonly owner: DeployedFunction
  readonly clock: Clock
  readonly logger: Logger
  readonly timetables: Timetables
  readonly records: DeliveryRecords
  readonly topics: TopicTriggers
  readonly readings: ReadingTriggers
  ports(): FunctionPorts | undefined
  /** Calls the function with what one or several deliveries bring. */
  call(deliveries: readonly Delivery[], event: unknown): Promise<void>
  onDeadLetters(count: number): void
  onDropped(count: number): void
}

/** What is added to an event's own size for what is kept beside it. Bytes. */
const overheadBytes = 300
const quietMs = 10_000

export class FunctionEvents {
  readonly #options: FunctionEventsOptions
  readonly #deliveries: Deliveries
  #spec: FunctionSpec
  #schedules: (() => void)[] = []
  #deadLetters = 0
  #dropped = 0
  /** When somebody was last told that events find no room. */
  #told = Number.NEGATIVE_INFINITY

  constructor(options: FunctionEventsOptions) {
    this.#options = options
    const { owner, clock, records } = options
    this.#spec = owner.version.spec
    this.#deliveries = new Deliveries({
      clock,
      concurrency: () => this.#spec.limits.concurrency * this.#spec.limits.instances,
      retries: () => this.#spec.retries,
      call: (deliveries, isBatch) =>
        options.call(deliveries, isBatch ? deliveries.flatMap(eventsOf) : deliveries[0]!.event),
      end: (deliveries) => records.end(deliveries),
      bury: (deliveries, reason) => void this.#bury(deliveries, reason),
    })
  }

  get counts() {
    return { waiting: this.#deliveries.waiting, deadLetters: this.#deadLetters, dropped: this.#dropped }
  }

  /** What a former life of the node left: it was promised, so it finds room. */
  recover(left: readonly RecordedDelivery[]): void {
    for (const { record, recorded } of left) {
      const trigger = this.#triggerOf(recorded.trigger)
      const delivery = deliveryOf(record, recorded, { trigger, weight: weightOf(recorded.event), isKept: true })
      this.#deliveries.reserve(delivery, true)
      this.#deliveries.offer(delivery)
    }
  }

  begin(): void {
    this.#deliveries.begin()
  }

  /** There is another version. */
  renew(): void {
    this.#deliveries.renew()
  }

  resume(): void {
    this.#deliveries.resume()
  }

  /** From here on the triggers of this spec hold. */
  follow(spec: FunctionSpec): void {
    const { owner, topics, readings, timetables, clock } = this.#options
    this.#spec = spec
    const { triggers } = spec
    const name = owner.name
    const ofTopics = triggers.filter((trigger): trigger is TopicTrigger => "topic" in trigger)
    topics.set(name, ofTopics, (message, trigger) => this.#takeMessage(message, trigger))
    const ofReadings = triggers.filter((trigger): trigger is ReadingTrigger => "device" in trigger)
    readings.set(name, ofReadings, (batch, trigger) => this.#takeReadings(batch, trigger))
    this.#endSchedules()
    for (const { schedule, timeZone } of triggers.filter((one): one is ScheduleTrigger => "schedule" in one)) {
      const timetable = timetables.parse(schedule, timeZone)
      if (typeof timetable === "string") continue
      this.#schedules.push(follow(timetable, clock, (time) => this.#takeTime(time, schedule)))
    }
  }

  close(): void {
    const { owner, topics, readings } = this.#options
    topics.set(owner.name, [], () => undefined)
    readings.set(owner.name, [], () => undefined)
    this.#endSchedules()
    this.#deliveries.close()
  }

  #endSchedules(): void {
    for (const end of this.#schedules) end()
    this.#schedules = []
  }

  /** D1, D2 in triggers/topics.ts. */
  #takeMessage(message: TopicMessage, trigger: TopicTrigger): TakenMessage | undefined {
    if (this.#isFull(1)) return undefined
    const event = messageEvent(message, this.#options.clock.now())
    const planned = this.#plan([{ event, trigger: nameOf(trigger) }], trigger, message.qos > 0)
    if (planned === undefined) return undefined
    const { records, durable, refused } = planned
    return { records, end: (error) => (error === undefined ? durable() : refused()) }
  }

  #takeReadings(readings: readonly Reading[], trigger: ReadingTrigger): Planned | undefined {
    if (this.#isFull(readings.length)) return undefined
    const name = nameOf(trigger)
    const events = readings.map(readingEvent)
    const size = trigger.batch?.size
    if (size === undefined) {
      const each = events.map((event) => ({ event, trigger: name }))
      return this.#plan(each, trigger, true)
    }
    const lists = Array.from({ length: Math.ceil(events.length / size) }, (_, part) => ({
      ...{ event: events.slice(part * size, (part + 1) * size), isList: true, trigger: name },
    }))
    return this.#plan(lists, trigger, true)
  }

  /** Deliveries for the commit of their cause; undefined where none finds room. */
  #plan(
    given: readonly RecordedDelivery["recorded"][],
    trigger: TopicTrigger | ReadingTrigger,
    isKept: boolean,
  ): Planned | undefined {
    const { records, owner } = this.#options
    const made: { readonly record: KeyedRecord | undefined; readonly delivery: Delivery }[] = []
    for (const recorded of given) {
      const key = records.newKey(owner.name)
      const record = isKept ? deliveryRecord(key, recorded) : undefined
      const weight = record === undefined ? weightOf(recorded.event) : record.value.length * 2 + overheadBytes
      const delivery = deliveryOf(key, recorded, { trigger, weight, isKept })
      if (this.#deliveries.reserve(delivery)) made.push({ record, delivery })
      else this.#drop(sizeOf(delivery))
    }
    if (made.length === 0) return undefined
    return {
      records: made.flatMap(({ record }) => (record === undefined ? [] : [record])),
      durable: () => {
        for (const { delivery } of made) this.#deliveries.offer(delivery)
      },
      refused: () => {
        for (const { delivery } of made) this.#deliveries.release(delivery)
      },
    }
  }

  #takeTime(time: number, schedule: string): void {
    const event = scheduleEvent(time)
    const key = `${this.#options.owner.name}/${schedule}/${time}`
    const delivery: Delivery = { event, key, trigger: "schedule", weight: weightOf(event) }
    if (this.#deliveries.reserve(delivery)) this.#deliveries.offer(delivery)
    else this.#drop(1)
  }

  #triggerOf(name: string): TopicTrigger | ReadingTrigger | undefined {
    return this.#spec.triggers.filter(isEventTrigger).find((trigger) => nameOf(trigger) === name)
  }

  /** Says no before anything is made for events that find no room. */
  #isFull(count: number): boolean {
    if (!this.#deliveries.isFull) return false
    this.#drop(count)
    return true
  }

  #drop(count: number): void {
    this.#dropped += count
    this.#options.onDropped(count)
    const { clock, logger, owner } = this.#options
    const now = clock.monotonic()
    if (now < this.#told + quietMs) return
    this.#told = now
    const message = "Events find no room: as many wait as the limit allows"
    logger.warn(message, { function: owner.name, waiting: this.#deliveries.waiting, dropped: this.#dropped })
    owner.log.add({ level: "warn", message: `${message}; ${this.#dropped} lost`, version: owner.version.version })
  }

  /** Its dead letter and the end of its delivery are one commit. */
  async #bury(deliveries: readonly Delivery[], { attempts, error }: BuryReason): Promise<void> {
    const { owner, records, clock, logger } = this.#options
    const { name } = owner
    const count = deliveries.reduce((sum, delivery) => sum + sizeOf(delivery), 0)
    this.#deadLetters += count
    this.#options.onDeadLetters(count)
    const [first] = deliveries
    const isOne = deliveries.length === 1 && first!.isList !== true
    const letter = {
      function: name,
      version: owner.version.version,
      key: first!.key,
      ...(isOne ? { event: first!.event } : { events: deliveries.flatMap(eventsOf) }),
      attempts,
      error: { code: error.code, message: error.message },
      time: new Date(clock.now() / 1_000).toISOString(),
    }
    owner.log.add({
      ...{ level: "error", version: owner.version.version, fields: { key: first!.key, events: count } },
      message: `Given up after ${attempts} attempts; the event is a dead letter: ${error.message}`,
    })
    const message = {
      topic: deadLetterTopic(name),
      payload: Buffer.from(JSON.stringify(letter)),
      qos: 1,
      retain: false,
    }
    try {
      await this.#options.ports()?.publish({ ...message, qos: 1 }, records.removal(deliveries))
    } catch (failure) {
      logger.warn("A dead letter cannot be published", { function: name, error: failure })
    }
  }
}

function deadLetterTopic(name: string): string {
  return `brume/dead-letter/${name}`
}

interface Terms {
  readonly trigger: TopicTrigger | ReadingTrigger | undefined
  readonly weight: number
  /** It has a record. */
  readonly isKept: boolean
}

function deliveryOf(
  record: string,
  { event, isList }: RecordedDelivery["recorded"],
  { trigger, weight, isKept }: Terms,
): Delivery {
  const batch = trigger?.batch
  return {
    ...{ key: keyOf(record), event, isList, trigger: "topic", weight },
    ...(isKept ? { record } : {}),
    ...(trigger === undefined || batch === undefined ? {} : { group: { name: nameOf(trigger), batch } }),
  }
}

function eventsOf({ event, isList }: Delivery): readonly unknown[] {
  return isList === true ? (event as readonly unknown[]) : [event]
}

function isEventTrigger(trigger: FunctionTrigger): trigger is TopicTrigger | ReadingTrigger {
  return "topic" in trigger || "device" in trigger
}

/** Names a trigger in records of deliveries. */
function nameOf(trigger: TopicTrigger | ReadingTrigger): string {
  return "topic" in trigger ? `topic ${trigger.topic}` : `reading ${trigger.device} ${trigger.property}`
}

function weightOf(event: unknown): number {
  return (JSON.stringify(event)?.length ?? 0) * 2 + overheadBytes
}
