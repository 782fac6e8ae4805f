/** SUBSCRIBE (3.8) and UNSUBSCRIBE (3.10), strictly. */
import type { ByteCursor } from "./byte-cursor.ts"
import { type ProtocolVersion, packetType, type Qos } from "./packet-type.ts"
import { readProperties, type UserProperty } from "./properties.ts"
import { malformed, protocolError } from "./reason.ts"
import { isFilterText, isShared, isSharedFilterText } from "./topic-bytes.ts"

export interface RequestedSubscription {
  /** Whole, with `$share/<name>/` where it is shared. */
  readonly filter: string
  readonly qos: Qos
  /** The client does not want what it published itself. */
  readonly noLocal: boolean
  /** The retain flag of what is forwarded stays as it was published. */
  readonly retainAsPublished: boolean
  /** Retained messages are sent: 0 always, 1 when the subscription is new, 2 never. */
  readonly retainHandling: 0 | 1 | 2
}

export interface Subscribe {
  readonly packetId: number
  /** 0 for none. */
  readonly subscriptionIdentifier: number
  /** At least one. */
  readonly subscriptions: readonly RequestedSubscription[]
  readonly userProperties: readonly UserProperty[]
}

export interface Unsubscribe {
  readonly packetId: number
  /** At least one. */
  readonly filters: readonly string[]
  readonly userProperties: readonly UserProperty[]
}

const badId = malformed("A SUBSCRIBE or UNSUBSCRIBE has the packet identifier 0")
const noFilters = protocolError("A SUBSCRIBE or UNSUBSCRIBE has no topic filter")
const badFilter = malformed("A topic filter is empty, or has a wildcard in a wrong place")
const badShared = malformed("A shared subscription is not of the form $share/name/filter")
const badOptions = malformed("Reserved bits of subscription options are set")
const badQos = malformed("A subscription asks for QoS 3")
const badRetainHandling = protocolError("A subscription has the retain handling 3")
const sharedNoLocal = protocolError("A shared subscription has no-local set")

export function parseSubscribe(cursor: ByteCursor, version: ProtocolVersion): Subscribe {
  const packetId = parsePacketId(cursor)
  const properties = version === 5 ? readProperties(cursor, packetType.subscribe) : {}
  const subscriptions: RequestedSubscription[] = []
  // [MQTT-3.8.3-2]
  if (cursor.isAtEnd) cursor.refuse(noFilters)
  while (!cursor.isAtEnd) subscriptions.push(parseSubscription(cursor, version))
  const { subscriptionIdentifier = 0, userProperties = [] } = properties
  return { packetId, subscriptionIdentifier, subscriptions, userProperties }
}

export function parseUnsubscribe(cursor: ByteCursor, version: ProtocolVersion): Unsubscribe {
  const packetId = parsePacketId(cursor)
  const { userProperties = [] } = version === 5 ? readProperties(cursor, packetType.unsubscribe) : {}
  const filters: string[] = []
  // [MQTT-3.10.3-2]
  if (cursor.isAtEnd) cursor.refuse(noFilters)
  while (!cursor.isAtEnd) {
    passFilter(cursor)
    filters.push(cursor.passedText())
  }
  return { packetId, filters, userProperties }
}

function parseSubscription(cursor: ByteCursor, version: ProtocolVersion): RequestedSubscription {
  passFilter(cursor)
  const filter = cursor.passedText()
  const shared = isShared(cursor.bytes, cursor.from, cursor.to)
  const options = cursor.byte()
  // [MQTT-3.8.3-5]; in 3.1.1 the six upper bits are reserved [MQTT-3-8.3-4].
  if ((options & (version === 5 ? 0xc0 : 0xfc)) !== 0) cursor.refuse(badOptions)
  if ((options & 3) === 3) cursor.refuse(badQos)
  if ((options & 0x30) === 0x30) cursor.refuse(badRetainHandling)
  const noLocal = (options & 4) !== 0
  // [MQTT-3.8.3-4]
  if (noLocal && shared) cursor.refuse(sharedNoLocal)
  return {
    filter,
    qos: (options & 3) as Qos,
    noLocal,
    retainAsPublished: (options & 8) !== 0,
    retainHandling: ((options >> 4) & 3) as 0 | 1 | 2,
  }
}

function passFilter(cursor: ByteCursor): void {
  cursor.passText()
  const { bytes, from, to } = cursor
  if (cursor.refusal !== undefined) return
  if (isShared(bytes, from, to)) {
    if (!isSharedFilterText(bytes, from, to)) cursor.refuse(badShared)
  } else if (!isFilterText(bytes, from, to)) cursor.refuse(badFilter)
}

function parsePacketId(cursor: ByteCursor): number {
  const packetId = cursor.twoBytes()
  // [MQTT-2.2.1-3]
  if (packetId === 0) cursor.refuse(badId)
  return packetId
}
