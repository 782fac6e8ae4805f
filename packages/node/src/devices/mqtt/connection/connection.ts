/**
 * One client's connection: what its packets do, and what is sent to it.
 *
 * - C1 Until its CONNECT is accepted a peer has this object and nothing else: no session, no queue, no topic. [MQTT-3.1.0-1]
 * - C2 What the standard forbids ends the connection with the reason that it names, counted and logged. [MQTT-4.13.1-1]
 * - C3 Acknowledgements leave in the order of what they acknowledge, when it is durable. [MQTT-4.6.0-2, -3, -4]
 * - C4 Nothing is read while there is a reason to hold the client: its CONNECT is being looked at, the store is busy, it
 *   has as many messages unacknowledged as it may, it sends faster than it may, or its subscribers are behind.
 * - C5 A client that takes nothing is cut off after `stallMs`; meanwhile its QoS 0 messages are left out.
 *
 * The parts: accepting.ts (CONNECT), publishing.ts (PUBLISH), subscribing.ts (SUBSCRIBE, UNSUBSCRIBE).
 */
import { type FogError, isFogError } from "@brume/core"
import type { Broker } from "../broker.ts"
import { slowBytes, stallMs } from "../limits.ts"
import type { Message } from "../message.ts"
import type { Delivery } from "../session/delivery.ts"
import { incomingKey, removed } from "../session/records.ts"
import type { Consumer, Session } from "../session/session.ts"
import type { Will } from "../wills.ts"
import { maxAcknowledgementBytes, writeAcknowledgement } from "../wire/acknowledgement-writer.ts"
import { type AnswerForm, writeConnack, writeDisconnect, writePingresp } from "../wire/answer-writer.ts"
import type { Connect } from "../wire/connect.ts"
import type { Disconnect } from "../wire/ending.ts"
import { PacketReader, type PacketSink } from "../wire/packet-reader.ts"
import { type AcknowledgementType, packetType } from "../wire/packet-type.ts"
import type { PublishFrame } from "../wire/publish-frame.ts"
import { reason } from "../wire/reason.ts"
import type { Subscribe, Unsubscribe } from "../wire/subscribe.ts"
import { acceptConnect } from "./accepting.ts"
import { answerCode, type Client, expirySeconds, holds } from "./client.ts"
import type { Link, LinkEvents } from "./link.ts"
import { Outbox } from "./outbox.ts"
import { takePublish } from "./publishing.ts"
import { sendDelivery, sendOnce } from "./sending.ts"
import { takeSubscribe, takeUnsubscribe } from "./subscribing.ts"

export class Connection implements PacketSink, LinkEvents, Consumer {
  readonly broker: Broker
  readonly link: Link
  readonly openedMs: number
  client: Client | undefined
  will: Will | undefined
  /** QoS 1 and 2 messages whose acknowledgement is due. */
  unacknowledged = 0
  /** PUBLISH packets since the last sweep. */
  published = 0
  window = 0
  messagesReceived = 0
  messagesSent = 0
  bytesReceived = 0
  readonly #reader: PacketReader
  readonly #outbox: Outbox
  #holds = 0
  #isClosed = false
  #isWritten = false
  #heardMs: number
  /** Since when the link has not taken what is buffered. */
  #behindMs: number | undefined

  constructor(broker: Broker, link: Link) {
    this.broker = broker
    this.link = link
    this.openedMs = broker.options.clock.monotonic()
    this.#heardMs = this.openedMs
    this.#outbox = new Outbox(link, broker.pool)
    this.#reader = new PacketReader({ sink: this, maxPacketBytes: broker.options.limits.maxPacketBytes })
    broker.connections.add(this)
    broker.addresses.add(link.peerAddress)
  }

  get version(): 4 | 5 {
    return this.#reader.version
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get form(): AnswerForm {
    const { version, client } = this
    return client === undefined
      ? { version }
      : {
          version,
          maximumPacketBytes: client.maximumPacketBytes,
          wantsProblemInformation: client.wantsProblemInformation,
        }
  }

  /** Where answers are written; they leave when the turn ends. */
  get output(): Outbox {
    if (!this.#isWritten) {
      this.#isWritten = true
      this.broker.written(this)
    }
    return this.#outbox
  }

  flush(): void {
    this.#isWritten = false
    this.#outbox.flush()
  }

  // What comes over the link -----------------------------------------------------------------------------------------

  received(bytes: Buffer): void {
    const before = this.#reader.count
    this.bytesReceived += bytes.length
    this.broker.statistics.bytesReceived += bytes.length
    this.#reader.push(bytes)
    // A packet is a sign of life, its pieces are none. [MQTT-3.1.2-22]
    if (this.#reader.count > before) this.#heardMs = this.broker.options.clock.monotonic()
  }

  drained(): void {
    this.#behindMs = undefined
    this.client?.session.pump()
  }

  closed(): void {
    this.#end()
  }

  connect(packet: Connect): void {
    this.hold(holds.connecting)
    void acceptConnect(this, packet)
  }

  publish(frame: PublishFrame): void {
    if (this.client !== undefined) takePublish(this, this.client, frame)
  }

  acknowledged(type: AcknowledgementType, packetId: number, code: number): void {
    const session = this.client?.session
    if (session === undefined) return
    if (type === packetType.puback) session.acknowledged(packetId)
    else if (type === packetType.pubrec) session.received(packetId, code)
    else if (type === packetType.pubcomp) session.completed(packetId)
    else this.#released(session, packetId)
  }

  ping(): void {
    writePingresp(this.output)
  }

  subscribe(packet: Subscribe): void {
    if (this.client !== undefined) takeSubscribe(this, this.client, packet)
  }

  unsubscribe(packet: Unsubscribe): void {
    if (this.client !== undefined) takeUnsubscribe(this, this.client, packet)
  }

  disconnect({ reason: code, sessionExpirySeconds }: Disconnect): void {
    const client = this.client
    if (client === undefined) return
    if (sessionExpirySeconds !== undefined) {
      // [MQTT-3.14.2-2]
      if (client.isShortLived && sessionExpirySeconds > 0) {
        this.broken(reason.protocolError, "DISCONNECT gives an expiry to a session that was to end with its connection")
        return
      }
      this.broker.sessions.setExpiry(client.session, expirySeconds(sessionExpirySeconds))
    }
    // [MQTT-3.14.4-3]
    if (code === reason.success && this.will !== undefined) {
      this.broker.wills.discard(client.id)
      this.will = undefined
    }
    this.#end()
  }

  auth(): void {
    // No method was agreed on in CONNECT. [MQTT-4.12.0-6]
    this.broken(reason.protocolError, "AUTH came without an authentication method in CONNECT")
  }

  /** C2 */
  broken(code: number, why: string): void {
    const { statistics, options } = this.broker
    if (this.#isClosed) return
    statistics.violations++
    options.logger.info("A client broke the rules and is disconnected", {
      client: this.client?.id,
      peer: this.link.peerAddress,
      reason: code,
      why,
    })
    this.close(code, why)
  }

  // What the client is told ------------------------------------------------------------------------------------------

  /** Ends the connection with a reason. A client that was not accepted gets it as CONNACK, where that can be. */
  close(code: number, why?: string): void {
    if (this.#isClosed) return
    const properties = why === undefined ? {} : { reasonString: why }
    const isWelcomed = this.client !== undefined && (this.#holds & holds.connecting) === 0
    if (isWelcomed) writeDisconnect(this.#outbox, { reason: code, properties }, this.form)
    else if (this.#isWorthConnack(code))
      writeConnack(this.#outbox, { reason: code, isSessionPresent: false, properties }, this.form)
    this.#end()
  }

  /** The node stops: the client is told, its session and its will stay as they are. */
  leaveOpen(code: number): void {
    this.will = undefined
    this.close(code)
  }

  /** A step of a turn that is durable or refused. */
  answer(code: number, error: FogError | undefined): void {
    const type = (code >> 24) as AcknowledgementType
    const packetId = code & 0xffff
    if (type !== packetType.pubrec || error !== undefined) this.#acknowledgedOne()
    if (this.#isClosed) return
    if (error === undefined) this.acknowledge(type, packetId, (code >> 16) & 0xff)
    else this.#refuse(type, packetId, error)
  }

  acknowledge(type: AcknowledgementType, packetId: number, code: number): void {
    const output = this.output
    output.reserve(maxAcknowledgementBytes)
    output.at = writeAcknowledgement(output.bytes, output.at, type, packetId, code, this.version)
  }

  get isReady(): boolean {
    return this.link.bufferedBytes < slowBytes
  }

  deliverOnce(message: Message, isRetained: boolean, subscriptionIdentifiers: readonly number[]): void {
    if (this.#isClosed) return
    if (this.isReady) sendOnce(this, { message, isRetained, subscriptionIdentifiers })
    else {
      // C5
      this.#behindMs ??= this.broker.options.clock.monotonic()
      this.broker.statistics.dropped++
    }
  }

  deliver(delivery: Delivery, packetId: number, isRepeated: boolean): boolean {
    return sendDelivery(this, delivery, { packetId, isDuplicate: isRepeated })
  }

  release(packetId: number, code: number): void {
    this.acknowledge(packetType.pubrel, packetId, code)
  }

  // Holding ----------------------------------------------------------------------------------------------------------

  hold(why: number): void {
    if (this.#holds === 0 && !this.#isClosed) {
      this.#reader.pause()
      this.link.pause()
    }
    this.#holds |= why
  }

  letGo(why: number): void {
    if ((this.#holds & why) === 0) return
    this.#holds &= ~why
    if (this.#holds !== 0 || this.#isClosed) return
    // A keep-alive does not run while we did not listen.
    this.#heardMs = this.broker.options.clock.monotonic()
    this.#reader.resume()
    if (this.#holds === 0) this.link.resume()
  }

  rightEnded(): void {
    this.close(reason.administrativeAction, "The right to connect ended")
  }

  /** Its subscribers are behind. */
  waitForSubscribers(): void {
    this.hold(holds.congestion)
  }

  subscribersCaughtUp(): void {
    this.letGo(holds.congestion)
  }

  /** The store takes messages again. */
  storeFlows(): void {
    this.letGo(holds.store)
  }

  /** Every so often. */
  sweep(nowMs: number): void {
    const { limits } = this.broker.options
    const { client } = this
    if (client === undefined) {
      if (nowMs - this.openedMs > limits.connectTimeoutMs) this.close(reason.maximumConnectTime)
      return
    }
    this.published = 0
    this.letGo(holds.rate)
    // [MQTT-3.1.2-22]
    if (client.keepAliveMs > 0 && this.#holds === 0 && nowMs - this.#heardMs > client.keepAliveMs * 1.5) {
      this.close(reason.keepAliveTimeout, "Nothing came for one and a half times the keep-alive")
      return
    }
    if (this.link.bufferedBytes === 0) this.#behindMs = undefined
    else if (!this.isReady) this.#behindMs ??= nowMs
    if (this.#behindMs !== undefined && nowMs - this.#behindMs > stallMs) {
      this.broker.options.logger.info("A client takes nothing and is disconnected", { client: client.id })
      this.close(reason.quotaExceeded, "The client does not take what is sent to it")
      this.link.destroy()
    }
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** PUBREL: the identifier is free again when that is durable. [MQTT-4.3.3-12] */
  #released(session: Session, packetId: number): void {
    const { intake } = this.broker
    if (!session.releaseIncoming(packetId)) {
      // It came again as its PUBCOMP was lost, which is no error; clients that are told 0x92 take the message for lost.
      this.acknowledge(packetType.pubcomp, packetId, reason.success)
      return
    }
    if (session.isPersistent) intake.record(removed(incomingKey(session.facts.number, packetId)))
    intake.answer(this, answerCode(packetType.pubcomp, reason.success, packetId))
  }

  #acknowledgedOne(): void {
    this.unacknowledged--
    if (this.unacknowledged < this.broker.options.limits.receiveMaximum) this.letGo(holds.window)
  }

  /** What the store did not take is not acknowledged: 5.0 says so, in 3.1.1 the connection ends. */
  #refuse(type: AcknowledgementType, packetId: number, error: FogError): void {
    if (type === packetType.pubrec) this.client?.session.releaseIncoming(packetId)
    const code = isFogError(error, "store_full") ? reason.quotaExceeded : reason.unspecifiedError
    if (this.version === 5 && type !== packetType.pubcomp) this.acknowledge(type, packetId, code)
    else this.close(code, error.message)
  }

  /** Who did not send a CONNECT gets no answer. [MQTT-3.1.4-1] */
  #isWorthConnack(code: number): boolean {
    if ((this.#holds & holds.connecting) !== 0) return true
    const isKnown = code === reason.unsupportedProtocolVersion || code === reason.clientIdentifierNotValid
    return isKnown || (this.version === 5 && code !== reason.maximumConnectTime)
  }

  #end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#reader.stop()
    this.#outbox.flush()
    this.link.end()
    const { broker, client, will } = this
    broker.connections.delete(this)
    broker.addresses.remove(this.link.peerAddress)
    broker.congestion.forget(this)
    if (client === undefined) return
    client.identity.left()
    if (broker.clients.get(client.id) === this) broker.clients.delete(client.id)
    if (will !== undefined) broker.wills.lost(client.id, will)
    broker.sessions.leave(client.session)
    // [MQTT-3.1.2-8]: a will does not wait for a session that is over.
    if (will !== undefined && !client.session.isPersistent) broker.wills.sessionEnded(client.id)
  }
}
