/** CONNECT (3.1), strictly. MQTT 3.1 (`MQIsdp`, level 3) is spoken as 3.1.1, as old devices expect of a broker. */
import type { ByteCursor } from "./byte-cursor.ts"
import { maxProtocolPacketBytes, type ProtocolVersion, packetType, type Qos } from "./packet-type.ts"
import { encodeProperties, type Properties, readProperties, type UserProperty, willProperties } from "./properties.ts"
import { malformed, protocolError, type Refusal, reason } from "./reason.ts"
import { isTopicText } from "./topic-bytes.ts"

export interface Will {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: Qos
  readonly isRetained: boolean
  /** 0 in 3.1.1. */
  readonly delaySeconds: number
  /** -1 for none. */
  readonly messageExpirySeconds: number
  /** The properties that subscribers get, as bytes. */
  readonly properties: Buffer
}

/** All fields have their values by default where the client was silent. Nothing refers to the bytes that were read. */
export interface Connect {
  readonly version: ProtocolVersion
  /** 3 for MQTT 3.1. */
  readonly level: 3 | 4 | 5
  /** Empty when the server shall choose one. */
  readonly clientId: string
  readonly isCleanStart: boolean
  readonly keepAliveSeconds: number
  readonly userName: string | undefined
  readonly password: Buffer | undefined
  readonly will: Will | undefined
  /** 0: the session ends with the connection; 0xffffffff: never. In 3.1.1 one of the two, by its clean session flag. */
  readonly sessionExpirySeconds: number
  /** How many of our QoS 1 and 2 messages may be under way. */
  readonly receiveMaximum: number
  readonly maximumPacketBytes: number
  /** 0: the client takes no aliases. */
  readonly topicAliasMaximum: number
  readonly wantsResponseInformation: boolean
  /** False: no reason strings and user properties but in PUBLISH, CONNACK and DISCONNECT. [MQTT-3.1.2-29] */
  readonly wantsProblemInformation: boolean
  readonly authenticationMethod: string | undefined
  readonly authenticationData: Buffer | undefined
  readonly userProperties: readonly UserProperty[]
}

const neverExpires = 0xffff_ffff

const badProtocol: Refusal = {
  reason: reason.unsupportedProtocolVersion,
  why: "The protocol is not MQTT 3.1, 3.1.1 or 5.0",
}
const badClientId: Refusal = {
  reason: reason.clientIdentifierNotValid,
  why: "An empty client identifier needs a clean session",
}
const badFlag = malformed("The reserved flag of CONNECT is set")
const badWillFlags = malformed("CONNECT has flags of a will, but no will, or the will has QoS 3")
const lonelyPassword = malformed("CONNECT has a password without a user name")
const badWillTopic = malformed("The topic of the will is empty or has a wildcard")
const badResponseTopic = malformed("The response topic of the will is empty or has a wildcard")
const lonelyData = protocolError("CONNECT has authentication data without a method")
const tooLong = malformed("CONNECT is longer than its fields")

const levels: ReadonlyMap<string, readonly number[]> = new Map([
  ["MQTT", [4, 5]],
  ["MQIsdp", [3]],
])

/** @param tell is told the version as soon as it is known: a refusal is answered in it. */
export function parseConnect(cursor: ByteCursor, tell: (version: ProtocolVersion) => void): Connect {
  // [MQTT-3.1.2-1, MQTT-3.1.2-2]
  const name = cursor.text()
  const level = cursor.byte() as Connect["level"]
  if (levels.get(name)?.includes(level) !== true) cursor.refuse(badProtocol)
  const version = level === 5 ? 5 : 4
  tell(version)
  const flags = cursor.byte()
  checkFlags(cursor, flags, version)
  const keepAliveSeconds = cursor.twoBytes()
  const properties = version === 5 ? readProperties(cursor, packetType.connect) : {}
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    cursor.refuse(lonelyData)
  }
  const clientId = cursor.text()
  const isCleanStart = (flags & 2) !== 0
  // [MQTT-3.1.3-7, MQTT-3.1.3-8 of 3.1.1]. MQTT 3.1 knows no empty identifiers at all.
  if (clientId === "" && (level === 3 || (level === 4 && !isCleanStart))) cursor.refuse(badClientId)
  const will = (flags & 4) === 0 ? undefined : parseWill(cursor, flags, version)
  const userName = (flags & 0x80) === 0 ? undefined : cursor.text()
  const password = (flags & 0x40) === 0 ? undefined : cursor.binary()
  if (!cursor.isAtEnd) cursor.refuse(tooLong)
  const silent = version === 4 && !isCleanStart ? neverExpires : 0
  return {
    version,
    level,
    clientId,
    isCleanStart,
    keepAliveSeconds,
    userName,
    password,
    will,
    sessionExpirySeconds: properties.sessionExpiryInterval ?? silent,
    receiveMaximum: properties.receiveMaximum ?? 65_535,
    maximumPacketBytes: properties.maximumPacketSize ?? maxProtocolPacketBytes,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
    wantsResponseInformation: properties.requestResponseInformation === 1,
    wantsProblemInformation: properties.requestProblemInformation !== 0,
    authenticationMethod: properties.authenticationMethod,
    authenticationData: properties.authenticationData,
    userProperties: properties.userProperties ?? [],
  }
}

function checkFlags(cursor: ByteCursor, flags: number, version: ProtocolVersion): void {
  // [MQTT-3.1.2-3]
  if ((flags & 1) !== 0) cursor.refuse(badFlag)
  const willQos = (flags >> 3) & 3
  // [MQTT-3.1.2-11, MQTT-3.1.2-12, MQTT-3.1.2-13]
  if (willQos === 3 || ((flags & 4) === 0 && (flags & 0x38) !== 0)) cursor.refuse(badWillFlags)
  // [MQTT-3.1.2-22 of 3.1.1]; 5.0 allows it.
  if (version === 4 && (flags & 0xc0) === 0x40) cursor.refuse(lonelyPassword)
}

function parseWill(cursor: ByteCursor, flags: number, version: ProtocolVersion): Will {
  const properties: Properties = version === 5 ? readProperties(cursor, willProperties) : {}
  const { willDelayInterval = 0, messageExpiryInterval = -1, ...forwarded } = properties
  if (forwarded.responseTopic !== undefined && !isTopic(Buffer.from(forwarded.responseTopic))) {
    cursor.refuse(badResponseTopic)
  }
  const topic = cursor.text()
  if (!isTopic(cursor.bytes.subarray(cursor.from, cursor.to))) cursor.refuse(badWillTopic)
  const payload = cursor.binary()
  return {
    topic,
    payload,
    qos: ((flags >> 3) & 3) as Qos,
    isRetained: (flags & 0x20) !== 0,
    delaySeconds: willDelayInterval,
    messageExpirySeconds: messageExpiryInterval,
    properties: encodeProperties(forwarded),
  }
}

const isTopic = (bytes: Uint8Array): boolean => bytes.length > 0 && isTopicText(bytes, 0, bytes.length)
