/** The packets that only a client sends: CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT. */
import type { Qos } from "../message.ts"
import { variableIntegerBytes, writeVariableInteger } from "../wire/byte-cursor.ts"
import { fixedFlags, type ProtocolVersion, packetType } from "../wire/packet-type.ts"
import { encodeProperties, lengthAndBytes, type Properties } from "../wire/properties.ts"

export interface Hello {
  readonly version: ProtocolVersion
  /** Sets the bit by which some brokers of 3.1.1 know a bridge, and send it nothing of its own back. */
  readonly isMarkedAsBridge: boolean
  readonly clientId: string
  readonly keepAliveS: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** Left out in 3.1.1. */
  readonly properties: Properties
}

const bridgeBit = 0x80

/** Always for a session that stays. */
export function encodeConnect(hello: Hello): Buffer {
  const { version, isMarkedAsBridge, clientId, keepAliveS, username, password, properties } = hello
  const flags = (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40)
  const parts = [
    lengthAndBytes(Buffer.from("MQTT")),
    Buffer.of(version | (isMarkedAsBridge ? bridgeBit : 0), flags, keepAliveS >> 8, keepAliveS & 0xff),
    ...(version === 5 ? [measured(properties)] : []),
    ...[clientId, username, password].flatMap((text) =>
      text === undefined ? [] : [lengthAndBytes(Buffer.from(text))],
    ),
  ]
  return packet(packetType.connect, parts)
}

/** In 5.0 without what the client published itself, and retained messages only where the subscription is new. */
export function encodeSubscribe(
  version: ProtocolVersion,
  packetId: number,
  filters: Iterable<readonly [filter: string, qos: Qos]>,
): Buffer {
  const noLocal = 4
  const retainAsPublished = 8
  const retainedWhenNew = 0x10
  const bits = version === 5 ? noLocal | retainAsPublished | retainedWhenNew : 0
  const asked = Array.from(filters, ([filter, qos]) => [lengthAndBytes(Buffer.from(filter)), Buffer.of(qos | bits)])
  return packet(packetType.subscribe, [...head(version, packetId), ...asked.flat()])
}

export function encodeUnsubscribe(version: ProtocolVersion, packetId: number, filters: readonly string[]): Buffer {
  const named = filters.map((filter) => lengthAndBytes(Buffer.from(filter)))
  return packet(packetType.unsubscribe, [...head(version, packetId), ...named])
}

export const pingreq = Buffer.of(packetType.pingreq << 4, 0)
/** A normal end, in both versions. */
export const disconnect = Buffer.of(packetType.disconnect << 4, 0)

function head(version: ProtocolVersion, packetId: number): Buffer[] {
  return [Buffer.of(packetId >> 8, packetId & 0xff), ...(version === 5 ? [Buffer.of(0)] : [])]
}

function measured(properties: Properties): Buffer {
  const bytes = encodeProperties(properties)
  const length = Buffer.alloc(variableIntegerBytes(bytes.length))
  writeVariableInteger(length, 0, bytes.length)
  return Buffer.concat([length, bytes])
}

function packet(type: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const first = Buffer.alloc(1 + variableIntegerBytes(body.length))
  first[0] = (type << 4) | fixedFlags[type]!
  writeVariableInteger(first, 1, body.length)
  return Buffer.concat([first, body])
}
