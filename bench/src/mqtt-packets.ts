/** MQTT 3.1.1 packets as bytes, and rings of packets that are made before the clock starts and used again and again. */

/** A publisher's packets: sent one after the other, lap after lap; slot `s` carries packet identifier `s + 1`. */
export interface Ring {
  readonly bytes: Buffer
  /** Where each slot begins, and after the last one where the bytes end. */
  readonly starts: Uint32Array
  /** Makes a slot's next lap tell a later time, so that no two readings are the same. */
  age(slot: number): void
}

export const packetTypes = { connack: 0x20, publish: 0x30, puback: 0x40, suback: 0x90 } as const

function packet(firstByte: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length: number[] = []
  for (let rest = body.length; ; rest >>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest <= 127) break
  }
  return Buffer.concat([Buffer.from([firstByte, ...length]), body])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

const number16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])

/** Keep alive is 0: an idle connection stays without a word. */
export function connectPacket(clientId: string, isClean: boolean): Buffer {
  return packet(0x10, text("MQTT"), Buffer.from([4, isClean ? 2 : 0, 0, 0]), text(clientId))
}

export function subscribePacket(filter: string, qos: 0 | 1): Buffer {
  return packet(0x82, number16(1), text(filter), Buffer.from([qos]))
}

export function publishPacket(topic: string, payload: Buffer, qos: 0 | 1, id = 1): Buffer {
  return packet(packetTypes.publish | (qos << 1), text(topic), qos === 0 ? Buffer.alloc(0) : number16(id), payload)
}

/** The command for Redis that stores the same payload in a stream of the device's own, in RESP. */
function xaddCommand(device: string, payload: Buffer): Buffer {
  const words = [Buffer.from("XADD"), Buffer.from(device), Buffer.from("*"), Buffer.from("reading"), payload]
  const framed = words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n")])
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...framed])
}

/** 2023-11-14, so that every later lap is still in the past. */
const firstMicros = 1_700_000_000_000_000

/** A reading of exactly 64 bytes, as a room's sensor would send it; its last 17 bytes are the time and a brace. */
export function readingPayload(seed: number, micros: number): Buffer {
  const temperature = (20 + ((seed * 7919) % 5000) / 1000).toFixed(3)
  const humidity = (40 + ((seed * 104_729) % 9000) / 1000).toFixed(3)
  return Buffer.from(`{"temperature":${temperature},"humidity":${humidity},"time":${micros}}`)
}

/**
 * Packets of publisher number `index` among `connections`, which share `devices` devices between them: each lap of the
 * ring is one second of the devices' time.
 */
export function readingRing(options: {
  readonly protocol: "mqtt" | "redis"
  readonly index: number
  readonly connections: number
  readonly devices: number
  readonly slots: number
}): Ring {
  const { slots } = options
  const packets = Array.from({ length: slots }, (_, slot) => {
    const device = (options.index + slot * options.connections) % options.devices
    const payload = readingPayload(options.index * slots + slot, firstMicros + Math.floor((slot * 1_000_000) / slots))
    return options.protocol === "mqtt"
      ? publishPacket(`devices/room-${device}`, payload, 1, slot + 1)
      : xaddCommand(`devices:room-${device}`, payload)
  })
  const trailing = options.protocol === "mqtt" ? 0 : 2
  const { bytes, starts } = joined(packets)
  return {
    bytes,
    starts,
    age: (slot) => {
      // The digit of whole seconds stands eight bytes before the end: six digits of microseconds, and the brace.
      let at = starts[slot + 1]! - trailing - 8
      while (bytes[at] === 57) bytes[at--] = 48
      bytes[at]!++
    },
  }
}

/** The same packet in every slot, but for its identifier. */
export function plainRing(topic: string, payload: Buffer, qos: 0 | 1, slots: number): Ring {
  return {
    ...joined(Array.from({ length: slots }, (_, slot) => publishPacket(topic, payload, qos, slot + 1))),
    age: () => {},
  }
}

function joined(packets: readonly Buffer[]): Pick<Ring, "bytes" | "starts"> {
  const starts = new Uint32Array(packets.length + 1)
  for (const [slot, { length }] of packets.entries()) starts[slot + 1] = starts[slot]! + length
  return { bytes: Buffer.concat(packets), starts }
}
