/**
 * A PUBLISH as places in its bytes.
 *
 * F1 One object is filled again for every PUBLISH of a connection: what a receiver keeps, it copies before it returns.
 * F2 Texts and user properties become strings only when somebody asks.
 */
import { ByteCursor } from "./byte-cursor.ts"
import { type ProtocolVersion, packetType, type Qos } from "./packet-type.ts"
import { decodeProperties, type Properties, PropertyScan, propertyId } from "./properties.ts"
import { malformed, protocolError, type Refusal } from "./reason.ts"
import { isTopicText } from "./topic-bytes.ts"

const nothing = Buffer.alloc(0)

export class PublishFrame {
  buffer: Buffer = nothing
  topicStart = 0
  /** Equals `topicStart` when only an alias names the topic. */
  topicEnd = 0
  payloadStart = 0
  payloadEnd = 0
  /** Properties without their length; empty in 3.1.1. */
  propertiesStart = 0
  propertiesEnd = 0
  qos: Qos = 0
  isDuplicate = false
  isRetained = false
  /** 0 with QoS 0. */
  packetId = 0
  /** 0 for none. */
  topicAlias = 0
  /** -1 for none. */
  messageExpirySeconds = -1
  /** 1 when the sender says that the payload is UTF-8. */
  payloadFormat = 0
  /** Places of the properties that end at this hop; -1 for none. */
  topicAliasAt = -1
  messageExpiryAt = -1
}

const badQos = malformed("A PUBLISH has QoS 3")
const badDuplicate = malformed("A PUBLISH with QoS 0 is marked as a duplicate")
const cut = malformed("A PUBLISH is shorter than its fields")
const badTopic = malformed("A topic name is not well-formed UTF-8, or has a wildcard or the character U+0000")
const emptyTopic = malformed("A topic name is empty")
const noTopic = protocolError("A PUBLISH has neither a topic name nor a topic alias")
const badId = malformed("A PUBLISH has the packet identifier 0")
const subscriptionIdentifier = protocolError("A PUBLISH of a client has a subscription identifier")
const badResponseTopic = malformed("A response topic has a wildcard or is empty")

/** Fills frames; one a connection. */
export class PublishParser {
  readonly frame = new PublishFrame()
  readonly #cursor = new ByteCursor()
  readonly #scan = new PropertyScan()

  /** @param first the packet's first byte; `at` and `end` are the place of what follows its length. */
  parse(version: ProtocolVersion, first: number, bytes: Buffer, at: number, end: number): Refusal | undefined {
    const { frame } = this
    const qos = ((first >> 1) & 3) as Qos
    // [MQTT-3.3.1-4, MQTT-3.3.1-2]
    if ((qos as number) === 3) return badQos
    const isDuplicate = (first & 8) !== 0
    if (isDuplicate && qos === 0) return badDuplicate
    const topicStart = at + 2
    if (topicStart > end) return cut
    const topicEnd = topicStart + ((bytes[at]! << 8) | bytes[at + 1]!)
    let place = qos === 0 ? topicEnd : topicEnd + 2
    if (place > end) return cut
    if (!isTopicText(bytes, topicStart, topicEnd)) return badTopic
    const packetId = qos === 0 ? 0 : (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!
    // [MQTT-2.2.1-3]
    if (qos !== 0 && packetId === 0) return badId
    frame.buffer = bytes
    frame.topicStart = topicStart
    frame.topicEnd = topicEnd
    frame.qos = qos
    frame.isDuplicate = isDuplicate
    frame.isRetained = (first & 1) !== 0
    frame.packetId = packetId
    frame.topicAlias = 0
    frame.messageExpirySeconds = -1
    frame.payloadFormat = 0
    frame.topicAliasAt = -1
    frame.messageExpiryAt = -1
    if (version === 5 && (place >= end || bytes[place] !== 0)) {
      const refusal = this.#properties(bytes, place, end)
      if (refusal !== undefined) return refusal
      place = frame.propertiesEnd
    } else {
      // One byte says that there are none: the usual case costs no scan.
      if (version === 5) place++
      frame.propertiesStart = place
      frame.propertiesEnd = place
    }
    if (topicStart === topicEnd && frame.topicAlias === 0) return version === 5 ? noTopic : emptyTopic
    frame.payloadStart = place
    frame.payloadEnd = end
    return undefined
  }

  #properties(bytes: Buffer, at: number, end: number): Refusal | undefined {
    const { frame } = this
    const cursor = this.#cursor
    const scan = this.#scan
    cursor.begin(bytes, at, end)
    scan.begin(cursor, packetType.publish)
    while (scan.next()) {
      switch (scan.rule.id) {
        case 0x01:
          frame.payloadFormat = scan.number
          break
        case propertyId.messageExpiryInterval:
          frame.messageExpirySeconds = scan.number
          frame.messageExpiryAt = scan.at
          break
        case propertyId.responseTopic:
          // [MQTT-3.3.2-14]
          if (cursor.from === cursor.to || !isTopicText(bytes, cursor.from, cursor.to)) cursor.refuse(badResponseTopic)
          break
        case propertyId.subscriptionIdentifier:
          // [MQTT-3.3.4-6]
          cursor.refuse(subscriptionIdentifier)
          break
        case propertyId.topicAlias:
          frame.topicAlias = scan.number
          frame.topicAliasAt = scan.at
          break
      }
    }
    frame.propertiesStart = scan.start
    frame.propertiesEnd = cursor.at
    scan.end()
    return cursor.refusal
  }
}

/** The properties as an object of its own, which may be kept. */
export function propertiesOf({ buffer, propertiesStart, propertiesEnd }: PublishFrame): Properties {
  return decodeProperties(buffer, { start: propertiesStart, end: propertiesEnd, type: packetType.publish })
}

/**
 * A copy of the properties that go on to subscribers unaltered [MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20]: all but
 * the alias, which belongs to this connection, and the expiry, which is written anew for each of them.
 */
export function forwardedProperties(frame: PublishFrame): Buffer {
  const { buffer, propertiesStart: start, propertiesEnd: end, topicAliasAt, messageExpiryAt } = frame
  if (start === end) return nothing
  const forwarded = Buffer.allocUnsafe(end - start)
  let length = 0
  let from = start
  const skip = (at: number, bytes: number): void => {
    length += buffer.copy(forwarded, length, from, at)
    from = at + bytes
  }
  const skipAlias = (): void => (topicAliasAt < 0 ? undefined : skip(topicAliasAt, 3))
  if (topicAliasAt < messageExpiryAt) skipAlias()
  if (messageExpiryAt >= 0) skip(messageExpiryAt, 5)
  if (topicAliasAt > messageExpiryAt) skipAlias()
  skip(end, 0)
  return forwarded.subarray(0, length)
}
