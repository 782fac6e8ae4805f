/**
 * Publishers and a persistent subscriber that keep the rules of their QoS over any number of broken connections, and
 * remember everything: the judge of what an MQTT node may lose (nothing acknowledged) and double (nothing of QoS 2).
 *
 * O1 Each message is a reading whose value is its id, so that SQL can be asked for what is missing or doubled.
 * O2 After a reconnect a publisher sends again what is unacknowledged, in order, with DUP and the same packet ids; what
 *    was answered by PUBREC goes on with PUBREL. Each repetition is counted: it is what QoS 1 may double.
 * O3 The subscriber remembers the packet ids of QoS 2 that it has answered until their PUBREL, as a client must.
 */
import { RawClient } from "@brume/testkit"
import { MqttViolation } from "../../packages/testkit/src/mqtt/bytes.ts"
import { encodePublish, type ServerPacket, type Version } from "../../packages/testkit/src/mqtt/packets.ts"
import { type NodeProcess, sleep } from "./node-process.ts"

export interface MqttVerdict {
  /** Ids by the QoS at which they were acknowledged to their publisher. */
  readonly acknowledged: Readonly<Record<1 | 2, number>>
  /** PUBLISH packets that publishers sent again. */
  readonly resent: Readonly<Record<1 | 2, number>>
  /** Acknowledged, and not in SQL. */
  readonly lost: readonly number[]
  /** In SQL more often than it was sent, and more than once at all with QoS 2. */
  readonly doubled: readonly number[]
  /** In SQL without having been sent: how many rows. */
  readonly invented: number
  /** Acknowledged, and never at the subscriber. */
  readonly undelivered: readonly number[]
  /** QoS 2, and more than once at the subscriber. */
  readonly redelivered: readonly number[]
  /** Came for the first time after a later one of the same publisher. */
  readonly disordered: readonly number[]
  /** Reconnects at which the node did not know the session any more. */
  readonly forgotten: number
  /** Waits on an open connection that nothing answered. */
  readonly stalled: number
}

interface InFlight {
  readonly value: number
  readonly qos: 1 | 2
  isReceived: boolean
}

/** How long a node may leave an open connection without an answer. */
const answerLimitMs = 15_000
/** Messages that one publisher has unacknowledged. */
const window = 20

export class MqttOracle {
  readonly #port: () => number
  readonly #qosOf = new Map<number, 1 | 2>()
  readonly #acknowledged = new Set<number>()
  /** Times that an id was sent, the first time included. */
  readonly #sendings = new Map<number, number>()
  readonly #deliveries = new Map<number, number>()
  readonly #latest = new Map<string, number>()
  readonly #disordered: number[] = []
  readonly #resent = { 1: 0, 2: 0 }
  #forgotten = 0
  #stalled = 0

  /** @param port of whichever process listens just now */
  constructor(port: () => number) {
    this.#port = port
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size
  }

  /** Publishes until `isOver`, and then until everything is acknowledged. */
  async publish(name: string, version: Version, qos: 1 | 2, isOver: () => boolean): Promise<void> {
    const inFlight = new Map<number, InFlight>()
    let lastId = 0
    let isKnown = false
    const send = (client: RawClient, id: number, { value }: InFlight, dup: boolean): void => {
      this.#sendings.set(value, (this.#sendings.get(value) ?? 0) + 1)
      if (dup) this.#resent[qos]++
      client.write(encodePublish(version, { topic: `devices/${name}/id`, payload: `${value}`, qos, id, dup }))
    }
    await this.#live(
      name,
      version,
      () => isOver() && inFlight.size === 0,
      async (client, isPresent) => {
        if (isKnown && !isPresent) this.#forgotten++
        isKnown = true
        for (const [id, message] of inFlight) {
          if (message.isReceived) client.acknowledge("pubrel", id)
          else send(client, id, message, true)
        }
        while (!isOver() || inFlight.size > 0) {
          while (!isOver() && inFlight.size < window) {
            do lastId = (lastId % 65_535) + 1
            while (inFlight.has(lastId))
            const message: InFlight = { value: this.#qosOf.size, qos, isReceived: false }
            this.#qosOf.set(message.value, qos)
            inFlight.set(lastId, message)
            send(client, lastId, message, false)
          }
          const packet = await client.take(() => true, answerLimitMs)
          if (packet.type === "pubrec") {
            inFlight.get(packet.id)!.isReceived = true
            client.acknowledge("pubrel", packet.id)
          } else if (packet.type === "puback" || packet.type === "pubcomp") {
            // Once more for one that was completed before: the answer had been lost.
            const message = inFlight.get(packet.id)
            if (packet.code < 0x80 && message !== undefined) this.#acknowledged.add(message.value)
            inFlight.delete(packet.id)
          }
        }
      },
    )
  }

  /** Listens until `isOver`. */
  async subscribe(name: string, version: Version, isOver: () => boolean): Promise<void> {
    const received = new Set<number>()
    let isSubscribed = false
    await this.#live(name, version, isOver, async (client, isPresent) => {
      if (isSubscribed && !isPresent) {
        this.#forgotten++
        received.clear()
      }
      if (!isPresent) {
        await client.subscribe({ filter: "devices/#", qos: 2 })
        isSubscribed = true
      }
      while (!isOver()) {
        const packet = await client
          .take(() => true, 200)
          .catch((error: Error) => {
            if (client.isEnded || error instanceof MqttViolation) throw error
          })
        if (packet !== undefined) this.#hear(client, packet, received)
      }
    })
  }

  /** Acknowledged ids that the subscriber has not seen. */
  undelivered(): number[] {
    return [...this.#acknowledged].filter((id) => !this.#deliveries.has(id))
  }

  async judge(node: NodeProcess): Promise<MqttVerdict> {
    const counts = await this.#stored(node)
    const [all] = await node.sql<{ total: number }>("SELECT count(*) AS total FROM readings WHERE property = 'id'")
    const known = [...counts.values()].reduce((sum, times) => sum + times, 0)
    const ids = (qos: 1 | 2): number => [...this.#acknowledged].filter((id) => this.#qosOf.get(id) === qos).length
    const allowed = (id: number): number => (this.#qosOf.get(id) === 2 ? 1 : (this.#sendings.get(id) ?? 0))
    return {
      acknowledged: { 1: ids(1), 2: ids(2) },
      resent: { ...this.#resent },
      lost: [...this.#acknowledged].filter((id) => !counts.has(id)),
      doubled: [...counts].filter(([id, times]) => times > allowed(id)).map(([id]) => id),
      invented: (all?.total ?? 0) - known,
      undelivered: this.undelivered(),
      redelivered: [...this.#deliveries]
        .filter(([id, times]) => times > 1 && this.#qosOf.get(id) === 2)
        .map(([id]) => id),
      disordered: this.#disordered,
      forgotten: this.#forgotten,
      stalled: this.#stalled,
    }
  }

  #hear(client: RawClient, packet: ServerPacket, received: Set<number>): void {
    if (packet.type === "pubrel") {
      received.delete(packet.id)
      client.acknowledge("pubcomp", packet.id)
    }
    if (packet.type !== "publish") return
    if (packet.qos === 1 || !received.has(packet.id)) this.#note(packet.topic, Number(packet.payload.toString()))
    if (packet.qos === 1) client.acknowledge("puback", packet.id)
    if (packet.qos === 2) {
      received.add(packet.id)
      client.acknowledge("pubrec", packet.id)
    }
  }

  #note(topic: string, id: number): void {
    const times = this.#deliveries.get(id) ?? 0
    this.#deliveries.set(id, times + 1)
    if (times > 0) return
    if (id < (this.#latest.get(topic) ?? -1)) this.#disordered.push(id)
    else this.#latest.set(topic, id)
  }

  /** Connects again and again with one lasting session, until `isDone`. */
  async #live(
    clientId: string,
    version: Version,
    isDone: () => boolean,
    session: (client: RawClient, isPresent: boolean) => Promise<void>,
  ): Promise<void> {
    while (!isDone()) {
      const client = await RawClient.open(this.#port(), version).catch(() => undefined)
      if (client === undefined) {
        await sleep(20)
        continue
      }
      try {
        const properties = version === 5 ? { properties: { sessionExpiry: 3_600 } } : {}
        const connack = await client.connect({ clientId, clean: false, keepAlive: 60, ...properties })
        if (connack.code !== 0) throw new MqttViolation(`${clientId} was refused with ${connack.code}`)
        await session(client, connack.sessionPresent)
      } catch (error) {
        // The end of a connection is what this is about; anything else is the node's fault.
        if (error instanceof MqttViolation) throw error
        if (!client.isEnded) this.#stalled++
      } finally {
        await client[Symbol.asyncDispose]()
      }
    }
  }

  async #stored(node: NodeProcess): Promise<Map<number, number>> {
    const counts = new Map<number, number>()
    const page = 50_000
    for (let from = 0; from < this.#qosOf.size; from += page) {
      const rows = await node.sql<{ id: number; times: number }>(
        `SELECT value AS id, count(*) AS times FROM readings WHERE property = 'id' AND value >= ${from} AND value < ${from + page} GROUP BY value`,
      )
      for (const { id, times } of rows) counts.set(id, times)
    }
    return counts
  }
}
