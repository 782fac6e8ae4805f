/**
 * Sessions as they lie in the log: keyed records of the kind `session`, whose keys begin with what they are about.
 *
 * | key                       | value                                                     |
 * |---------------------------|-----------------------------------------------------------|
 * | `session/<client id>`     | JSON: number, owner, expiry, when it was left             |
 * | `filter/<number>/<filter>`| JSON: options of a subscription                           |
 * | `queue/<number>/<place>`  | a delivery: head, then its message or the id of a shared one |
 * | `message/<id>`            | a message that several deliveries share                   |
 * | `incoming/<number>/<id>`  | empty: a QoS 2 identifier of the client that is not released |
 * | `will/<client id>`        | JSON head, then the message                               |
 * | `retained/<topic>`        | a message                                                 |
 */
import type { KeyedRecord } from "@brume/core"
import { decodeMessage, encodeMessage, type Message } from "../message.ts"
import type { SubscriptionOptions } from "../topics/subscription.ts"
import type { SessionFacts } from "./session.ts"

export const prefix = {
  session: "session/",
  filter: "filter/",
  queue: "queue/",
  message: "message/",
  incoming: "incoming/",
  will: "will/",
  retained: "retained/",
} as const

export interface StoredSession extends Omit<SessionFacts, "clientId"> {
  /** Seconds; null where it never ends by itself. */
  readonly expiryS: number | null
  readonly detachedAt?: number
}

export interface StoredWill {
  readonly delayS: number
  readonly owner: string
}

const empty = new Uint8Array(0)

export function removed(key: string): KeyedRecord {
  return { kind: "session", key, value: undefined }
}

function put(key: string, value: Uint8Array): KeyedRecord {
  return { kind: "session", key, value }
}

function json(key: string, value: unknown): KeyedRecord {
  return put(key, Buffer.from(JSON.stringify(value)))
}

export const sessionKey = (clientId: string): string => prefix.session + clientId
export const filterKey = (session: number, filter: string): string => `${prefix.filter}${session}/${filter}`
export const queueKey = (session: number, place: number): string => `${prefix.queue}${session}/${place}`
export const messageKey = (id: number): string => prefix.message + id
export const incomingKey = (session: number, packetId: number): string => `${prefix.incoming}${session}/${packetId}`
export const willKey = (clientId: string): string => prefix.will + clientId
export const retainedKey = (topic: string): string => prefix.retained + topic

export function sessionRecord(clientId: string, stored: StoredSession): KeyedRecord {
  return json(sessionKey(clientId), stored)
}

export function filterRecord(session: number, filter: string, options: SubscriptionOptions): KeyedRecord {
  return json(filterKey(session, filter), options)
}

export function incomingRecord(session: number, packetId: number): KeyedRecord {
  return put(incomingKey(session, packetId), empty)
}

export function messageRecord(id: number, message: Message): KeyedRecord {
  return put(messageKey(id), encodeMessage(message))
}

export function retainedRecord(message: Message): KeyedRecord {
  return put(retainedKey(message.topic), encodeMessage(message))
}

export function willRecord(clientId: string, will: StoredWill, message: Message): KeyedRecord {
  const head = Buffer.from(JSON.stringify(will))
  const value = encodeMessage(message, 2 + head.length)
  value.writeUInt16LE(head.length, 0)
  head.copy(value, 2)
  return put(willKey(clientId), value)
}

export function parseWill(value: Uint8Array): { readonly will: StoredWill; readonly message: Message } | undefined {
  if (value.length < 2) return undefined
  const headBytes = value[0]! | (value[1]! << 8)
  const will = parseJson<StoredWill>(value.subarray(2, 2 + headBytes))
  const message = decodeMessage(value, 2 + headBytes)
  return will === undefined || message === undefined ? undefined : { will, message }
}

/** A delivery in the log. */
export interface StoredDelivery {
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly isReleased: boolean
  /** Somebody was connected when it came, so that it may have been sent. */
  readonly mayBeSent: boolean
  readonly subscriptionIdentifiers: readonly number[]
  /** Undefined once it is released, and where the message is shared. */
  readonly message: Message | undefined
  readonly sharedId: number | undefined
}

const flags = { retain: 4, released: 8, shared: 16, mayBeSent: 32 } as const
/** flags u8 | number of subscription identifiers u8 | 0 u16 | shared id f64 | identifiers u32 … | message */
const headBytes = 12
/** What one byte counts. */
const mostIdentifiers = 255

export function deliveryRecord(session: number, place: number, delivery: StoredDelivery): KeyedRecord {
  const { qos, retain, isReleased, mayBeSent, message, sharedId } = delivery
  const ids = delivery.subscriptionIdentifiers.slice(0, mostIdentifiers)
  const prefixBytes = headBytes + ids.length * 4
  const value = message === undefined ? Buffer.alloc(prefixBytes) : encodeMessage(message, prefixBytes)
  value[0] =
    qos |
    (retain ? flags.retain : 0) |
    (isReleased ? flags.released : 0) |
    (sharedId === undefined ? 0 : flags.shared) |
    (mayBeSent ? flags.mayBeSent : 0)
  value[1] = ids.length
  value.writeUInt16LE(0, 2)
  value.writeDoubleLE(sharedId ?? 0, 4)
  for (const [index, id] of ids.entries()) value.writeUInt32LE(id, headBytes + index * 4)
  return put(queueKey(session, place), value)
}

export function parseDelivery(value: Uint8Array): StoredDelivery | undefined {
  if (value.length < headBytes) return undefined
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length)
  const bits = buffer[0]!
  const qos = bits & 3
  const count = buffer[1]!
  const start = headBytes + count * 4
  if ((qos !== 1 && qos !== 2) || start > buffer.length) return undefined
  const isReleased = (bits & flags.released) !== 0
  const isShared = (bits & flags.shared) !== 0
  const message = isReleased || isShared ? undefined : decodeMessage(value, start)
  if (message === undefined && !isReleased && !isShared) return undefined
  return {
    qos,
    retain: (bits & flags.retain) !== 0,
    isReleased,
    mayBeSent: (bits & flags.mayBeSent) !== 0,
    subscriptionIdentifiers: Array.from({ length: count }, (_, at) => buffer.readUInt32LE(headBytes + at * 4)),
    message,
    sharedId: isShared ? buffer.readDoubleLE(4) : undefined,
  }
}

/** Undefined when it is not what this module writes. */
export function parseJson<T extends object>(value: Uint8Array): T | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString())
    return typeof parsed === "object" && parsed !== null ? (parsed as T) : undefined
  } catch {
    return undefined
  }
}

/** `<number>/<rest>` behind a prefix. */
export function splitKey(key: string, from: number): { readonly session: number; readonly rest: string } | undefined {
  const slash = key.indexOf("/", from)
  const session = Number(key.slice(from, slash))
  return slash === -1 || !Number.isSafeInteger(session) ? undefined : { session, rest: key.slice(slash + 1) }
}
