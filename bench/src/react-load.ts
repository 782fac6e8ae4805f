/**
 * One reaction after the other: a reading is published, and the time counts until the command that it causes has come to a
 * second client. Each client answers as its protocol asks, and the next reading leaves a moment after all of that is over.
 */
import { packetTypes, publishPacket, subscribePacket } from "./mqtt-packets.ts"
import { pause } from "./publish-load.ts"
import { exchange, type MqttConnection, openMqtt } from "./raw-connection.ts"
import { quantile } from "./rounds.ts"

export interface ReactLoad {
  readonly kind: "react"
  readonly port: number
  readonly readingTopic: string
  readonly commandFilter: string
  /** Of the reading, and of the subscription to commands. */
  readonly qos: 0 | 1
  /** The device tells the node that it has done what it was told; the command says where. */
  readonly isAnswered: boolean
  readonly warmUp: number
  readonly reactions: number
}

export interface ReactFigures {
  readonly msP50: number
  readonly msP99: number
  readonly generatorShare: number
}

/** Longest time for one reaction. */
const limitMs = 5_000
/** Between the end of one reaction and the next reading. */
const restMs = 2

export async function react(load: ReactLoad): Promise<ReactFigures> {
  const { qos } = load
  const sensor = await openMqtt({ port: load.port, clientId: "sensor" })
  const device = await openMqtt({ port: load.port, clientId: "device" })
  const granted = await exchange(device, subscribePacket(load.commandFilter, qos), 5)
  if (granted[0] !== packetTypes.suback || granted[4] !== qos)
    throw new Error(`SUBSCRIBE got ${granted.toString("hex")}`)
  const sensorPackets = packetsOf(sensor)
  const devicePackets = packetsOf(device)
  const latencies: number[] = []
  const begun = performance.now()
  const cpuAtStart = process.cpuUsage()
  for (let number = 0; number < load.warmUp + load.reactions; number++) {
    // Above the rule's threshold, and another one each time.
    const value = (40 + number / 1_000).toFixed(3)
    const reading = publishPacket(load.readingTopic, Buffer.from(value), qos)
    const arriving = devicePackets.next(packetTypes.publish)
    const acknowledged = qos === 1 ? sensorPackets.next(packetTypes.puback) : undefined
    const sent = performance.now()
    sensor.socket.write(reading)
    const { at, bytes } = await arriving
    if (number >= load.warmUp) latencies.push(at - sent)
    await acknowledged
    await answer(bytes, { value, load, device, packets: devicePackets })
    await pause(restMs)
  }
  const used = process.cpuUsage(cpuAtStart)
  sensor.onLost = device.onLost = () => {}
  sensor.socket.destroy()
  device.socket.destroy()
  return {
    msP50: quantile(latencies, 0.5),
    msP99: quantile(latencies, 0.99),
    generatorShare: (used.user + used.system) / 1000 / (performance.now() - begun),
  }
}

/** Checks that it is this reading's command, and says what the protocol and the node want to hear. */
async function answer(
  bytes: Buffer,
  {
    value,
    load,
    device,
    packets,
  }: {
    readonly value: string
    readonly load: ReactLoad
    readonly device: MqttConnection
    readonly packets: Packets
  },
): Promise<void> {
  const { id, payload } = publishOf(bytes)
  // A template may write 40.010 as 40.01.
  if (!payload.includes(String(Number(value)))) throw new Error(`the command for ${value} is ${payload}`)
  if (id !== undefined) device.socket.write(Buffer.from([packetTypes.puback, 2, id >> 8, id & 255]))
  if (!load.isAnswered) return
  const { reply } = JSON.parse(payload) as { readonly reply: string }
  const acknowledged = packets.next(packetTypes.puback)
  device.socket.write(publishPacket(reply, Buffer.from('{"state":"done"}'), 1))
  await acknowledged
}

interface Arrival {
  readonly at: number
  readonly bytes: Buffer
}

interface Packets {
  /** The next packet of this type; rejects when the connection ends, or nothing comes. */
  next(type: number): Promise<Arrival>
}

function packetsOf(connection: MqttConnection): Packets {
  let rest = Buffer.alloc(0)
  const waiting: { readonly type: number; readonly resolve: (arrival: Arrival) => void }[] = []
  let fail: (cause: Error) => void = () => {}
  const lost = new Promise<never>((_, reject) => {
    fail = reject
  })
  lost.catch(() => {})
  connection.onLost = fail
  connection.onBytes = (bytes, length) => {
    const at = performance.now()
    rest = Buffer.concat([rest, bytes.subarray(0, length)])
    for (let end = endOf(rest); end !== undefined; end = endOf(rest)) {
      const packet = rest.subarray(0, end)
      rest = rest.subarray(end)
      const place = waiting.findIndex(({ type }) => type === (packet[0]! & 0xf0))
      if (place !== -1) waiting.splice(place, 1)[0]!.resolve({ at, bytes: packet })
    }
  }
  return {
    next: (type) => {
      let timer: ReturnType<typeof setTimeout> | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no packet ${type.toString(16)} in ${limitMs} ms`)), limitMs)
      })
      const arrival = new Promise<Arrival>((resolve) => waiting.push({ type, resolve }))
      return Promise.race([arrival, lost, late]).finally(() => clearTimeout(timer))
    },
  }
}

/** Where the first packet ends; undefined while it is not complete. */
function endOf(bytes: Buffer): number | undefined {
  let length = 0
  for (let at = 1; at < Math.min(bytes.length, 5); at++) {
    length += (bytes[at]! & 127) * 128 ** (at - 1)
    if ((bytes[at]! & 128) === 0) return bytes.length > at + length ? at + 1 + length : undefined
  }
  return undefined
}

function publishOf(packet: Buffer): { readonly id: number | undefined; readonly payload: string } {
  let at = 1
  while ((packet[at++]! & 128) !== 0);
  at += 2 + packet.readUInt16BE(at)
  const isAcknowledged = (packet[0]! & 6) !== 0
  const id = isAcknowledged ? packet.readUInt16BE(at) : undefined
  return { id, payload: packet.toString("utf8", isAcknowledged ? at + 2 : at) }
}
