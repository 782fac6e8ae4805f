/**
 * CONNACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT and AUTH.
 *
 * A packet that would be larger than its client takes is sent without its user properties, then without its reason
 * string too [MQTT-3.1.2-24, MQTT-3.2.2-19, MQTT-3.2.2-20 and their like]; what is too large even then is not written,
 * and the writer says so.
 */
import { variableIntegerBytes, writeVariableInteger } from "./byte-cursor.ts"
import type { Output } from "./output.ts"
import { maxProtocolPacketBytes, type ProtocolVersion, packetType } from "./packet-type.ts"
import { encodeProperties, type Properties } from "./properties.ts"
import { connackReturnCode, reason } from "./reason.ts"

export interface AnswerForm {
  readonly version: ProtocolVersion
  /** @default no limit */
  readonly maximumPacketBytes?: number
  /** False: no reason string and no user properties in SUBACK, UNSUBACK and AUTH. [MQTT-3.1.2-29] @default true */
  readonly wantsProblemInformation?: boolean
}

export interface Connack {
  readonly reason: number
  readonly isSessionPresent: boolean
  /** Left out in 3.1.1. */
  readonly properties?: Properties
}

export interface Suback {
  readonly packetId: number
  /** In the order of what was asked for. [MQTT-3.8.4-6, MQTT-3.10.4-6] */
  readonly reasons: readonly number[]
  readonly properties?: Properties
}

export interface DisconnectAnswer {
  readonly reason: number
  readonly properties?: Properties
}

const empty: Properties = {}

/** [MQTT-3.2.2-6]: with a refusal no session is present. */
export function writeConnack(
  output: Output,
  { reason: code, isSessionPresent, properties }: Connack,
  form: AnswerForm,
): boolean {
  const flags = isSessionPresent && code === reason.success ? 1 : 0
  if (form.version === 4) return write(output, packetType.connack, [flags, connackReturnCode(code)], form)
  return write(output, packetType.connack, [flags, code], form, { properties: properties ?? empty })
}

export function writeSuback(output: Output, { packetId, reasons, properties }: Suback, form: AnswerForm): boolean {
  const head = [packetId >> 8, packetId & 0xff]
  // 3.1.1 knows one failure. [MQTT-3.9.3-2 of 3.1.1]
  if (form.version === 4) {
    return write(output, packetType.suback, [...head, ...reasons.map((code) => Math.min(code, 0x80))], form)
  }
  return write(output, packetType.suback, head, form, { properties: told(properties, form), tail: reasons })
}

export function writeUnsuback(output: Output, { packetId, reasons, properties }: Suback, form: AnswerForm): boolean {
  const head = [packetId >> 8, packetId & 0xff]
  // 3.1.1 has no reasons here. (3.11)
  if (form.version === 4) return write(output, packetType.unsuback, head, form)
  return write(output, packetType.unsuback, head, form, { properties: told(properties, form), tail: reasons })
}

export function writePingresp(output: Output): void {
  output.reserve(2)
  output.bytes[output.at++] = packetType.pingresp << 4
  output.bytes[output.at++] = 0
}

/** Writes nothing in 3.1.1, where a server has no such packet. */
export function writeDisconnect(
  output: Output,
  { reason: code, properties }: DisconnectAnswer,
  form: AnswerForm,
): boolean {
  if (form.version === 4) return false
  return write(output, packetType.disconnect, [code], form, { properties: properties ?? empty })
}

/** The authentication method stands in the properties. */
export function writeAuth(output: Output, { reason: code, properties }: DisconnectAnswer, form: AnswerForm): boolean {
  return write(output, packetType.auth, [code], form, { properties: told(properties, form) })
}

function told(properties: Properties | undefined, form: AnswerForm): Properties {
  return properties === undefined ? empty : form.wantsProblemInformation === false ? silent(properties) : properties
}

const silent = ({ userProperties: _pairs, reasonString: _text, ...rest }: Properties): Properties => rest

interface Versed {
  readonly properties: Properties
  /** What follows the properties. */
  readonly tail?: readonly number[]
}

function write(output: Output, type: number, head: readonly number[], form: AnswerForm, versed?: Versed): boolean {
  const limit = form.maximumPacketBytes ?? maxProtocolPacketBytes
  if (versed === undefined) return append(output, type, Buffer.from(head), limit)
  const tail = Buffer.from(versed.tail ?? [])
  const { userProperties: _pairs, ...fewer } = versed.properties
  for (const properties of [versed.properties, fewer, silent(fewer)]) {
    const encoded = encodeProperties(properties)
    const body = Buffer.alloc(head.length + variableIntegerBytes(encoded.length) + encoded.length + tail.length)
    body.set(head)
    const at = writeVariableInteger(body, head.length, encoded.length)
    body.set(encoded, at)
    body.set(tail, at + encoded.length)
    if (append(output, type, body, limit)) return true
  }
  return false
}

function append(output: Output, type: number, body: Buffer, limit: number): boolean {
  const size = 1 + variableIntegerBytes(body.length) + body.length
  if (size > limit) return false
  output.reserve(size)
  output.bytes[output.at] = type << 4
  const at = writeVariableInteger(output.bytes, output.at + 1, body.length)
  output.bytes.set(body, at)
  output.at += size
  return true
}
