/** Properties of MQTT 5.0 (chapter 2.2.2): their ids, encodings, and the packets that may carry them. */
import { BytesReader, byte, four, MqttViolation, sized, two, varint } from "./bytes.ts"

export interface Properties {
  readonly payloadFormat?: number
  readonly messageExpiry?: number
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlation?: Uint8Array
  readonly subscriptionIds?: readonly number[]
  readonly sessionExpiry?: number
  readonly assignedClientId?: string
  readonly serverKeepAlive?: number
  readonly authMethod?: string
  readonly authData?: Uint8Array
  readonly requestProblem?: number
  readonly willDelay?: number
  readonly requestResponse?: number
  readonly responseInformation?: string
  readonly serverReference?: string
  readonly reasonString?: string
  readonly receiveMaximum?: number
  readonly topicAliasMaximum?: number
  readonly topicAlias?: number
  readonly maximumQos?: number
  readonly retainAvailable?: number
  /** In order; a name may come again. */
  readonly user?: readonly (readonly [name: string, value: string])[]
  readonly maximumPacketSize?: number
  readonly wildcardAvailable?: number
  readonly subscriptionIdsAvailable?: number
  readonly sharedAvailable?: number
}

type Encoding = "byte" | "two" | "four" | "varint" | "string" | "binary" | "pair"

const acknowledgements = ["puback", "pubrec", "pubrel", "pubcomp"] as const
const answers = ["connack", ...acknowledgements, "suback", "unsuback", "disconnect", "auth"]

interface Definition {
  readonly id: number
  readonly encoding: Encoding
  /** Packets that may carry it; `will` are the properties of a will. */
  readonly packets: readonly string[]
}

export const definitions: Readonly<Record<keyof Properties, Definition>> = {
  payloadFormat: { id: 1, encoding: "byte", packets: ["publish", "will"] },
  messageExpiry: { id: 2, encoding: "four", packets: ["publish", "will"] },
  contentType: { id: 3, encoding: "string", packets: ["publish", "will"] },
  responseTopic: { id: 8, encoding: "string", packets: ["publish", "will"] },
  correlation: { id: 9, encoding: "binary", packets: ["publish", "will"] },
  subscriptionIds: { id: 11, encoding: "varint", packets: ["publish", "subscribe"] },
  sessionExpiry: { id: 17, encoding: "four", packets: ["connect", "connack", "disconnect"] },
  assignedClientId: { id: 18, encoding: "string", packets: ["connack"] },
  serverKeepAlive: { id: 19, encoding: "two", packets: ["connack"] },
  authMethod: { id: 21, encoding: "string", packets: ["connect", "connack", "auth"] },
  authData: { id: 22, encoding: "binary", packets: ["connect", "connack", "auth"] },
  requestProblem: { id: 23, encoding: "byte", packets: ["connect"] },
  willDelay: { id: 24, encoding: "four", packets: ["will"] },
  requestResponse: { id: 25, encoding: "byte", packets: ["connect"] },
  responseInformation: { id: 26, encoding: "string", packets: ["connack"] },
  serverReference: { id: 28, encoding: "string", packets: ["connack", "disconnect"] },
  reasonString: { id: 31, encoding: "string", packets: answers },
  receiveMaximum: { id: 33, encoding: "two", packets: ["connect", "connack"] },
  topicAliasMaximum: { id: 34, encoding: "two", packets: ["connect", "connack"] },
  topicAlias: { id: 35, encoding: "two", packets: ["publish"] },
  maximumQos: { id: 36, encoding: "byte", packets: ["connack"] },
  retainAvailable: { id: 37, encoding: "byte", packets: ["connack"] },
  user: { id: 38, encoding: "pair", packets: [...answers, "connect", "publish", "will", "subscribe", "unsubscribe"] },
  maximumPacketSize: { id: 39, encoding: "four", packets: ["connect", "connack"] },
  wildcardAvailable: { id: 40, encoding: "byte", packets: ["connack"] },
  subscriptionIdsAvailable: { id: 41, encoding: "byte", packets: ["connack"] },
  sharedAvailable: { id: 42, encoding: "byte", packets: ["connack"] },
}

const names = new Map(Object.entries(definitions).map(([name, { id }]) => [id, name as keyof Properties]))

/** One property's bytes, without any check. */
export function encodeProperty(name: keyof Properties, value: unknown): Buffer {
  const { id, encoding } = definitions[name]
  const body = {
    byte: () => byte(value as number),
    two: () => two(value as number),
    four: () => four(value as number),
    varint: () => varint(value as number),
    string: () => sized(value as string),
    binary: () => sized(value as Uint8Array),
    pair: () => Buffer.concat((value as [string, string]).map(sized)),
  }[encoding]()
  return Buffer.concat([varint(id), body])
}

/** All properties with their length before them. */
export function encodeProperties(properties: Properties = {}): Buffer {
  const parts = Object.entries(properties).flatMap(([name, value]) =>
    name === "user" || name === "subscriptionIds"
      ? (value as readonly unknown[]).map((one) => encodeProperty(name, one))
      : [encodeProperty(name as keyof Properties, value)],
  )
  const body = Buffer.concat(parts)
  return Buffer.concat([varint(body.length), body])
}

/** Properties that a broker sent in a packet of this type. */
export function decodeProperties(outer: BytesReader, packet: string): Properties {
  const reader = new BytesReader(outer.take(outer.varint()))
  const found: Record<string, unknown> = {}
  while (reader.left > 0) {
    const id = reader.varint()
    const name = names.get(id)
    if (name === undefined) throw new MqttViolation(`unknown property ${id} in ${packet}`)
    const { encoding, packets } = definitions[name]
    if (!packets.includes(packet)) throw new MqttViolation(`${name} in ${packet}`)
    const value = encoding === "pair" ? [reader.string(), reader.string()] : reader[encoding]()
    if (name === "user" || name === "subscriptionIds") found[name] = [...((found[name] as unknown[]) ?? []), value]
    else if (name in found) throw new MqttViolation(`${name} twice in ${packet}`)
    else found[name] = value
  }
  return found
}
