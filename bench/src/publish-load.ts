/** Many publishers: as fast as acknowledgements return, or at an offered rate; runs inside the load generator's process. */
import { readingRing } from "./mqtt-packets.ts"
import { createPublisher, Latencies, type Publisher } from "./publisher.ts"
import { inParallel, napBetweenTurns, openConnection, openMqtt, type RawConnection } from "./raw-connection.ts"

export interface PublishLoad {
  readonly kind: "publish"
  readonly port: number
  readonly protocol: "mqtt" | "redis"
  readonly connections: number
  /** Unacknowledged packets that each connection keeps under way; with a rate, the most that it may have. */
  readonly inFlight: number
  /** Offered messages per second over all connections; as fast as acknowledgements return when left out. */
  readonly rate?: number
  /** Load before and during the measurement, s. */
  readonly warmUpSeconds: number
  readonly seconds: number
}

export interface PublishFigures {
  /** Everything acknowledged, the warm-up included: so much must be stored. */
  readonly acknowledged: number
  readonly unacknowledged: number
  /** Acknowledged within the measured seconds. */
  readonly perSecond: number
  readonly acknowledgedMsP50: number
  readonly acknowledgedMsP99: number
  /** Of one processor, 0 to 1: near 1, the generator is what was measured. */
  readonly generatorShare: number
}

const devices = 1000

export async function publishReadings(load: PublishLoad): Promise<PublishFigures> {
  const { connections, inFlight, protocol } = load
  const sockets: RawConnection[] = new Array(connections)
  await inParallel(connections, 100, async (index) => {
    sockets[index] =
      protocol === "mqtt"
        ? await openMqtt({ port: load.port, clientId: `load-${index}` })
        : await openConnection(load.port)
  })
  const latencies = new Latencies()
  let failure: Error | undefined
  let counted = 0
  let measureFrom = Number.POSITIVE_INFINITY
  let until = Number.POSITIVE_INFINITY
  const publishers = sockets.map((connection, index) =>
    createPublisher({
      connection,
      protocol,
      ring: readingRing({
        protocol,
        index,
        connections,
        devices,
        slots: load.rate === undefined ? 5 * inFlight : inFlight,
      }),
      onLatency: (dueMs, nowMs) => {
        if (dueMs >= measureFrom && dueMs < until) latencies.add(nowMs - dueMs)
      },
      onAcknowledged: (count, nowMs, publisher) => {
        if (nowMs >= measureFrom && nowMs < until) counted += count
        if (load.rate === undefined && nowMs < until) publisher.send(count, () => nowMs)
      },
      onFailure: (cause) => {
        failure ??= cause
      },
    }),
  )
  const begun = performance.now()
  measureFrom = begun + load.warmUpSeconds * 1000
  until = measureFrom + load.seconds * 1000
  const cpuAtStart = process.cpuUsage()
  if (load.rate === undefined) for (const publisher of publishers) publisher.send(inFlight, () => begun)
  // A nap would be felt where a connection waits for each single answer.
  const endNaps = load.rate === undefined && inFlight > 1 ? napBetweenTurns() : undefined
  const ticker = load.rate === undefined ? undefined : offer(publishers, load.rate, begun, () => until)
  while (performance.now() < until && failure === undefined) await pause(20)
  const used = process.cpuUsage(cpuAtStart)
  const generatorShare = (used.user + used.system) / 1000 / (performance.now() - begun)
  endNaps?.()
  clearInterval(ticker)
  const open = (): number => publishers.reduce((sum, { sent, acknowledged }) => sum + sent - acknowledged, 0)
  for (let wait = 0; wait < 1000 && open() > 0 && failure === undefined; wait++) await pause(10)
  if (failure !== undefined) throw failure
  return {
    acknowledged: publishers.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    unacknowledged: open(),
    perSecond: counted / load.seconds,
    acknowledgedMsP50: latencies.quantile(0.5),
    acknowledgedMsP99: latencies.quantile(0.99),
    generatorShare,
  }
}

/**
 * Open loop: message `j` of connection `c` is due at its own time, whether or not earlier ones were answered, and its
 * latency counts from then. Looked at every millisecond, the finest that a timer knows.
 */
function offer(publishers: readonly Publisher[], rate: number, begun: number, until: () => number): NodeJS.Timeout {
  const stepMs = (publishers.length / rate) * 1000
  return setInterval(() => {
    const now = Math.min(performance.now(), until())
    for (const [index, publisher] of publishers.entries()) {
      const first = begun + (index / rate) * 1000
      const dueByNow = Math.floor((now - first) / stepMs) + 1
      const { sent } = publisher
      const count = Math.min(dueByNow - sent, publisher.free)
      if (count > 0) publisher.send(count, (turn) => first + (sent + turn) * stepMs)
    }
  }, 1)
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
