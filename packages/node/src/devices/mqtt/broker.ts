/** What all connections share. */
import type { Clock, FogError, KeyedRecord, Logger, Random } from "@brume/core"
import type { Mapper, TopicMapping } from "../mapping/mapping.ts"
import type { MqttAccess } from "./access.ts"
import { Addresses } from "./addresses.ts"
import { Trails } from "./bridge/trails.ts"
import { Congestion } from "./congestion.ts"
import type { Connection } from "./connection/connection.ts"
import { ChunkPool } from "./connection/outbox.ts"
import { PublishEncoder } from "./connection/publish-encoder.ts"
import { type Fanout, type FanoutOptions, planFanout, planFor } from "./fanout.ts"
import { Intake } from "./intake.ts"
import { isTooLong, type MqttLimits } from "./limits.ts"
import type { Message } from "./message.ts"
import {
  type LocalSubscriber,
  type LocalTaker,
  messageOf,
  type OwnMessage,
  type PlannedMessage,
} from "./own-messages.ts"
import { Retained } from "./retained.ts"
import { hasRoutes, refreshLocal, refreshRoutes, type Target, type Topic } from "./routes.ts"
import { Backlog } from "./session/backlog.ts"
import { Later } from "./session/later.ts"
import { removed, willKey } from "./session/records.ts"
import { isOwnClientId, type Session } from "./session/session.ts"
import { Sessions } from "./session/sessions.ts"
import { Statistics } from "./statistics.ts"
import type { MqttStore } from "./store.ts"
import { TopicTable } from "./topics/topic-table.ts"
import { type Will, Wills } from "./wills.ts"
import { reason } from "./wire/reason.ts"

export interface BrokerOptions {
  readonly store: MqttStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits: MqttLimits
  readonly access: MqttAccess
  readonly mapper: Mapper
  /** Sees messages on the topics that it wants. */
  readonly local?: LocalSubscriber | undefined
  /** 16 hex digits that no other node has: the log's epoch. */
  readonly nodeId: string
  /** Calls when everything that has arrived by now was read. */
  readonly soon: (call: () => void) => void
}

/** Topics that are remembered with what they mean and where they go. */
const maxTopics = 100_000
/** Content types that say more of a payload than its topic does. */
const heededTypes: ReadonlySet<string> = new Set(["application/senml+json", "application/json"])
const noMatches = { subscribers: [], groups: [] }

export class Broker {
  readonly options: BrokerOptions
  readonly statistics = new Statistics()
  readonly pool = new ChunkPool()
  readonly encoder: PublishEncoder
  readonly congestion: Congestion
  readonly intake: Intake
  readonly sessions: Sessions
  readonly retained: Retained
  readonly wills: Wills
  readonly topics: TopicTable<Topic>
  /** By client identifier: those whose CONNECT was accepted. */
  readonly clients = new Map<string, Connection>()
  readonly connections = new Set<Connection>()
  readonly addresses = new Addresses()
  /** Knows messages that bridges carried. */
  readonly trails: Trails
  readonly #later: Later
  readonly #fanouts: FanoutOptions
  /** Connections with something to send. */
  #written: Connection[] = []
  #isFlushDue = false

  constructor(options: BrokerOptions) {
    const { store, clock, random, logger, limits, mapper, nodeId, soon } = options
    this.options = options
    this.encoder = new PublishEncoder(clock)
    this.congestion = new Congestion(clock)
    this.trails = new Trails({ nodeId, random })
    this.#later = new Later({ store, clock, logger })
    const later = this.#later
    this.intake = new Intake({
      ...{ store, later, clock, logger, soon },
      onEnded: () => this.flush(),
      onFlowing: () => {
        for (const connection of this.connections) connection.storeFlows()
      },
    })
    const backlog = new Backlog({ later, logger })
    this.sessions = new Sessions({
      ...{ store, clock, logger, limits, backlog, later },
      commit: (records, then) => {
        for (const record of records) this.intake.record(record)
        this.intake.afterwards((error) => {
          if (error === undefined) then()
        })
      },
      onExpired: (session) => this.wills.sessionEnded(session.clientId),
    })
    this.retained = new Retained({ store, clock, logger, limits, later })
    this.wills = new Wills({
      store,
      clock,
      logger,
      later,
      publish: (clientId, will) => this.#publishWill(clientId, will),
    })
    this.topics = new TopicTable<Topic>({
      limit: maxTopics,
      random,
      isBrief: (name) => options.local?.isBrief?.(name) === true,
      create: (name) => ({
        name,
        mapping: mapper.resolve(name),
        byContentType: undefined,
        isTooLong: isTooLong(name, limits),
        isSystem: name.startsWith("$"),
        local: undefined,
        localVersion: -1,
        matches: noMatches,
        version: -1,
      }),
    })
    this.#fanouts = {
      backlog,
      hasRoom: () => this.sessions.queued.bytes < limits.maxQueuedBytesTotal,
      onDropped: (session, message) => this.#dropped(session, message),
    }
  }

  /** The connection has something to send: it goes out when the turn ends. */
  written(connection: Connection): void {
    this.#written.push(connection)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.options.soon(() => this.flush())
  }

  /** Sends what was written. */
  flush(): void {
    this.#isFlushDue = false
    const written = this.#written
    if (written.length === 0) return
    this.#written = []
    for (const connection of written) connection.flush()
  }

  /** A message to all who subscribed to its topic; retained where it says so. */
  publish(message: Message, topic: Topic, sender: Session | undefined): Fanout | undefined {
    const { intake, sessions } = this
    refreshRoutes(topic, sessions.tree)
    if (message.retain) this.#retain(message)
    refreshLocal(topic, this.options.local)
    if (topic.local !== undefined) this.#tellLocal(message, topic.local)
    if (!hasRoutes(topic)) return undefined
    const fanout = planFanout(message, { topic, sender }, intake.records, this.#fanouts)
    intake.deliver(fanout)
    return fanout
  }

  /** Retained messages to a new subscription. */
  publishTo(target: Target, message: Message): Fanout {
    return planFor(message, [target], this.intake.records, this.#fanouts)
  }

  /**
   * A message of the node itself, or of one of its rooms: mapped and fanned out as if a client had sent it.
   * @param sender the session that does not get it back where it asked so
   */
  publishOwn(message: Message, sender?: Session): Fanout | undefined {
    const topic = this.#topicOf(message.topic)
    this.#addReadings(message, topic)
    return this.publish(message, topic, sender)
  }

  /** A message of a part of the node, as if a client had sent it. (O4 in own-messages.ts) */
  sendOwn(own: OwnMessage, records: readonly KeyedRecord[]): Promise<void> {
    const { intake } = this
    for (const record of records) intake.record(record)
    this.publishOwn(messageOf(own))
    return new Promise((resolve, reject) => {
      intake.afterwards((error) => (error === undefined ? resolve() : reject(error)))
    })
  }

  /** A message of a part of the node that has a commit of its own. (O1, O3 in own-messages.ts) */
  planOwn(own: OwnMessage): PlannedMessage {
    const message = messageOf(own)
    const topic = this.#topicOf(message.topic)
    refreshRoutes(topic, this.sessions.tree)
    const records: KeyedRecord[] = []
    const retained = message.retain ? this.#planRetained(message) : undefined
    if (retained !== undefined) records.push(retained)
    const fanout = planFanout(message, { topic, sender: undefined }, records, this.#fanouts)
    refreshLocal(topic, this.options.local)
    const taking =
      own.isTaken === true && (topic.mapping !== undefined || topic.local !== undefined) ? new Taking() : undefined
    return {
      records,
      isReaching: fanout.isReaching,
      isSent: () => fanout.isSent,
      taken: taking?.ended,
      end: (error) => {
        if (error === undefined && retained !== undefined) this.retained.apply(message)
        fanout.end(error)
        if (taking !== undefined && error === undefined) this.#takeOwn(message, topic, taking)
        else taking?.end(error)
        this.flush()
      },
    }
  }

  /** A retained message of the server about itself: not in the log, it is made anew. */
  tell(topicName: string, text: string): void {
    const payload = Buffer.from(text)
    const message: Message = {
      ...{ topic: topicName, payload, qos: 0, retain: true, expiresAt: undefined },
      properties: payload.subarray(payload.length),
    }
    this.retained.apply(message)
    this.publish({ ...message, retain: false }, this.#topicOf(topicName), undefined)
  }

  /** Ends a client's connection, and its session too where `isForgotten`. Returns whether there was one. */
  endClient(clientId: string, isForgotten: boolean): boolean {
    // Those of the node itself end with what they are for.
    if (isOwnClientId(clientId)) return false
    const connection = this.clients.get(clientId)
    connection?.close(reason.administrativeAction, "An administrator ended the connection")
    const session = this.sessions.get(clientId)
    if (session !== undefined && isForgotten) for (const record of this.sessions.end(session)) this.#later.put(record)
    return connection !== undefined || session !== undefined
  }

  /** What a topic means for payloads of a content type. */
  mappingOf(topic: Topic, contentType: string): TopicMapping | undefined {
    if (!heededTypes.has(contentType)) return topic.mapping
    topic.byContentType ??= new Map()
    const known = topic.byContentType.get(contentType)
    if (known !== undefined || topic.byContentType.has(contentType)) return known
    const mapping = this.options.mapper.resolve(topic.name, contentType)
    topic.byContentType.set(contentType, mapping)
    return mapping
  }

  /** Every so often: ends what is over. */
  sweep(): void {
    const now = this.options.clock.monotonic()
    for (const connection of this.connections) connection.sweep(now)
    this.sessions.sweep()
    this.retained.sweep()
    this.wills.sweep()
  }

  /** Makes durable what may wait. */
  close(): void {
    this.intake.flush()
    this.#later.flush()
  }

  #topicOf(topicName: string): Topic {
    const name = Buffer.from(topicName)
    return this.topics.find(name, 0, name.length).value
  }

  /** O3 in own-messages.ts. */
  #takeOwn(message: Message, topic: Topic, taking: Taking): void {
    this.#addReadings(message, topic)
    refreshLocal(topic, this.options.local)
    if (topic.local !== undefined) this.#tellLocal(message, topic.local)
    this.intake.afterwards(taking.end)
  }

  #addReadings(message: Message, { mapping }: Topic): void {
    if (mapping === undefined) return
    const payload = Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.length)
    mapping.add(this.intake.batch, payload, 0, payload.length, this.options.clock.now())
  }

  /** O2 in own-messages.ts. */
  #tellLocal(message: Message, take: LocalTaker): void {
    const taken = take(message)
    if (taken === undefined) return
    for (const record of taken.records) this.intake.record(record)
    this.intake.afterwards((error) => taken.end(error))
  }

  #planRetained(message: Message): KeyedRecord | undefined {
    const record = this.retained.plan(message)
    if (record === undefined)
      this.options.logger.warn("A retained message is not kept: there is no room for more", { topic: message.topic })
    return record
  }

  #retain(message: Message): void {
    const record = this.#planRetained(message)
    if (record === undefined) return
    this.intake.record(record)
    this.intake.afterwards((error) => {
      if (error === undefined) this.retained.apply(message)
    })
  }

  #publishWill(clientId: string, { message }: Will): void {
    this.intake.record(removed(willKey(clientId)))
    this.publishOwn(message)
  }

  #dropped(session: Session, message: Message): void {
    this.statistics.dropped++
    this.options.logger.warn("A message found no room in a session and is not delivered to it", {
      client: session.clientId,
      topic: message.topic,
      waiting: session.queuedMessages,
    })
  }
}

/** The node's own part in a message of its own. */
class Taking {
  readonly ended: Promise<FogError | undefined>
  end: (error: FogError | undefined) => void = () => {}

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve
    })
  }
}
