/**
 * Packets for the fuzzer: mostly what a client may send, some with a field that is wrong, some with bytes that were
 * changed afterwards. All randomness is the seed's.
 */
import type { SeededRandom } from "../seeded-random.ts"
import { byte, frame, sized, two, varint } from "./bytes.ts"
import { illFormed } from "./endings.ts"
import {
  encodeAcknowledgement,
  encodeConnect,
  encodeDisconnect,
  encodePublish,
  encodeSubscribe,
  encodeUnsubscribe,
  pingreq,
  type Version,
} from "./packets.ts"
import { definitions, encodeProperty, type Properties } from "./properties.ts"

/** Few, so that clients meet each other, and what they leave behind is bounded. */
export const topics = ["f/a", "f/b", "f/a/c", "f/é", "devices/f/x", "devices/g/y", "f//", "$f/a"]
const filters = ["f/#", "f/+", "f/a", "f/+/c", "devices/#", "$share/g/f/a", "$share/h/f/#", "#", "+/+", "/#"]
const badTopics = ["", "f/#", "+", "a\0b", "/".repeat(65_535), "x".repeat(65_535), "f/\ud800", "$SYS/x", "$share/g/x"]
const badFilters = [
  "",
  "f#",
  "#/f",
  "f+/a",
  "$share",
  "$share//a",
  "$share/+/a",
  "+/".repeat(32_000),
  "a/".repeat(30_000),
]

const fewIds = 40

const propertyValue = (random: SeededRandom, name: keyof Properties): unknown => {
  switch (definitions[name].encoding) {
    case "byte":
      return random.pick([0, 1, 1, 2, 255])
    case "two":
      return random.pick([0, 1, 2, 10, 65_535])
    case "four":
      return random.pick([0, 1, 2, 60, 300, 2 ** 31, 2 ** 32 - 1])
    case "varint":
      return random.pick([0, 1, 127, 128, 268_435_455])
    case "binary":
      return Buffer.from(random.bytes(random.below(40)))
    case "pair":
      return [random.pick(["a", "b", ""]), random.pick(["1", "\ufeff", "x".repeat(500)])]
    default:
      return random.pick(["a", "text/plain", "f/a", "f/#", "", "é"])
  }
}

/** Properties with their length; some of them where they do not belong, or twice. */
function properties(random: SeededRandom, packet: string, wrong: boolean): Buffer {
  if (random.chance(0.5)) return byte(0)
  const all = Object.keys(definitions) as (keyof Properties)[]
  const own = all.filter((name) => definitions[name].packets.includes(packet))
  const parts: Buffer[] = []
  const used = new Set<string>()
  for (let count = random.below(4); count > 0; count--) {
    const name = random.pick(wrong && random.chance(0.5) ? all : own.length > 0 ? own : all)
    // A limit of the client would make the rest of its conversation silent.
    if (!wrong && (used.has(name) || ["authMethod", "authData", "topicAlias", "maximumPacketSize"].includes(name)))
      continue
    used.add(name)
    parts.push(encodeProperty(name, propertyValue(random, name)))
  }
  const body = Buffer.concat(parts)
  return Buffer.concat([varint(wrong && random.chance(0.2) ? random.below(300) : body.length), body])
}

export interface Credentials {
  readonly username: string
  readonly password: string
}

/** A CONNECT that most brokers take. */
export function validConnect(
  random: SeededRandom,
  version: Version,
  clientId: string,
  credentials?: Credentials,
): Buffer {
  const will = random.chance(0.3)
    ? { topic: random.pick(topics), payload: "will", qos: random.below(3), retain: random.chance(0.2) }
    : undefined
  return encodeConnect(version, {
    clientId,
    clean: random.chance(0.6) || clientId === "",
    keepAlive: random.pick([0, 1, 5, 60]),
    ...credentials,
    ...(will === undefined ? {} : { will }),
    ...(version === 5
      ? {
          properties: {
            sessionExpiry: random.pick([0, 1, 5]),
            receiveMaximum: random.pick([1, 10, 65_535]),
            topicAliasMaximum: random.below(5),
          },
        }
      : {}),
  })
}

/** One packet of a client that is connected; with `wrong` one of its fields may be. */
export function randomPacket(random: SeededRandom, version: Version, wrong: boolean): Buffer {
  const five = (packet: string): Buffer => (version === 5 ? properties(random, packet, wrong) : Buffer.alloc(0))
  const bad = (): boolean => wrong && random.chance(0.4)
  const id = bad() ? random.pick([0, 65_535]) : 1 + random.below(fewIds)
  const kind = random.below(100)
  if (kind < 55) {
    const qos = bad() ? 3 : random.pick([0, 0, 1, 1, 2])
    const topic = bad() ? random.pick([...badTopics, ...illFormed]) : random.pick(topics)
    const flags = (random.chance(0.1) && qos > 0 ? 8 : 0) | (qos << 1) | (random.chance(0.1) ? 1 : 0)
    const payload = Buffer.alloc(random.pick([0, 1, 10, 200, 5_000]), "payload")
    return frame(0x30 | flags, sized(topic), ...(qos > 0 ? [two(id)] : []), five("publish"), payload)
  }
  if (kind < 65) {
    const options = bad() ? random.below(256) : random.below(3) | (version === 5 ? random.pick([0, 8, 16, 32]) : 0)
    const filter = bad() ? random.pick([...badFilters, ...illFormed]) : random.pick(filters)
    return frame(0x82, two(id), five("subscribe"), sized(filter), byte(options))
  }
  if (kind < 70) return encodeUnsubscribe(version, id, [bad() ? random.pick(badFilters) : random.pick(filters)])
  if (kind < 90) {
    const type = random.pick(["puback", "pubrec", "pubrel", "pubcomp"] as const)
    return encodeAcknowledgement(version, { type, id, code: bad() ? random.below(256) : 0 })
  }
  if (kind < 97 || !wrong) return pingreq
  // What a client never sends, or not now.
  return random.pick([
    frame(0x20, two(0), five("connack")),
    frame(0x90, two(id), five("suback"), byte(0)),
    frame(0xd0),
    frame(0xf0, byte(0x18), five("auth")),
    frame(0x00),
    encodeConnect(version, { clientId: "twice", clean: true, keepAlive: 0 }),
    encodeDisconnect(version, 0, version === 5 ? { sessionExpiry: 1 } : undefined),
    frame(0xe0, Buffer.from(random.bytes(5))),
    Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]),
    Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff]),
  ])
}

/** A packet of which some bytes were changed, left out, doubled or added. */
export function mutate(random: SeededRandom, packet: Buffer): Buffer {
  const bytes = [...packet.subarray(0, 4_000)]
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(bytes.length + 1)
    switch (random.below(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 1:
        bytes[at] = random.pick([0, 1, 127, 128, 255])
        break
      case 2:
        bytes.splice(at, 1 + random.below(4))
        break
      case 3:
        bytes.splice(at, 0, ...random.bytes(1 + random.below(8)))
        break
      case 4:
        bytes.splice(at, 0, ...bytes.slice(at, at + random.below(16)))
        break
      default:
        // The length of the rest, most of all.
        bytes[1] = random.below(256)
    }
  }
  return Buffer.from(bytes)
}

/** Publishes that fill a broker's memory of packet ids: QoS 2 without any PUBREL. */
export function idFlood(version: Version, from: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    encodePublish(version, { topic: "f/ids", qos: 2, id: ((from + index) % 65_535) + 1 }),
  )
}

/** A subscription to everything that the fuzzer's clients say. */
export const subscribeAll = (version: Version, qos: number): Buffer =>
  encodeSubscribe(version, 1, [
    { filter: "f/#", qos },
    { filter: "devices/#", qos },
  ])
