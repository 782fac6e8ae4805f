/**
 * Packets of MQTT 3.1.1 (version 4) and 5.0, both ways. It is the testkit's own codec on purpose: a broker that is
 * judged with the codec it is built on passes with that codec's mistakes. The encoder takes what it is told; the
 * decoder is strict about everything that a broker sends.
 */
import { BytesReader, byte, frame, MqttViolation, sized, two } from "./bytes.ts"
import { decodeProperties, encodeProperties, type Properties } from "./properties.ts"
import { checkCode } from "./reason-codes.ts"

/** The protocol level: 4 is MQTT 3.1.1. */
export type Version = 4 | 5

export interface Will {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly qos?: number
  readonly retain?: boolean
  readonly properties?: Properties
}

export interface ConnectPacket {
  readonly type: "connect"
  readonly clientId: string
  /** Clean session of 3.1.1, clean start of 5.0. */
  readonly clean: boolean
  readonly keepAlive: number
  readonly will?: Will
  readonly username?: string
  readonly password?: string | Uint8Array
  readonly properties?: Properties
}

export interface ConnackPacket {
  readonly type: "connack"
  readonly sessionPresent: boolean
  readonly code: number
  readonly properties: Properties
}

export interface PublishPacket {
  readonly type: "publish"
  readonly topic: string
  readonly payload: Buffer
  readonly qos: number
  readonly retain: boolean
  readonly dup: boolean
  /** 0 with QoS 0. */
  readonly id: number
  readonly properties: Properties
}

/** What `encode` needs of a PUBLISH. */
export type Publication = Pick<PublishPacket, "topic"> & {
  readonly payload?: string | Uint8Array
  readonly qos?: number
  readonly retain?: boolean
  readonly dup?: boolean
  readonly id?: number
  readonly properties?: Properties
}

export type AcknowledgementType = "puback" | "pubrec" | "pubrel" | "pubcomp"

export interface AcknowledgementPacket {
  readonly type: AcknowledgementType
  readonly id: number
  /** 0 in version 4. */
  readonly code: number
  readonly properties: Properties
}

export interface Subscription {
  readonly filter: string
  readonly qos?: number
  readonly noLocal?: boolean
  readonly retainAsPublished?: boolean
  readonly retainHandling?: number
}

export interface SubackPacket {
  readonly type: "suback" | "unsuback"
  readonly id: number
  /** None in an UNSUBACK of version 4. */
  readonly codes: readonly number[]
  readonly properties: Properties
}

export interface ReasonPacket {
  readonly type: "disconnect" | "auth"
  readonly code: number
  readonly properties: Properties
}

/** What a broker may send. */
export type ServerPacket =
  | ConnackPacket
  | PublishPacket
  | AcknowledgementPacket
  | SubackPacket
  | ReasonPacket
  | { readonly type: "pingresp" }

export const pingreq: Buffer = Buffer.from([0xc0, 0])

export function encodeConnect(version: Version, packet: Omit<ConnectPacket, "type">): Buffer {
  const { clientId, clean, keepAlive, will, username, password, properties } = packet
  const flags =
    (clean ? 2 : 0) |
    (will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3) | (will.retain ? 32 : 0)) |
    (password === undefined ? 0 : 64) |
    (username === undefined ? 0 : 128)
  const parts = [sized("MQTT"), byte(version), byte(flags), two(keepAlive)]
  if (version === 5) parts.push(encodeProperties(properties))
  parts.push(sized(clientId))
  if (will !== undefined) {
    if (version === 5) parts.push(encodeProperties(will.properties))
    parts.push(sized(will.topic), sized(will.payload))
  }
  if (username !== undefined) parts.push(sized(username))
  if (password !== undefined) parts.push(sized(password))
  return frame(0x10, ...parts)
}

export function encodePublish(version: Version, packet: Publication): Buffer {
  const { topic, payload = "", qos = 0, retain = false, dup = false, id = 0, properties } = packet
  const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  const parts = [sized(topic)]
  if (qos > 0) parts.push(two(id))
  if (version === 5) parts.push(encodeProperties(properties))
  return frame(first, ...parts, Buffer.from(payload as string))
}

const acknowledgementBytes = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const

export function encodeAcknowledgement(
  version: Version,
  packet: { readonly type: AcknowledgementType; readonly id: number; readonly code?: number },
): Buffer {
  const { type, id, code = 0 } = packet
  const reason = version === 5 && code !== 0 ? [byte(code)] : []
  return frame(acknowledgementBytes[type], two(id), ...reason)
}

export function encodeSubscribe(
  version: Version,
  id: number,
  subscriptions: readonly Subscription[],
  properties?: Properties,
): Buffer {
  const parts = [two(id)]
  if (version === 5) parts.push(encodeProperties(properties))
  for (const { filter, qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 } of subscriptions) {
    const options = qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4)
    parts.push(sized(filter), byte(options))
  }
  return frame(0x82, ...parts)
}

export function encodeUnsubscribe(version: Version, id: number, filters: readonly string[]): Buffer {
  return frame(0xa2, two(id), ...(version === 5 ? [encodeProperties()] : []), ...filters.map(sized))
}

/** In version 4 a DISCONNECT has no body. */
export function encodeDisconnect(version: Version, code = 0, properties?: Properties): Buffer {
  if (version === 4 || (code === 0 && properties === undefined)) return frame(0xe0)
  return frame(0xe0, byte(code), ...(properties === undefined ? [] : [encodeProperties(properties)]))
}

/** Reads one packet of a broker; throws MqttViolation. */
export function decode(version: Version, first: number, body: Buffer): ServerPacket {
  const reader = new BytesReader(body)
  const packet = decodeBody(version, first, reader)
  reader.end()
  if ("code" in packet) checkCode(version, packet.type, packet.code)
  if ("codes" in packet) for (const code of packet.codes) checkCode(version, packet.type, code)
  return packet
}

const byFirst: Readonly<Record<number, ServerPacket["type"]>> = {
  32: "connack",
  64: "puback",
  80: "pubrec",
  98: "pubrel",
  112: "pubcomp",
  144: "suback",
  176: "unsuback",
  208: "pingresp",
  224: "disconnect",
  240: "auth",
}

function decodeBody(version: Version, first: number, reader: BytesReader): ServerPacket {
  if (first >> 4 === 3) return decodePublish(version, first, reader)
  const type = byFirst[first]
  const properties = (): Properties => (version === 5 ? decodeProperties(reader, type!) : {})
  switch (type) {
    case "connack": {
      const flags = reader.byte()
      if (flags > 1) throw new MqttViolation("[MQTT-3.2.2-1] reserved bits in a CONNACK")
      return { type, sessionPresent: flags === 1, code: reader.byte(), properties: properties() }
    }
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp": {
      const id = reader.two()
      // Reason and properties may be left out from the end.
      const code = version === 5 && reader.left > 0 ? reader.byte() : 0
      return { type, id, code, properties: reader.left > 0 ? properties() : {} }
    }
    case "suback":
    case "unsuback": {
      const id = reader.two()
      const found = properties()
      const codes = [...reader.take(reader.left)]
      if (version === 4 && type === "unsuback" && codes.length > 0) throw new MqttViolation("an UNSUBACK with a body")
      return { type, id, codes, properties: found }
    }
    case "disconnect":
    case "auth": {
      if (version === 4) throw new MqttViolation(`${type} from a server of version 4`)
      const code = reader.left > 0 ? reader.byte() : 0
      return { type, code, properties: reader.left > 0 ? properties() : {} }
    }
    case "pingresp":
      return { type }
    default:
      throw new MqttViolation(`a packet that begins with 0x${first.toString(16)} from a server`)
  }
}

function decodePublish(version: Version, first: number, reader: BytesReader): PublishPacket {
  const qos = (first >> 1) & 3
  const dup = (first & 8) !== 0
  if (qos === 3) throw new MqttViolation("[MQTT-3.3.1-4] QoS 3")
  if (qos === 0 && dup) throw new MqttViolation("[MQTT-3.3.1-2] DUP with QoS 0")
  const topic = reader.string()
  if (/[+#]/.test(topic)) throw new MqttViolation(`[MQTT-3.3.2-2] wildcards in ${topic}`)
  const id = qos > 0 ? reader.two() : 0
  if (qos > 0 && id === 0) throw new MqttViolation("[MQTT-2.2.1-4] packet id 0")
  const properties = version === 5 ? decodeProperties(reader, "publish") : {}
  const payload = Buffer.from(reader.take(reader.left))
  return { type: "publish", topic, payload, qos, retain: (first & 1) === 1, dup, id, properties }
}
