/**
 * Where a message has been: a user property `brume-bridge` (MQTT 5.0) to which a node adds itself whenever a message
 * leaves it over a bridge, its own or that of another node which is a client here.
 *
 * - L1 A message that left this node over a bridge does not enter it again, whichever way it comes.
 * - L2 A message that came by one way does not enter again by another, as far as the last `mostKnown` are remembered: rings
 *   and meshes of nodes deliver each once. Only at QoS 0 a first copy does not count: it promises nothing.
 * - L3 A trail is no longer than `maxHops` nodes: whoever would make it longer keeps the message.
 *
 * The value is `<message id> <node>,<node>,…`. Brokers of 3.1.1 lose it: there no-local and the bridge's mark help.
 */
import type { FogError, Random } from "@brume/core"
import type { Message, Qos } from "../message.ts"
import { ByteCursor } from "../wire/byte-cursor.ts"
import { packetType } from "../wire/packet-type.ts"
import { lengthAndBytes, PropertyScan } from "../wire/properties.ts"

/** Also in the CONNECT of a bridge: so a node knows that another one's bridge is a client. */
export const trailName = "brume-bridge"

const propertyName = Buffer.from(trailName)
const userProperty = 0x26
/** Longest trail that is read, nodes. */
export const mostHops = 64
/** Messages that are remembered by their id. */
const mostKnown = 65_536
const idBytes = 8
const form = /^([0-9a-f]{16}) ((?:[0-9a-f]{16})(?:,[0-9a-f]{16}){0,63})$/

interface Trail {
  readonly id: string
  readonly nodes: readonly string[]
  /** Its place among the properties. */
  readonly from: number
  readonly to: number
}

export interface TrailsOptions {
  /** 16 hex digits that no other node has. */
  readonly nodeId: string
  readonly random: Random
}

export interface Arrival {
  readonly qos: Qos
  /** Calls when the turn is durable or refused, before the message is acknowledged. */
  afterwards(call: (error: FogError | undefined) => void): void
  /** A copy of it counted as known, and was not stored in the end: this one must not be acknowledged. */
  refuse(): void
}

export class Trails {
  readonly #options: TrailsOptions
  /** Ids of messages that came, the oldest first. */
  readonly #known = new Set<string>()
  /** Ids given to messages that began here, so that all bridges give them the same. */
  readonly #given = new WeakMap<Message, string>()

  constructor(options: TrailsOptions) {
    this.#options = options
  }

  /**
   * Whether a message that comes in is taken (L1, L2). When its turn is refused it may come again: neither it nor a copy was
   * acknowledged.
   * @param properties of a PUBLISH, without their length
   */
  admit(properties: Buffer, arrival: Arrival): boolean {
    const trail = readTrail(properties)
    if (trail === undefined) return true
    if (trail.nodes.includes(this.#options.nodeId)) return false
    if (this.#known.has(trail.id)) {
      arrival.afterwards(() => this.#known.has(trail.id) || arrival.refuse())
      return false
    }
    if (arrival.qos === 0) return true
    this.#remember(trail.id)
    arrival.afterwards((error) => {
      if (error !== undefined) this.#known.delete(trail.id)
    })
    return true
  }

  /** The properties of a message that goes out; undefined when it stays (L1, L3). */
  extend(message: Message, maxHops: number): Buffer | undefined {
    const { nodeId } = this.#options
    const properties = Buffer.from(message.properties.buffer, message.properties.byteOffset, message.properties.length)
    const trail = readTrail(properties)
    if (trail === undefined) return Buffer.concat([properties, encode(this.#idOf(message), [nodeId])])
    if (trail.nodes.includes(nodeId) || trail.nodes.length >= maxHops) return undefined
    const own = encode(trail.id, [...trail.nodes, nodeId])
    return Buffer.concat([properties.subarray(0, trail.from), properties.subarray(trail.to), own])
  }

  #idOf(message: Message): string {
    let id = this.#given.get(message)
    if (id === undefined) {
      id = Buffer.from(this.#options.random.bytes(idBytes)).toString("hex")
      this.#given.set(message, id)
    }
    return id
  }

  #remember(id: string): void {
    this.#known.add(id)
    if (this.#known.size <= mostKnown) return
    for (const oldest of this.#known) {
      this.#known.delete(oldest)
      return
    }
  }
}

function readTrail(properties: Buffer): Trail | undefined {
  // Nearly all messages have none: they cost a look.
  if (properties.length === 0 || !properties.includes(propertyName)) return undefined
  const cursor = new ByteCursor()
  const scan = new PropertyScan()
  cursor.begin(properties, 0, properties.length)
  scan.resume(cursor, packetType.publish)
  while (scan.next()) {
    if (scan.rule.id !== userProperty) continue
    if (!properties.subarray(scan.nameFrom, scan.nameTo).equals(propertyName)) continue
    const value = form.exec(properties.toString("latin1", cursor.from, cursor.to))
    if (value === null) continue
    return { id: value[1]!, nodes: value[2]!.split(","), from: scan.at, to: cursor.at }
  }
  return undefined
}

function encode(id: string, nodes: readonly string[]): Buffer {
  const value = Buffer.from(`${id} ${nodes.join(",")}`)
  return Buffer.concat([Buffer.of(userProperty), lengthAndBytes(propertyName), lengthAndBytes(value)])
}
