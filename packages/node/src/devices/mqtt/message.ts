/** One application message on its way through the node, and its bytes in the log. */

export type Qos = 0 | 1 | 2

/** Its bytes belong to it: nobody changes them. */
export interface Message {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: Qos
  readonly retain: boolean
  /** Wall time at which nobody needs it any more, µs since 1970 UTC. */
  readonly expiresAt: number | undefined
  /**
   * What MQTT 5 hands on unaltered: content type, response topic, user properties and their like, as the bytes that
   * stand in a PUBLISH; empty where there is nothing. [MQTT-3.3.2-17, -18, -20]
   */
  readonly properties: Uint8Array
}

/** About what a message takes in memory, bytes. */
export function weightOf({ topic, payload, properties }: Message): number {
  return payload.length + properties.length + topic.length * 2 + 200
}

/** The same message in memory of its own: one that is kept for long holds no page that it shared with others. */
export function ownMemory(message: Message): Message {
  return { ...message, payload: copied(message.payload), properties: copied(message.properties) }
}

const copied = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const formatVersion = 1
/** version u8 | qos and retain u8 | topic bytes u16 | properties bytes u32 | expires f64 | topic | properties | payload */
const headBytes = 16

/** Writes the message behind `prefixBytes` bytes that the caller fills. */
export function encodeMessage(message: Message, prefixBytes = 0): Buffer {
  const { topic, payload, properties } = message
  const topicBytes = Buffer.byteLength(topic)
  const buffer = Buffer.allocUnsafe(prefixBytes + headBytes + topicBytes + properties.length + payload.length)
  let at = prefixBytes
  buffer[at] = formatVersion
  buffer[at + 1] = message.qos | (message.retain ? retainBit : 0)
  buffer.writeUInt16LE(topicBytes, at + 2)
  buffer.writeUInt32LE(properties.length, at + 4)
  buffer.writeDoubleLE(message.expiresAt ?? Number.POSITIVE_INFINITY, at + 8)
  at += headBytes
  at += buffer.write(topic, at)
  buffer.set(properties, at)
  buffer.set(payload, at + properties.length)
  return buffer
}

/** Undefined when these are not the bytes of a message. The message keeps referring to them. */
export function decodeMessage(bytes: Uint8Array, from = 0): Message | undefined {
  if (bytes.length < from + headBytes || bytes[from] !== formatVersion) return undefined
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset + from, bytes.length - from)
  const qos = buffer[1]! & qosBits
  const topicEnd = headBytes + buffer.readUInt16LE(2)
  const propertiesEnd = topicEnd + buffer.readUInt32LE(4)
  if (propertiesEnd > buffer.length || qos > 2) return undefined
  const expires = buffer.readDoubleLE(8)
  return {
    topic: buffer.toString("utf8", headBytes, topicEnd),
    payload: buffer.subarray(propertiesEnd),
    qos: qos as Qos,
    retain: (buffer[1]! & retainBit) !== 0,
    expiresAt: Number.isFinite(expires) ? expires : undefined,
    properties: buffer.subarray(topicEnd, propertiesEnd),
  }
}

const qosBits = 3
const retainBit = 4
