/**
 * A session: what a node keeps for one client identifier, connected or not. [MQTT-3.1.2-4 ff., 4.1]
 *
 * - S1 Deliveries leave in the order in which they came, and again in that order after a reconnection. [MQTT-4.6.0-1]
 * - S2 At most the receiver's window of them is on its way; no identifier is used twice at a time. [MQTT-2.2.1-4]
 * - S3 What waits is bounded in number and bytes: what does not fit is refused before anything is promised for it.
 * - S4 A QoS 2 delivery whose PUBREC came is never sent as PUBLISH again: its record says so before the PUBREL leaves.
 *
 * It knows no socket: a {@link Consumer} takes what it sends.
 */
import type { Message } from "../message.ts"
import type { SubscriptionOptions } from "../topics/subscription.ts"
import { type Delivery, packetIdOf } from "./delivery.ts"
import { Queue } from "./queue.ts"

/** Who takes a session's messages: a connection, or a part of the node. */
export interface Consumer {
  /** Deliveries that it takes before it acknowledges one. */
  readonly window: number
  /** False while its socket is behind. */
  readonly isReady: boolean
  /** Returns false when it can never take this one, which then counts as delivered. [MQTT-3.1.2-25] */
  deliver(delivery: Delivery, packetId: number, isRepeated: boolean): boolean
  /** A QoS 0 message. */
  deliverOnce(message: Message, retain: boolean, subscriptionIdentifiers: readonly number[]): void
  release(packetId: number, reason: number): void
}

export interface SessionFacts {
  readonly clientId: string
  /** Short name in the log's keys; never given twice. */
  readonly number: number
  /** Whose it is: nobody else takes it over. */
  readonly owner: string
  /** Wall time, µs since 1970 UTC. */
  readonly created: number
}

/** What waits for all sessions together. */
export interface QueuedTotals {
  messages: number
  bytes: number
}

export interface SessionPorts {
  readonly totals: QueuedTotals
  readonly maxMessages: number
  readonly maxBytes: number
  /** Wall time, µs. */
  readonly now: () => number
  /** The delivery needs no record any more. */
  readonly onFinished: (session: Session, delivery: Delivery) => void
  /** Makes durable that the PUBREC came, then calls back. */
  readonly onReceived: (session: Session, delivery: Delivery, then: () => void) => void
}

export class Session {
  readonly facts: SessionFacts
  // Made when they are needed: most sessions of idle devices need none of them.
  #subscriptions: Map<string, SubscriptionOptions> | undefined
  #incoming: Set<number> | undefined
  #inflight: Map<number, Delivery> | undefined
  /** Seconds that it outlives its connection; Infinity until it is ended. */
  expiryS = 0
  /** Wall time since which nobody is connected, µs. */
  detachedAt: number | undefined
  dropped = 0
  /** A publisher waited for it in vain; until it moves again nobody does. */
  isStuck = false
  readonly #ports: SessionPorts
  readonly #waiting = new Queue<Delivery>()
  #consumer: Consumer | undefined
  #nextNumber = 0
  #messages = 0
  #bytes = 0

  constructor(facts: SessionFacts, ports: SessionPorts) {
    this.facts = facts
    this.#ports = ports
  }

  get clientId(): string {
    return this.facts.clientId
  }

  /** It outlives its connection, so that what it is promised must be in the log. */
  get isPersistent(): boolean {
    return this.expiryS > 0
  }

  get subscriptions(): ReadonlyMap<string, SubscriptionOptions> {
    return this.#subscriptions ?? noSubscriptions
  }

  subscribe(filter: string, options: SubscriptionOptions): void {
    this.#subscriptions ??= new Map()
    this.#subscriptions.set(filter, options)
  }

  /** Returns whether it was subscribed. */
  unsubscribe(filter: string): boolean {
    return this.#subscriptions?.delete(filter) === true
  }

  /** QoS 2 identifiers of the client that are not released yet. [MQTT-4.3.3-10] */
  get incoming(): ReadonlySet<number> {
    return this.#incoming ?? noIdentifiers
  }

  takeIncoming(packetId: number): void {
    this.#incoming ??= new Set()
    this.#incoming.add(packetId)
  }

  /** Returns whether it was there. */
  releaseIncoming(packetId: number): boolean {
    return this.#incoming?.delete(packetId) === true
  }

  get consumer(): Consumer | undefined {
    return this.#consumer
  }

  get queuedMessages(): number {
    return this.#messages
  }

  get queuedBytes(): number {
    return this.#bytes
  }

  get inflightMessages(): number {
    return this.#inflight?.size ?? 0
  }

  /** More than half of what may wait does. */
  get isBehind(): boolean {
    return this.#messages * 2 > this.#ports.maxMessages || this.#bytes * 2 > this.#ports.maxBytes
  }

  /** S3: the number of a delivery to come, or undefined when there is no room. */
  reserve(weight: number): number | undefined {
    if (this.#messages >= this.#ports.maxMessages || this.#bytes + weight > this.#ports.maxBytes) {
      this.dropped++
      return undefined
    }
    this.#count(1, weight)
    return this.#nextNumber++
  }

  /** Gives a reservation back of which nothing came. */
  unreserve(weight: number): void {
    this.#count(-1, -weight)
  }

  /** Takes a delivery for which there is a reservation. */
  offer(delivery: Delivery): void {
    this.#waiting.push(delivery)
    this.pump()
  }

  /** A delivery from the log. */
  restore(delivery: Delivery): void {
    this.#count(1, delivery.weight)
    this.#nextNumber = Math.max(this.#nextNumber, delivery.number + 1)
    this.#waiting.push(delivery)
  }

  /** S1: what was on its way comes first, in its order. */
  attach(consumer: Consumer): void {
    this.#consumer = consumer
    this.detachedAt = undefined
    this.isStuck = false
    this.pump()
  }

  detach(now: number): void {
    this.#consumer = undefined
    this.detachedAt = now
    const inflight = this.#inflight
    if (inflight === undefined || inflight.size === 0) return
    for (const delivery of inflight.values()) if (delivery.stage === "sent") delivery.stage = "waiting"
    this.#waiting.putBack([...inflight.values()])
    this.#inflight = undefined
  }

  /** Sends what may be sent. */
  pump(): void {
    const consumer = this.#consumer
    if (consumer === undefined) return
    while (this.inflightMessages < consumer.window && consumer.isReady) {
      const delivery = this.#waiting.first
      if (delivery === undefined) return
      const packetId = packetIdOf(delivery.number)
      // S2
      if (this.#inflight?.has(packetId) === true) return
      this.#waiting.shift()
      this.#send(consumer, delivery, packetId)
    }
  }

  /** PUBACK. Unknown identifiers are of deliveries that another connection finished. */
  acknowledged(packetId: number): void {
    const delivery = this.#inflight?.get(packetId)
    if (delivery === undefined || delivery.qos !== 1) return
    this.#finish(packetId, delivery)
    this.pump()
  }

  /** PUBREC. @param reason 0x80 and above: the client refuses the message, which ends its flow. [MQTT-4.3.3-4] */
  received(packetId: number, reason: number): void {
    const delivery = this.#inflight?.get(packetId)
    if (delivery === undefined || delivery.qos !== 2) {
      this.#consumer?.release(packetId, packetIdNotFound)
      return
    }
    if (reason >= 0x80) {
      this.#finish(packetId, delivery)
      this.pump()
      return
    }
    if (delivery.stage === "released") {
      this.#consumer?.release(packetId, 0)
      return
    }
    delivery.stage = "released"
    const consumer = this.#consumer
    // S4
    this.#ports.onReceived(this, delivery, () => {
      if (this.#consumer === consumer && this.#inflight?.get(packetId) === delivery) consumer?.release(packetId, 0)
    })
  }

  /** PUBCOMP. */
  completed(packetId: number): void {
    const delivery = this.#inflight?.get(packetId)
    if (delivery === undefined || delivery.stage !== "released") return
    this.#finish(packetId, delivery)
    this.pump()
  }

  /** Forgets all deliveries; returns them, so that their records can go. */
  clear(): Delivery[] {
    const all = [...(this.#inflight?.values() ?? []), ...this.#waiting]
    this.#inflight = undefined
    this.#waiting.clear()
    this.#count(-this.#messages, -this.#bytes)
    return all
  }

  #send(consumer: Consumer, delivery: Delivery, packetId: number): void {
    if (delivery.stage === "released") {
      this.#track(packetId, delivery)
      consumer.release(packetId, 0)
      return
    }
    const { expiresAt } = delivery.message
    // [MQTT-3.3.2-5]
    if (expiresAt !== undefined && !delivery.wasSent && expiresAt <= this.#ports.now()) {
      this.#settle(delivery)
      return
    }
    const isRepeated = delivery.wasSent
    if (!consumer.deliver(delivery, packetId, isRepeated)) {
      this.#settle(delivery)
      return
    }
    delivery.stage = "sent"
    delivery.wasSent = true
    this.#track(packetId, delivery)
  }

  #track(packetId: number, delivery: Delivery): void {
    this.#inflight ??= new Map()
    this.#inflight.set(packetId, delivery)
  }

  #finish(packetId: number, delivery: Delivery): void {
    this.#inflight?.delete(packetId)
    this.isStuck = false
    this.#settle(delivery)
  }

  #settle(delivery: Delivery): void {
    this.#count(-1, -delivery.weight)
    this.#ports.onFinished(this, delivery)
  }

  #count(messages: number, bytes: number): void {
    const { totals } = this.#ports
    this.#messages += messages
    this.#bytes += bytes
    totals.messages += messages
    totals.bytes += bytes
  }
}

const packetIdNotFound = 0x92
const noSubscriptions: ReadonlyMap<string, SubscriptionOptions> = new Map()
const noIdentifiers: ReadonlySet<number> = new Set()

/** Whether a client identifier is one that the node gives to sessions of its own; nobody from outside may have it. */
export function isOwnClientId(clientId: string): boolean {
  return clientId.startsWith("$")
}
