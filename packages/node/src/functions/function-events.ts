/** What reaches one function by itself: its triggers, the events that wait, and its dead letters. */
import type {
  Clock,
  FogError,
  FunctionSpec,
  FunctionTriggerType,
  Logger,
  Reading,
  ReadingTrigger,
  ScheduleTrigger,
  TopicTrigger,
} from "@brume/core"
import { type BuryReason, Deliveries } from "./deliveries/deliveries.ts"
import type { Delivery } from "./deliveries/delivery.ts"
import { type DeliveryRecords, keyOf, type RecordedDelivery } from "./deliveries/delivery-records.ts"
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
  onDropped(): void
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
        options.call(deliveries, isBatch ? deliveries.map(({ event }) => event) : deliveries[0]!.event),
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
      const weight = weightOf(recorded.event)
      this.#deliveries.reserve(weight, true)
      this.#deliveries.offer({
        ...{ key: keyOf(record), record, event: recorded.event, trigger: "topic", weight },
        ...this.#groupOf(this.#triggerOf(recorded.filter)),
      })
    }
  }

  begin(): void {
    this.#deliveries.begin()
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
    readings.set(name, ofReadings, (reading, trigger) => this.#takeReading(reading, trigger))
    this.#endSchedules()
    for (const { schedule, timeZone } of triggers.filter((one): one is ScheduleTrigger => "schedule" in one)) {
      const timetable = timetables.parse(schedule, timeZone)
      if (typeof timetable === "string") continue
      const take = (time: number): void =>
        this.#offer(scheduleEvent(time), { key: `${name}/${schedule}/${time}`, trigger: "schedule" })
      this.#schedules.push(follow(timetable, clock, take))
    }
  }

  close(): void {
    const { owner, topics, readings } = this.#options
    topics.set(owner.name, [], () => undefined)
    readings.set(owner.name, [], () => {})
    this.#endSchedules()
    this.#deliveries.close()
  }

  #endSchedules(): void {
    for (const end of this.#schedules) end()
    this.#schedules = []
  }

  #takeMessage(message: TopicMessage, trigger: TopicTrigger): TakenMessage | undefined {
    const { clock, records, owner } = this.#options
    const event = messageEvent(message, clock.now())
    const weight = message.payload.length * 2 + overheadBytes
    if (!this.#deliveries.reserve(weight)) {
      this.#drop()
      return undefined
    }
    const record = records.make(owner.name, { event, filter: trigger.topic })
    const isPromised = message.qos > 0
    const delivery: Delivery = {
      ...{ key: keyOf(record.key), event, trigger: "topic", weight },
      ...this.#groupOf(trigger),
      ...(isPromised ? { record: record.key } : {}),
    }
    return {
      records: isPromised ? [record] : [],
      end: (error: FogError | undefined) => {
        if (error === undefined) this.#deliveries.offer(delivery)
        else this.#deliveries.release(weight)
      },
    }
  }

  #takeReading(reading: Reading, trigger: ReadingTrigger): void {
    const { node, epoch, seq } = reading
    const event = readingEvent(reading)
    this.#offer(event, { key: `${node}/${epoch}/${seq}`, trigger: "topic", ...this.#groupOf(trigger) })
  }

  #offer(event: unknown, terms: Pick<Delivery, "key" | "group"> & { readonly trigger: FunctionTriggerType }): void {
    const weight = weightOf(event)
    if (this.#deliveries.reserve(weight)) this.#deliveries.offer({ ...terms, event, weight })
    else this.#drop()
  }

  #groupOf(trigger: TopicTrigger | ReadingTrigger | undefined): Pick<Delivery, "group"> {
    if (trigger?.batch === undefined) return {}
    const name = "topic" in trigger ? `topic ${trigger.topic}` : `reading ${trigger.device} ${trigger.property}`
    return { group: { name, batch: trigger.batch } }
  }

  #triggerOf(filter: string): TopicTrigger | undefined {
    return this.#spec.triggers.find((one): one is TopicTrigger => "topic" in one && one.topic === filter)
  }

  #drop(): void {
    this.#dropped++
    this.#options.onDropped()
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
    this.#deadLetters += deliveries.length
    this.#options.onDeadLetters(deliveries.length)
    const events = deliveries.map(({ key, event }) => ({ key, event }))
    const letter = {
      function: name,
      version: owner.version.version,
      ...(events.length === 1 ? events[0] : { events }),
      attempts,
      error: { code: error.code, message: error.message },
      time: new Date(clock.now() / 1_000).toISOString(),
    }
    owner.log.add({
      ...{ level: "error", version: owner.version.version, fields: { key: events[0]?.key, events: events.length } },
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

function weightOf(event: unknown): number {
  return (JSON.stringify(event)?.length ?? 0) * 2 + overheadBytes
}
