/**
 * A scriptable MQTT client that sends exactly what a test says, packets or bytes, and awaits exactly what the test
 * expects, each within a limit. It answers nothing by itself except where a method says so.
 *
 * R1 Every packet that arrives is decoded strictly; a violation by the broker fails the next wait.
 * R2 No wait is endless.
 * R3 Real time and real sockets: it is for tests of processes.
 */
import { connect as connectSocket, type Socket } from "node:net"
import { BytesReader, MqttViolation } from "./bytes.ts"
import {
  type AcknowledgementPacket,
  type AcknowledgementType,
  type ConnackPacket,
  type ConnectPacket,
  decode,
  encodeAcknowledgement,
  encodeConnect,
  encodeDisconnect,
  encodePublish,
  encodeSubscribe,
  encodeUnsubscribe,
  type Publication,
  type PublishPacket,
  pingreq,
  type ReasonPacket,
  type ServerPacket,
  type SubackPacket,
  type Subscription,
  type Version,
} from "./packets.ts"
import type { Properties } from "./properties.ts"

/** How long an answer may take. Generous: it is only waited out by a test that fails. */
const generousMs = 5_000
/** How long nothing must arrive. Short: every passing test waits it out. */
const silenceMs = 120

type PacketOf<Type extends ServerPacket["type"]> = Type extends AcknowledgementType
  ? AcknowledgementPacket
  : Type extends SubackPacket["type"]
    ? SubackPacket
    : Type extends ReasonPacket["type"]
      ? ReasonPacket
      : Extract<ServerPacket, { readonly type: Type }>

interface Waiter {
  readonly fits: (packet: ServerPacket) => boolean
  readonly resolve: (packet: ServerPacket) => void
  readonly reject: (error: Error) => void
}

export class RawClient implements AsyncDisposable {
  readonly version: Version
  readonly socket: Socket
  readonly #inbox: ServerPacket[] = []
  readonly #waiters: Waiter[] = []
  readonly #ended: Promise<void>
  #isEnded = false
  #failure: Error | undefined
  #unread: Buffer = Buffer.alloc(0)
  #lastId = 0
  /** For waits that name no limit. */
  limitMs = generousMs
  /** As the client has said it: a larger packet fails the next wait. [MQTT-3.1.2-24] */
  maximumPacketSize = Number.POSITIVE_INFINITY

  private constructor(socket: Socket, version: Version) {
    this.socket = socket
    this.version = version
    socket.setNoDelay(true)
    socket.on("data", (chunk) => this.#read(chunk))
    // A reset is one way of closing.
    socket.on("error", () => {})
    this.#ended = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isEnded = true
        for (const waiter of this.#waiters.splice(0)) {
          const last = this.#inbox.map(shown).join(", ")
          waiter.reject(new Error(`the broker closed the connection${last === "" ? "" : ` after ${last}`}`))
        }
        resolve()
      })
    })
  }

  static open(port: number, version: Version, host = "127.0.0.1"): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket({ port, host })
      socket.once("error", reject)
      socket.once("connect", () => {
        socket.off("error", reject)
        resolve(new RawClient(socket, version))
      })
    })
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Packets that came and nobody took. */
  get waiting(): readonly ServerPacket[] {
    return this.#inbox
  }

  write(...bytes: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes))
  }

  /** A packet id that this client has not used yet. */
  nextId(): number {
    this.#lastId = (this.#lastId % 65_535) + 1
    return this.#lastId
  }

  /** Sends CONNECT and awaits the CONNACK, whatever it says. */
  async connect(packet: Omit<ConnectPacket, "type">): Promise<ConnackPacket> {
    this.maximumPacketSize = packet.properties?.maximumPacketSize ?? this.maximumPacketSize
    this.write(encodeConnect(this.version, packet))
    return this.expect("connack")
  }

  /** The whole flow as a sender. Resolves to the PUBACK, or the PUBCOMP, or the PUBREC when it refuses. */
  async publish(publication: Publication): Promise<AcknowledgementPacket | undefined> {
    const { qos = 0 } = publication
    const id = qos === 0 ? 0 : (publication.id ?? this.nextId())
    this.write(encodePublish(this.version, { ...publication, id }))
    if (qos === 0) return undefined
    if (qos === 1) return this.acknowledgement("puback", id)
    const received = await this.acknowledgement("pubrec", id)
    if (received.code >= 0x80) return received
    this.acknowledge("pubrel", id)
    return this.acknowledgement("pubcomp", id)
  }

  async subscribe(
    subscriptions: string | Subscription | readonly Subscription[],
    properties?: Properties,
  ): Promise<SubackPacket> {
    const list = typeof subscriptions === "string" ? [{ filter: subscriptions }] : [subscriptions].flat()
    const id = this.nextId()
    this.write(encodeSubscribe(this.version, id, list as readonly Subscription[], properties))
    return (await this.take((packet) => packet.type === "suback" && packet.id === id)) as SubackPacket
  }

  async unsubscribe(...filters: readonly string[]): Promise<SubackPacket> {
    const id = this.nextId()
    this.write(encodeUnsubscribe(this.version, id, filters))
    return (await this.take((packet) => packet.type === "unsuback" && packet.id === id)) as SubackPacket
  }

  acknowledge(type: AcknowledgementType, id: number, code = 0): void {
    this.write(encodeAcknowledgement(this.version, { type, id, code }))
  }

  async acknowledgement(type: AcknowledgementType, id: number, limitMs?: number): Promise<AcknowledgementPacket> {
    const fits = (packet: ServerPacket): boolean => packet.type === type && (packet as AcknowledgementPacket).id === id
    return (await this.take(fits, limitMs)) as AcknowledgementPacket
  }

  /** The next packet, which must be a PUBLISH; answers it as its QoS wants, to the end of the flow. */
  async message(limitMs = this.limitMs): Promise<PublishPacket> {
    const packet = await this.expect("publish", limitMs)
    if (packet.qos === 1) this.acknowledge("puback", packet.id)
    if (packet.qos === 2) {
      this.acknowledge("pubrec", packet.id)
      await this.acknowledgement("pubrel", packet.id, limitMs)
      this.acknowledge("pubcomp", packet.id)
    }
    return packet
  }

  /** Payloads of the next `count` messages, as text. */
  async payloads(count: number, limitMs?: number): Promise<string[]> {
    const found: string[] = []
    while (found.length < count) found.push((await this.message(limitMs)).payload.toString())
    return found
  }

  /** The next packet, which must be of this type. */
  async expect<Type extends ServerPacket["type"]>(type: Type, limitMs = this.limitMs): Promise<PacketOf<Type>> {
    const packet = await this.take(() => true, limitMs, type)
    if (packet.type !== type) throw new Error(`expected ${type}, got ${shown(packet)}`)
    return packet as PacketOf<Type>
  }

  /** The first packet that fits, leaving the others where they are. */
  take(fits: (packet: ServerPacket) => boolean, limitMs = this.limitMs, what = "answer"): Promise<ServerPacket> {
    const index = this.#inbox.findIndex(fits)
    if (index >= 0) return Promise.resolve(this.#inbox.splice(index, 1)[0]!)
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const seen = (): string => (this.#inbox.length === 0 ? "" : `; waiting: ${this.#inbox.map(shown).join(", ")}`)
    if (this.#isEnded) return Promise.reject(new Error(`no ${what}: the broker closed the connection${seen()}`))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(new Error(`no ${what} within ${limitMs} ms${seen()}`))
      }, limitMs)
      const waiter: Waiter = {
        fits,
        resolve: (packet) => {
          clearTimeout(timer)
          resolve(packet)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      this.#waiters.push(waiter)
    })
  }

  /** Nothing arrives and the connection stays. */
  async silence(durationMs = silenceMs): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, durationMs))
    if (this.#failure !== undefined) throw this.#failure
    if (this.#inbox.length > 0) throw new Error(`expected nothing, got ${this.#inbox.map(shown).join(", ")}`)
    if (this.#isEnded) throw new Error("expected nothing, got the end of the connection")
  }

  /** The broker is there and has read everything before: a PINGREQ comes back, and nothing else with it. */
  async ping(): Promise<void> {
    this.write(pingreq)
    await this.expect("pingresp")
  }

  /**
   * The broker ends the connection. Resolves to its last packet if that is a CONNACK or a DISCONNECT; any other packet
   * that comes before the end is an error.
   */
  async closed(limitMs = this.limitMs): Promise<ConnackPacket | ReasonPacket | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the connection is still open after ${limitMs} ms`)), limitMs)
    })
    await Promise.race([this.#ended, late]).finally(() => clearTimeout(timer))
    if (this.#failure !== undefined) throw this.#failure
    const last = this.#inbox.splice(0)
    const [only] = last
    if (only === undefined) return undefined
    if (last.length === 1 && (only.type === "connack" || only.type === "disconnect")) return only
    throw new Error(`expected only the end, got ${last.map(shown).join(", ")}`)
  }

  /** DISCONNECT, and waits until the broker has closed. */
  async disconnect(code = 0, properties?: Properties): Promise<void> {
    this.write(encodeDisconnect(this.version, code, properties))
    this.socket.end()
    await this.#ended
  }

  /** Breaks the connection without a word. */
  async vanish(): Promise<void> {
    this.socket.resetAndDestroy()
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
    await this.#ended
  }

  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk])
    try {
      while (this.#failure === undefined && this.#readPacket()) {}
    } catch (error) {
      this.#failure = error as Error
      for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure)
    }
  }

  /** Whether a whole packet was there. */
  #readPacket(): boolean {
    const isLengthThere = this.#unread.subarray(1, 5).some((byte) => byte < 128)
    if (!isLengthThere) {
      if (this.#unread.length >= 5) throw new MqttViolation("a packet length of more than four bytes")
      return false
    }
    const reader = new BytesReader(this.#unread)
    const first = reader.byte()
    const length = reader.varint()
    if (length > reader.left) return false
    const size = this.#unread.length - reader.left + length
    if (size > this.maximumPacketSize) throw new MqttViolation(`[MQTT-3.1.2-24] a packet of ${size} bytes`)
    const packet = decode(this.version, first, reader.take(length))
    this.#unread = reader.take(reader.left)
    const index = this.#waiters.findIndex(({ fits }) => fits(packet))
    if (index >= 0) this.#waiters.splice(index, 1)[0]!.resolve(packet)
    else this.#inbox.push(packet)
    return true
  }
}

/** One packet in one line, for messages of failing tests. */
export function shown(packet: ServerPacket): string {
  const { type, ...rest } = packet as unknown as Record<string, unknown>
  const short = JSON.stringify(rest, (_key, value: unknown) => {
    const isBuffer = typeof value === "object" && (value as { type?: string } | null)?.type === "Buffer"
    return isBuffer
      ? Buffer.from((value as { data: number[] }).data)
          .toString()
          .slice(0, 40)
      : value
  })
  return `${type} ${short.slice(0, 300)}`
}
