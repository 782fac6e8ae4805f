/**
 * The messages of one connection to a remote broker, both ways.
 *
 * - E1 Out: a delivery of the bridge's session is finished when the remote broker's PUBACK or PUBCOMP came; what was on
 *   its way when the connection ended is sent again on the next one, marked as a repetition.
 * - E2 In: a message is acknowledged to the remote broker when it is durable here. What the store does not take is not
 *   acknowledged: the connection ends, and the remote broker sends it again.
 * - E3 QoS 2 is kept exactly once both ways as long as both sides keep their sessions: identifiers of deliveries come from
 *   the log, and those of messages from outside are in it until they are released.
 * - E4 Nothing is read while the store is busy, too much is unacknowledged, or local subscribers are behind.
 */
import type { FogError, Timer } from "@brume/core"
import type { Broker } from "../broker.ts"
import { answerCode, holds } from "../connection/client.ts"
import { isTooLong } from "../limits.ts"
import type { Message, Qos } from "../message.ts"
import type { Delivery } from "../session/delivery.ts"
import { incomingKey, incomingRecord, removed } from "../session/records.ts"
import type { Consumer, Session } from "../session/session.ts"
import { maxAcknowledgementBytes, writeAcknowledgement } from "../wire/acknowledgement-writer.ts"
import { type AcknowledgementType, packetType } from "../wire/packet-type.ts"
import { forwardedProperties, type PublishFrame } from "../wire/publish-frame.ts"
import { type PublishForm, publishBytes, writePublish } from "../wire/publish-writer.ts"
import { reason } from "../wire/reason.ts"
import type { BridgeOptions } from "./options.ts"
import { nameOf, type Remote, type Welcome } from "./remote.ts"
import type { BridgeStatistics } from "./statistics.ts"
import type { TopicRenamer } from "./topic-map.ts"

export interface ExchangeOptions {
  readonly broker: Broker
  readonly bridge: BridgeOptions
  readonly session: Session
  readonly outgoing: TopicRenamer
  readonly incoming: TopicRenamer
  readonly statistics: BridgeStatistics
  readonly receiveMaximum: number
  readonly remote: Remote
}

/** Why a remote broker refuses a message that it may take later. */
const passing: ReadonlySet<number> = new Set([reason.quotaExceeded, reason.unspecifiedError, reason.serverBusy])

/** How often it is looked whether the store flows again, ms. */
const lookMs = 10
const nothing = Buffer.alloc(0)

export class Exchange implements Consumer {
  readonly #options: ExchangeOptions
  #welcome: Welcome | undefined
  #holds = 0
  #timer: Timer | undefined
  #unacknowledged = 0
  #isOver = false
  /** QoS 2 deliveries that left as QoS 1, because the remote broker knows no more. */
  readonly #lowered = new Set<number>()

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  /** The remote broker has a session of ours, or has none. */
  begin(isSessionPresent: boolean): void {
    // Its identifiers begin anew.
    if (!isSessionPresent) this.#forgetIncoming()
  }

  /** It takes messages from now on. */
  open(welcome: Welcome): void {
    this.#welcome = welcome
    this.#options.session.attach(this)
    if (!welcome.isSessionPresent) this.#sendRetained()
  }

  /** The connection is over. */
  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    const { broker, session } = this.#options
    broker.congestion.forget(this)
    if (session.consumer === this) session.detach(broker.options.clock.now())
  }

  // Out --------------------------------------------------------------------------------------------------------------

  get window(): number {
    return this.#welcome?.receiveMaximum ?? 0
  }

  get isReady(): boolean {
    return this.#options.remote.isReady
  }

  deliver(delivery: Delivery, packetId: number, isDuplicate: boolean): boolean {
    const { message, qos: wanted, retain } = delivery
    const sent = this.#send(message, { qos: wanted, isRetained: retain, packetId, isDuplicate })
    if (sent === undefined) return false
    if (sent < wanted) this.#lowered.add(packetId)
    // At QoS 0 nobody answers.
    return sent > 0
  }

  deliverOnce(message: Message, isRetained: boolean): void {
    if (this.isReady) this.#send(message, { qos: 0, isRetained })
    else this.#options.statistics.leftOut++
  }

  release(packetId: number, code: number): void {
    this.#acknowledge(packetType.pubrel, packetId, code)
  }

  acknowledged(type: AcknowledgementType, packetId: number, code: number): void {
    const { session, remote, statistics } = this.#options
    if (type === packetType.pubrel) {
      this.#released(packetId)
      return
    }
    if (type === packetType.pubcomp) {
      session.completed(packetId)
      return
    }
    if (code >= 0x80) {
      if (passing.has(code)) {
        remote.end(`it takes no messages for now (${nameOf(code)})`)
        return
      }
      statistics.refused++
      this.#warn("The remote broker refused a message, which is not sent again", { reason: nameOf(code) })
    }
    if (type === packetType.pubrec) session.received(packetId, code)
    // A refusal ends the flow of QoS 2, which is what an answer at QoS 1 does here.
    else if (this.#lowered.delete(packetId)) session.received(packetId, reason.unspecifiedError)
    else session.acknowledged(packetId)
  }

  /** Returns the QoS at which it left, or undefined when it never will. */
  #send(message: Message, asked: Omit<PublishForm, "version"> & { readonly qos: Qos }): Qos | undefined {
    const { outgoing, remote, statistics, bridge, broker } = this.#options
    const { maximumQos, maximumPacketBytes, mayRetain } = this.#welcome!
    const renamed = outgoing.rename(message.topic)
    if (renamed === undefined) {
      statistics.unmapped++
      return undefined
    }
    const properties = remote.version === 5 ? broker.trails.extend(message, bridge.maxHops) : nothing
    if (properties === undefined) {
      statistics.looped++
      return undefined
    }
    const qos = Math.min(asked.qos, renamed.qos, maximumQos) as Qos
    const packet = { topic: Buffer.from(renamed.topic), payload: message.payload, properties }
    const form: PublishForm = {
      ...asked,
      version: remote.version,
      qos,
      isDuplicate: qos > 0 && asked.isDuplicate === true,
      isRetained: asked.isRetained && mayRetain,
      messageExpirySeconds: broker.encoder.expiryOf(message),
    }
    const bytes = publishBytes(packet, form)
    if (bytes > maximumPacketBytes) {
      statistics.refused++
      this.#warn("A message is larger than the remote broker takes and is not sent", { topic: message.topic, bytes })
      return undefined
    }
    writePublish(remote.output, packet, form)
    remote.written()
    statistics.sent++
    return qos
  }

  /** A remote broker that knows nothing of us gets what is retained here, as a new subscriber would. */
  #sendRetained(): void {
    const { broker, outgoing, session } = this.#options
    const sent = new Set<Message>()
    for (const [filter, qos] of outgoing.filters) {
      const target = { session, terms: { qos, retainAsPublished: true, subscriptionIdentifiers: [] } }
      for (const message of broker.retained.match(filter)) {
        if (sent.has(message)) continue
        sent.add(message)
        broker.intake.deliver(broker.publishTo(target, message))
      }
    }
  }

  // In ---------------------------------------------------------------------------------------------------------------

  publish(frame: PublishFrame): void {
    const { broker, session, statistics } = this.#options
    const { qos, packetId } = frame
    const { intake } = broker
    statistics.received++
    if (qos > 0) this.#unacknowledged++
    if (qos === 2 && session.incoming.has(packetId)) {
      // It is stored already, or on its way. [MQTT-4.3.3-10]
      intake.answer(this, answerCode(packetType.pubrec, reason.success, packetId))
      return
    }
    const message = this.#messageOf(frame)
    if (message === undefined) statistics.unmapped++
    else this.#take(message)
    if (qos === 1) intake.answer(this, answerCode(packetType.puback, reason.success, packetId))
    else if (qos === 2) {
      session.takeIncoming(packetId)
      intake.record(incomingRecord(session.facts.number, packetId))
      intake.answer(this, answerCode(packetType.pubrec, reason.success, packetId))
    }
    this.#holdIfTooMuch()
  }

  /** E2: a step of a turn that is durable or refused. */
  answer(code: number, error: FogError | undefined): void {
    const { session, remote } = this.#options
    const type = (code >> 24) as AcknowledgementType
    const packetId = code & 0xffff
    if (type !== packetType.pubcomp) this.#unacknowledged--
    if (error !== undefined && type === packetType.pubrec) session.releaseIncoming(packetId)
    if (this.#isOver) return
    if (error !== undefined) {
      remote.end(`a message that it sent was not stored here: ${error.message}`)
      return
    }
    if (type === packetType.pubrec && !session.incoming.has(packetId)) {
      // The first copy came over the connection before this one, and was refused since.
      remote.end("a message that it sent again was not stored here")
      return
    }
    this.#acknowledge(type, packetId, (code >> 16) & 0xff)
    if (this.#unacknowledged < this.#options.receiveMaximum) this.#letGo(holds.window)
  }

  waitForSubscribers(): void {
    this.#hold(holds.congestion)
  }

  subscribersCaughtUp(): void {
    this.#letGo(holds.congestion)
  }

  #take(message: Message): void {
    const { broker, session, statistics } = this.#options
    const properties = message.properties as Buffer
    const isNew = broker.trails.admit(properties, {
      qos: message.qos,
      afterwards: (call) => broker.intake.afterwards(call),
      refuse: () => this.#options.remote.end("a message that came twice was not stored here"),
    })
    if (!isNew) {
      statistics.looped++
      return
    }
    const fanout = broker.publishOwn(message, session)
    if (fanout !== undefined) broker.congestion.check(this, session, fanout)
  }

  #messageOf(frame: PublishFrame): Message | undefined {
    const { incoming, broker } = this.#options
    const { buffer, topicStart, topicEnd, payloadStart, payloadEnd, messageExpirySeconds: seconds } = frame
    const topic = incoming.rename(buffer.toString("utf8", topicStart, topicEnd))?.topic
    if (topic === undefined || isTooLong(topic, broker.options.limits)) return undefined
    return {
      topic,
      payload: Uint8Array.prototype.slice.call(buffer, payloadStart, payloadEnd),
      qos: frame.qos,
      retain: frame.isRetained,
      expiresAt: seconds < 0 ? undefined : broker.options.clock.now() + seconds * 1_000_000,
      properties: forwardedProperties(frame),
    }
  }

  /** PUBREL: the identifier is free again when that is durable. */
  #released(packetId: number): void {
    const { broker, session } = this.#options
    if (!session.releaseIncoming(packetId)) {
      this.#acknowledge(packetType.pubcomp, packetId, reason.packetIdentifierNotFound)
      return
    }
    broker.intake.record(removed(incomingKey(session.facts.number, packetId)))
    broker.intake.answer(this, answerCode(packetType.pubcomp, reason.success, packetId))
  }

  #forgetIncoming(): void {
    const { broker, session } = this.#options
    for (const packetId of [...session.incoming]) {
      session.releaseIncoming(packetId)
      broker.intake.record(removed(incomingKey(session.facts.number, packetId)))
    }
  }

  // E4 ---------------------------------------------------------------------------------------------------------------

  #holdIfTooMuch(): void {
    if (this.#unacknowledged >= this.#options.receiveMaximum) this.#hold(holds.window)
    if (!this.#options.broker.intake.isStalled) return
    this.#hold(holds.store)
    this.#timer ??= this.#options.broker.options.clock.after(lookMs, () => this.#look())
  }

  #look(): void {
    const { broker } = this.#options
    this.#timer = undefined
    if (broker.intake.isStalled) this.#timer = broker.options.clock.after(lookMs, () => this.#look())
    else this.#letGo(holds.store)
  }

  #hold(why: number): void {
    if (this.#holds === 0 && !this.#isOver) this.#options.remote.pause()
    this.#holds |= why
  }

  #letGo(why: number): void {
    if ((this.#holds & why) === 0) return
    this.#holds &= ~why
    if (this.#holds === 0 && !this.#isOver) this.#options.remote.resume()
  }

  #acknowledge(type: AcknowledgementType, packetId: number, code: number): void {
    const { remote } = this.#options
    const { output } = remote
    output.reserve(maxAcknowledgementBytes)
    output.at = writeAcknowledgement(output.bytes, output.at, type, packetId, code, remote.version)
    remote.written()
  }

  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const { broker, bridge } = this.#options
    broker.options.logger.warn(message, { bridge: bridge.name, ...fields })
  }
}
