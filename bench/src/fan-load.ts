/**
 * Messages that fan out and in: publishers and subscribers of one process, paced by what arrives, so that throughput is
 * measured and not how much a broker is willing to buffer.
 */
import { packetTypes, plainRing, publishPacket, subscribePacket } from "./mqtt-packets.ts"
import { pause } from "./publish-load.ts"
import { createPublisher, type Publisher } from "./publisher.ts"
import { exchange, inParallel, napBetweenTurns, openMqtt, type RawConnection } from "./raw-connection.ts"

export interface FanLoad {
  readonly kind: "fan"
  readonly port: number
  readonly publishers: number
  readonly subscribers: number
  readonly qos: 0 | 1
  /** How many subscribers get each message: all of them, or one when they share a subscription. */
  readonly isShared: boolean
  /** Messages of each publisher that have not arrived everywhere yet. */
  readonly window: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

export interface FanFigures {
  readonly deliveriesPerSecond: number
  /** Sent at QoS 0, acknowledged at QoS 1, and yet not with every subscriber a second after the last one came. */
  readonly missing: number
  /** Deliveries beyond one for each subscriber. */
  readonly surplus: number
  readonly generatorShare: number
}

const payload = Buffer.alloc(64, "fan ")

export async function fanOut(load: FanLoad): Promise<FanFigures> {
  const { qos } = load
  const copies = load.isShared ? 1 : load.subscribers
  const topic = (index: number): string => `fan/${String(index).padStart(4, "0")}`
  const filter = load.isShared ? "$share/members/fan/+" : "fan/+"
  let failure: Error | undefined
  const fail = (cause: Error): void => {
    failure ??= cause
  }
  let received = 0
  let refill = (): void => {}
  const stride = publishPacket(topic(0), payload, qos).length
  await inParallel(load.subscribers, 100, async (index) => {
    const connection = await openMqtt({ port: load.port, clientId: `subscriber-${index}` })
    const granted = await exchange(connection, subscribePacket(filter, qos), 5)
    if (granted[0] !== packetTypes.suback || granted[4] !== qos)
      throw new Error(`SUBSCRIBE got ${granted.toString("hex")}`)
    connection.onLost = fail
    takeDeliveries(connection, { stride, qos, fail, idAt: stride - payload.length - 2 }, (count) => {
      received += count
      refill()
    })
  })
  const publishers: Publisher[] = new Array(load.publishers)
  await inParallel(load.publishers, 100, async (index) => {
    const connection = await openMqtt({ port: load.port, clientId: `publisher-${index}` })
    const ring = plainRing(topic(index), payload, qos, 4 * load.window)
    publishers[index] = createPublisher({
      connection,
      protocol: "mqtt",
      ring,
      onLatency: () => {},
      onAcknowledged: () => refill(),
      onFailure: fail,
    })
  })
  let sent = 0
  let next = 0
  let isPublishing = true
  // A lone publisher sends as places come free; one of many sends half its window at once, as a device with news does.
  const batch = load.publishers === 1 ? 1 : Math.max(1, load.window >> 1)
  const mayBeOpen = load.window * load.publishers
  refill = () => {
    for (let tried = 0; isPublishing && tried < load.publishers && sent - received / copies + batch <= mayBeOpen; ) {
      const publisher = publishers[next]!
      next = (next + 1) % load.publishers
      if (qos === 1 && publisher.free < batch) {
        tried++
        continue
      }
      publisher.send(batch, () => 0)
      sent += batch
    }
  }
  const begun = performance.now()
  const cpuAtStart = process.cpuUsage()
  const endNaps = napBetweenTurns()
  refill()
  await pause(load.warmUpSeconds * 1000)
  const before = received
  const from = performance.now()
  await pause(load.seconds * 1000)
  const deliveriesPerSecond = ((received - before) / (performance.now() - from)) * 1000
  isPublishing = false
  endNaps()
  const used = process.cpuUsage(cpuAtStart)
  const generatorShare = (used.user + used.system) / 1000 / (performance.now() - begun)
  // Quiet for a second means that nothing comes any more; when all is there, a moment shows whether too much comes.
  const isComplete = (): boolean => received >= sent * copies
  for (let last = -1, quiet = 0; quiet < 20 && !isComplete() && failure === undefined; await pause(50)) {
    quiet = last === received ? quiet + 1 : 0
    last = received
  }
  await pause(100)
  if (failure !== undefined) throw failure
  const owed = (qos === 0 ? sent : publishers.reduce((sum, { acknowledged }) => sum + acknowledged, 0)) * copies
  return {
    deliveriesPerSecond,
    missing: Math.max(0, owed - received),
    surplus: Math.max(0, received - sent * copies),
    generatorShare,
  }
}

/** Every delivery has the same length, so counting is a division; QoS 1 is acknowledged with one write a piece. */
function takeDeliveries(
  connection: RawConnection,
  shape: { readonly stride: number; readonly qos: 0 | 1; readonly idAt: number; readonly fail: (cause: Error) => void },
  take: (count: number) => void,
): void {
  const { stride, qos, idAt } = shape
  // The bytes of a packet that the last piece left unfinished: how many, and its identifier as far as it has come.
  let torn = 0
  let high = 0
  let low = 0
  connection.onBytes = (bytes, length) => {
    const count = Math.floor((torn + length) / stride)
    const acknowledgements = qos === 1 && count > 0 ? Buffer.allocUnsafe(4 * count) : undefined
    let done = 0
    for (let at = -torn; at < length; at += stride) {
      if (at >= 0 && (bytes[at]! & 0xf6) !== (packetTypes.publish | (qos << 1))) {
        return shape.fail(new Error(`a delivery began with ${bytes[at]?.toString(16)}`))
      }
      if (qos === 0) continue
      if (at + idAt >= 0 && at + idAt < length) high = bytes[at + idAt]!
      if (at + idAt + 1 >= 0 && at + idAt + 1 < length) low = bytes[at + idAt + 1]!
      if (at + stride > length) break
      acknowledgements!.set([packetTypes.puback, 2, high, low], 4 * done++)
    }
    torn = (torn + length) % stride
    if (acknowledgements !== undefined) connection.socket.write(acknowledgements)
    if (count > 0) take(count)
  }
}
