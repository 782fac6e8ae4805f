/**
 * Properties of MQTT 5.0 (2.2.2): one table says their names, forms, ranges and packets, for reading and for writing.
 *
 * Unknown here, or in this packet: malformed. Twice, or a value that the protocol forbids: a protocol error.
 */
import { ByteCursor, variableIntegerBytes, writeVariableInteger } from "./byte-cursor.ts"
import { packetType } from "./packet-type.ts"
import { malformed, protocolError, type Refusal, reason } from "./reason.ts"

export type UserProperty = readonly [name: string, value: string]

export interface Properties {
  payloadFormatIndicator?: number
  messageExpiryInterval?: number
  contentType?: string
  responseTopic?: string
  correlationData?: Buffer
  subscriptionIdentifier?: number
  sessionExpiryInterval?: number
  assignedClientIdentifier?: string
  serverKeepAlive?: number
  authenticationMethod?: string
  authenticationData?: Buffer
  requestProblemInformation?: number
  willDelayInterval?: number
  requestResponseInformation?: number
  responseInformation?: string
  serverReference?: string
  reasonString?: string
  receiveMaximum?: number
  topicAliasMaximum?: number
  topicAlias?: number
  maximumQos?: number
  retainAvailable?: number
  userProperties?: readonly UserProperty[]
  maximumPacketSize?: number
  wildcardSubscriptionAvailable?: number
  subscriptionIdentifierAvailable?: number
  sharedSubscriptionAvailable?: number
}

type Form = "byte" | "two" | "four" | "integer" | "text" | "binary" | "pair"

export interface PropertyRule {
  readonly id: number
  readonly name: keyof Properties
  readonly form: Form
  /** A bit for each type of packet. */
  readonly packets: number
  readonly min: number
  readonly max: number
  /** The reason when the value is out of range. */
  readonly reason: number
}

/** The properties of a will stand in CONNECT, in a place of their own; type 0 is reserved, so its bit is free. */
export const willProperties = 0

const rules: (PropertyRule | undefined)[] = []

interface Range {
  readonly min?: number
  readonly max?: number
  readonly reason?: number
}

function rule(id: number, name: keyof Properties, form: Form, packets: readonly number[], range: Range = {}): void {
  rules[id] = {
    id,
    name,
    form,
    packets: packets.reduce((bits, type) => bits | (1 << type), 0),
    min: range.min ?? 0,
    max: range.max ?? Number.POSITIVE_INFINITY,
    reason: range.reason ?? reason.protocolError,
  }
}

const { connect, connack, publish, subscribe, disconnect, auth } = packetType
const { puback, pubrec, pubrel, pubcomp, suback, unsubscribe, unsuback } = packetType
const message = [publish, willProperties]
const flag: Range = { max: 1 }
rule(0x01, "payloadFormatIndicator", "byte", message, flag)
rule(0x02, "messageExpiryInterval", "four", message)
rule(0x03, "contentType", "text", message)
rule(0x08, "responseTopic", "text", message)
rule(0x09, "correlationData", "binary", message)
rule(0x0b, "subscriptionIdentifier", "integer", [publish, subscribe], { min: 1 })
rule(0x11, "sessionExpiryInterval", "four", [connect, connack, disconnect])
rule(0x12, "assignedClientIdentifier", "text", [connack])
rule(0x13, "serverKeepAlive", "two", [connack])
rule(0x15, "authenticationMethod", "text", [connect, connack, auth])
rule(0x16, "authenticationData", "binary", [connect, connack, auth])
rule(0x17, "requestProblemInformation", "byte", [connect], flag)
rule(0x18, "willDelayInterval", "four", [willProperties])
rule(0x19, "requestResponseInformation", "byte", [connect], flag)
rule(0x1a, "responseInformation", "text", [connack])
rule(0x1c, "serverReference", "text", [connack, disconnect])
const answers = [puback, pubrec, pubrel, pubcomp, suback, unsuback]
rule(0x1f, "reasonString", "text", [connack, ...answers, disconnect, auth])
rule(0x21, "receiveMaximum", "two", [connect, connack], { min: 1 })
rule(0x22, "topicAliasMaximum", "two", [connect, connack])
// [MQTT-3.3.2-8]
rule(0x23, "topicAlias", "two", [publish], { min: 1, reason: reason.topicAliasInvalid })
rule(0x24, "maximumQos", "byte", [connack], flag)
rule(0x25, "retainAvailable", "byte", [connack], flag)
rule(0x26, "userProperties", "pair", [
  connect,
  connack,
  ...message,
  ...answers,
  subscribe,
  unsubscribe,
  disconnect,
  auth,
])
rule(0x27, "maximumPacketSize", "four", [connect, connack], { min: 1 })
rule(0x28, "wildcardSubscriptionAvailable", "byte", [connack], flag)
rule(0x29, "subscriptionIdentifierAvailable", "byte", [connack], flag)
rule(0x2a, "sharedSubscriptionAvailable", "byte", [connack], flag)

export const propertyId = {
  messageExpiryInterval: 0x02,
  responseTopic: 0x08,
  subscriptionIdentifier: 0x0b,
  topicAlias: 0x23,
} as const

const misplaced = malformed("A property is unknown, or not allowed in this packet")
const beyond = malformed("The properties are longer than their packet")
const twice = protocolError("A property stands twice")
const outOfRange: ReadonlyMap<number, Refusal> = new Map(
  [reason.protocolError, reason.topicAliasInvalid].map((code) => [
    code,
    { reason: code, why: "A property has a value that is not allowed" },
  ]),
)

/**
 * Walks over the properties of a packet, allocating nothing:
 * `scan.begin(cursor, type); while (scan.next()) …; scan.end()`. What is wrong is the cursor's refusal.
 */
export class PropertyScan {
  #cursor!: ByteCursor
  #type = 0
  #packetEnd = 0
  #seenLow = 0
  #seenHigh = 0
  /** Where the properties begin, behind their length. */
  start = 0
  /** Of the property at hand: */
  rule!: PropertyRule
  at = 0
  number = 0
  /** The name of a user property; the value is what the cursor passed last. */
  nameFrom = 0
  nameTo = 0

  begin(cursor: ByteCursor, type: number): void {
    const length = cursor.variableInteger()
    this.resume(cursor, type)
    if (cursor.at + length > cursor.end) cursor.refuse(beyond)
    else cursor.end = cursor.at + length
  }

  /** As {@link begin}, where the cursor stands behind the length and ends with the properties. */
  resume(cursor: ByteCursor, type: number): void {
    this.#cursor = cursor
    this.#type = type
    this.#packetEnd = cursor.end
    this.#seenLow = 0
    this.#seenHigh = 0
    this.start = cursor.at
  }

  next(): boolean {
    const cursor = this.#cursor
    if (cursor.isAtEnd) return false
    this.at = cursor.at
    const id = cursor.byte()
    const found = rules[id]
    if (found === undefined || (found.packets & (1 << this.#type)) === 0) cursor.refuse(misplaced)
    else {
      this.rule = found
      if (found.form !== "pair") this.#once(id)
      this.#value(found)
    }
    return cursor.refusal === undefined
  }

  /** The packet goes on behind the properties. */
  end(): void {
    this.#cursor.end = this.#packetEnd
    if (this.#cursor.refusal !== undefined) this.#cursor.at = this.#packetEnd
  }

  #once(id: number): void {
    const bit = 1 << (id & 31)
    if (((id < 32 ? this.#seenLow : this.#seenHigh) & bit) !== 0) this.#cursor.refuse(twice)
    if (id < 32) this.#seenLow |= bit
    else this.#seenHigh |= bit
  }

  #value({ form, min, max, reason: code }: PropertyRule): void {
    const cursor = this.#cursor
    if (form === "text") cursor.passText()
    else if (form === "binary") cursor.passBinary()
    else if (form === "pair") {
      cursor.passText()
      this.nameFrom = cursor.from
      this.nameTo = cursor.to
      cursor.passText()
    } else {
      if (form === "byte") this.number = cursor.byte()
      else if (form === "two") this.number = cursor.twoBytes()
      else if (form === "four") this.number = cursor.fourBytes()
      else this.number = cursor.variableInteger()
      if (this.number < min || this.number > max) cursor.refuse(outOfRange.get(code)!)
    }
  }
}

/** All properties of a packet of this type, decoded. Binaries are copies. */
export function readProperties(cursor: ByteCursor, type: number): Properties {
  const scan = new PropertyScan()
  scan.begin(cursor, type)
  const properties = decodeScanned(cursor, scan)
  scan.end()
  return properties
}

/** Properties without their length, found good before. */
export function decodeProperties(bytes: Buffer, place: { start: number; end: number; type: number }): Properties {
  const cursor = new ByteCursor()
  const scan = new PropertyScan()
  cursor.begin(bytes, place.start, place.end)
  scan.resume(cursor, place.type)
  return decodeScanned(cursor, scan)
}

function decodeScanned(cursor: ByteCursor, scan: PropertyScan): Properties {
  const properties: Partial<Record<keyof Properties, unknown>> = {}
  const pairs: UserProperty[] = []
  while (scan.next()) {
    const { name, form } = scan.rule
    const { bytes, from, to } = cursor
    if (form === "text") properties[name] = bytes.toString("utf8", from, to)
    else if (form === "binary") properties[name] = Buffer.from(bytes.subarray(from, to))
    else if (form === "pair") {
      pairs.push([bytes.toString("utf8", scan.nameFrom, scan.nameTo), bytes.toString("utf8", from, to)])
    } else properties[name] = scan.number
  }
  if (pairs.length > 0) properties.userProperties = pairs
  return properties as Properties
}

const written = rules.filter((known) => known !== undefined)

/** Properties as bytes, without the length that goes before them. */
export function encodeProperties(properties: Properties): Buffer {
  const parts: Buffer[] = []
  for (const { id, name, form } of written) {
    const value = properties[name]
    if (value === undefined) continue
    if (form === "pair") {
      for (const [key, text] of value as readonly UserProperty[]) {
        parts.push(Buffer.of(id), lengthAndBytes(Buffer.from(key)), lengthAndBytes(Buffer.from(text)))
      }
    } else parts.push(Buffer.of(id), encodeValue(form, value))
  }
  return Buffer.concat(parts)
}

function encodeValue(form: Exclude<Form, "pair">, value: unknown): Buffer {
  if (form === "text") return lengthAndBytes(Buffer.from(value as string))
  if (form === "binary") return lengthAndBytes(value as Buffer)
  const number = value as number
  const bytes = Buffer.alloc(
    form === "byte" ? 1 : form === "two" ? 2 : form === "four" ? 4 : variableIntegerBytes(number),
  )
  if (form === "integer") writeVariableInteger(bytes, 0, number)
  else bytes.writeUIntBE(number, 0, bytes.length)
  return bytes
}

/** The form of texts and binaries on the wire: two bytes of length before them. */
export function lengthAndBytes(bytes: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(2 + bytes.length)
  // Throws when the length does not fit: texts from outside were measured on their way in.
  whole.writeUInt16BE(bytes.length, 0)
  whole.set(bytes, 2)
  return whole
}
