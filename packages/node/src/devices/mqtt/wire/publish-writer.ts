/**
 * PUBLISH for subscribers, in both versions. Three ways, by what the subscribers have in common:
 *
 * - `encodePublish` with QoS 0: the same bytes for everybody who speaks that version;
 * - `createPublishTemplate`: QoS 1 and 2, where packet identifier, DUP and the rest of the expiry differ;
 * - `writePublish`: a subscriber with subscription identifiers or a topic alias.
 *
 * Whoever sends a packet first compares its size with the client's limit [MQTT-3.1.2-24]: `publishBytes`, or the length
 * of what is there.
 */
import { variableIntegerBytes, writeVariableInteger } from "./byte-cursor.ts"
import type { Output } from "./output.ts"
import { type ProtocolVersion, packetType, type Qos } from "./packet-type.ts"
import { propertyId } from "./properties.ts"

/** What is forwarded. All of it may be views. */
export interface OutgoingMessage {
  /** UTF-8, valid. */
  readonly topic: Uint8Array
  readonly payload: Uint8Array
  /** Properties that are forwarded unaltered, without their length; left out in 3.1.1. See `forwardedProperties`. */
  readonly properties: Uint8Array
}

export interface PublishForm {
  readonly version: ProtocolVersion
  readonly qos: Qos
  readonly isRetained: boolean
  readonly isDuplicate?: boolean
  /** With QoS 1 and 2. */
  readonly packetId?: number
  /** What is left of it; -1 or undefined for none. [MQTT-3.3.2-6] */
  readonly messageExpirySeconds?: number
  /** Of every subscription of this client that fits. [MQTT-3.3.4-3, MQTT-3.3.4-4] */
  readonly subscriptionIdentifiers?: readonly number[]
  /** 0 or undefined for none. */
  readonly topicAlias?: number
  /** The client knows the alias already: the topic is left out. */
  readonly isTopicKnown?: boolean
}

const none: readonly number[] = []

/** Size of the packet, header and all. */
export function publishBytes(message: OutgoingMessage, form: PublishForm): number {
  const length = remainingBytes(message, form)
  return 1 + variableIntegerBytes(length) + length
}

/** Appends the packet. */
export function writePublish(output: Output, message: OutgoingMessage, form: PublishForm): void {
  const size = publishBytes(message, form)
  output.reserve(size)
  output.bytes.set(message.payload, writeHead(output.bytes, output.at, message, form))
  output.at += size
}

/** The packet as bytes of its own. */
export function encodePublish(message: OutgoingMessage, form: PublishForm): Buffer {
  const bytes = Buffer.allocUnsafe(publishBytes(message, form))
  bytes.set(message.payload, writeHead(bytes, 0, message, form))
  return bytes
}

/** A packet of QoS 1 or 2 that is copied for each subscriber. */
export interface PublishTemplate {
  /** The whole packet, with packet identifier 0. */
  readonly bytes: Buffer
  /** Where the payload begins: a large one is sent from here, shared by all, behind a head of its own. */
  readonly headBytes: number
  readonly packetIdAt: number
  /** Where the rest of the expiry stands; -1 for none. */
  readonly expiryAt: number
}

export interface PublishCopy {
  readonly packetId: number
  readonly isDuplicate: boolean
  /** What is left; only looked at when the template has an expiry. */
  readonly messageExpirySeconds: number
}

/** @param form without what differs by subscriber. */
export function createPublishTemplate(
  message: OutgoingMessage,
  form: Omit<PublishForm, "packetId" | "isDuplicate"> & { readonly qos: 1 | 2 },
): PublishTemplate {
  const bytes = encodePublish(message, { ...form, packetId: 0 })
  const headBytes = bytes.length - message.payload.length
  const length = headBytes - 1 - variableIntegerBytes(remainingBytes(message, form))
  const topicBytes = form.isTopicKnown === true ? 0 : message.topic.length
  const packetIdAt = headBytes - length + 2 + topicBytes
  const hasExpiry = form.version === 5 && (form.messageExpirySeconds ?? -1) >= 0
  // It is the first property: behind the packet identifier, the length of the properties and its own name.
  const expiryAt = hasExpiry ? packetIdAt + 2 + variableIntegerBytes(propertiesBytes(message, form)) + 1 : -1
  return { bytes, headBytes, packetIdAt, expiryAt }
}

/** Appends a copy of the whole packet. */
export function writeCopy(output: Output, template: PublishTemplate, copy: PublishCopy): void {
  writeFirst(output, template, template.bytes.length, copy)
}

/** Appends a copy without its payload, which the caller sends behind it: `template.bytes` from `headBytes` on. */
export function writeCopyHead(output: Output, template: PublishTemplate, copy: PublishCopy): void {
  writeFirst(output, template, template.headBytes, copy)
}

function writeFirst(output: Output, template: PublishTemplate, count: number, copy: PublishCopy): void {
  output.reserve(count)
  const { bytes, at } = output
  template.bytes.copy(bytes, at, 0, count)
  if (copy.isDuplicate) bytes[at] = bytes[at]! | 8
  const idAt = at + template.packetIdAt
  bytes[idAt] = copy.packetId >> 8
  bytes[idAt + 1] = copy.packetId & 0xff
  if (template.expiryAt >= 0) bytes.writeUInt32BE(copy.messageExpirySeconds, at + template.expiryAt)
  output.at = at + count
}

function propertiesBytes({ properties }: OutgoingMessage, form: PublishForm): number {
  let bytes = properties.length
  if ((form.messageExpirySeconds ?? -1) >= 0) bytes += 5
  if ((form.topicAlias ?? 0) > 0) bytes += 3
  for (const identifier of form.subscriptionIdentifiers ?? none) bytes += 1 + variableIntegerBytes(identifier)
  return bytes
}

function remainingBytes(message: OutgoingMessage, form: PublishForm): number {
  const topicBytes = form.isTopicKnown === true ? 0 : message.topic.length
  const bytes = 2 + topicBytes + (form.qos === 0 ? 0 : 2) + message.payload.length
  if (form.version === 4) return bytes
  const properties = propertiesBytes(message, form)
  return bytes + variableIntegerBytes(properties) + properties
}

/** Everything before the payload; returns where that begins. */
function writeHead(bytes: Buffer, start: number, message: OutgoingMessage, form: PublishForm): number {
  const { qos, version } = form
  const flags = (form.isDuplicate === true ? 8 : 0) | (qos << 1) | (form.isRetained ? 1 : 0)
  bytes[start] = (packetType.publish << 4) | flags
  let at = writeVariableInteger(bytes, start + 1, remainingBytes(message, form))
  const topicBytes = form.isTopicKnown === true ? 0 : message.topic.length
  at = bytes.writeUInt16BE(topicBytes, at)
  if (topicBytes > 0) bytes.set(message.topic, at)
  at += topicBytes
  if (qos > 0) at = bytes.writeUInt16BE(form.packetId ?? 0, at)
  if (version === 4) return at
  at = writeVariableInteger(bytes, at, propertiesBytes(message, form))
  const expiry = form.messageExpirySeconds ?? -1
  if (expiry >= 0) {
    bytes[at++] = propertyId.messageExpiryInterval
    at = bytes.writeUInt32BE(expiry, at)
  }
  const alias = form.topicAlias ?? 0
  if (alias > 0) {
    bytes[at++] = propertyId.topicAlias
    at = bytes.writeUInt16BE(alias, at)
  }
  for (const identifier of form.subscriptionIdentifiers ?? none) {
    bytes[at++] = propertyId.subscriptionIdentifier
    at = writeVariableInteger(bytes, at, identifier)
  }
  bytes.set(message.properties, at)
  return at + message.properties.length
}
