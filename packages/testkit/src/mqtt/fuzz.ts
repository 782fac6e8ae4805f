/**
 * A structure-aware fuzzer of MQTT brokers, over TCP. Its clients play scenes that a seed chooses; beside them one
 * healthy client publishes to itself at QoS 1, and everything is judged by it and by the broker's process.
 *
 * F1 A crash is the end of the process, or of the healthy client's connection.
 * F2 A hang is a round trip of the healthy client that does not come back within the limit.
 * F3 Growth is memory that is still there after all others have gone.
 */
import { readFile } from "node:fs/promises"
import { SeededRandom } from "../seeded-random.ts"
import { pickScene } from "./fuzz-scenes.ts"
import { RawClient } from "./raw-client.ts"

export interface MqttFuzzOptions {
  readonly port: number
  readonly credentials?: { readonly username: string; readonly password: string }
  /** About how many packets are sent. */
  readonly packets: number
  readonly seed: number
  /** Process whose memory and life are watched. */
  readonly pid?: number
  /** Clients at work at once. @default 8 */
  readonly clients?: number
  /** How long a round trip of the healthy client may take. @default 10000 */
  readonly roundTripLimitMs?: number
  /** Told now and then. */
  readonly onProgress?: (packets: number, rssBytes: number) => void
}

export interface MqttFuzzReport {
  readonly seed: number
  readonly packets: number
  readonly scenes: number
  readonly roundTrips: number
  readonly slowestRoundTripMs: number
  /** What went wrong; undefined when nothing did. */
  readonly fault: string | undefined
  /** Resident memory: after a tenth of the packets, the most that was seen, and at the end. 0 where it is not known. */
  readonly rssBytes: { readonly early: number; readonly peak: number; readonly end: number }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export async function fuzzMqtt(options: MqttFuzzOptions): Promise<MqttFuzzReport> {
  const { packets, seed, clients = 8, roundTripLimitMs = 10_000 } = options
  const state = { packets: 0, scenes: 0, roundTrips: 0, slowestMs: 0, early: 0, peak: 0, isOver: false }
  let fault: string | undefined
  const healthy = await connectHealthy(options)
  const isDone = (): boolean => state.packets >= packets || fault !== undefined

  const watching = (async () => {
    while (!state.isOver && fault === undefined) {
      const started = performance.now()
      try {
        await roundTrip(healthy, state.roundTrips, roundTripLimitMs)
      } catch (error) {
        fault = `after ${state.packets} packets the healthy client: ${(error as Error).message}`
        return
      }
      state.roundTrips++
      state.slowestMs = Math.max(state.slowestMs, performance.now() - started)
      await pause(5)
    }
  })()
  const weighing = (async () => {
    while (!state.isOver && fault === undefined) {
      const rss = await rssOf(options.pid)
      if (options.pid !== undefined && rss === 0) fault ??= `after ${state.packets} packets the process is gone`
      if (state.early === 0 && state.packets >= packets / 10) state.early = rss
      state.peak = Math.max(state.peak, rss)
      options.onProgress?.(state.packets, rss)
      await pause(250)
    }
  })()
  await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      const random = new SeededRandom(seed * 1_000 + index)
      const stage = {
        random,
        port: options.port,
        ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
        sent: (count: number) => {
          state.packets += count
        },
      }
      while (!isDone()) {
        await pickScene(random)(stage)
        state.scenes++
      }
    }),
  )
  // Sessions of a second end, delayed wills come, and memory may be given back.
  if (fault === undefined) await pause(2_500)
  state.isOver = true
  await Promise.all([watching, weighing])
  await healthy[Symbol.asyncDispose]()
  return {
    seed,
    packets: state.packets,
    scenes: state.scenes,
    roundTrips: state.roundTrips,
    slowestRoundTripMs: Math.round(state.slowestMs),
    fault,
    rssBytes: { early: state.early, peak: state.peak, end: await rssOf(options.pid) },
  }
}

const healthyTopic = "healthy/round-trip"

async function connectHealthy({ port, credentials }: MqttFuzzOptions): Promise<RawClient> {
  const client = await RawClient.open(port, 5)
  const connack = await client.connect({ clientId: "healthy", clean: true, keepAlive: 60, ...credentials })
  if (connack.code !== 0) throw new Error(`the healthy client was refused with ${connack.code}`)
  await client.subscribe({ filter: healthyTopic, qos: 1 })
  return client
}

/** Both halves: the acknowledgement and the message itself, as it was sent, and only once. */
async function roundTrip(client: RawClient, turn: number, limitMs: number): Promise<void> {
  client.limitMs = limitMs
  await client.publish({ topic: healthyTopic, payload: `${turn}`, qos: 1 })
  const message = await client.message()
  if (message.payload.toString() !== `${turn}`) throw new Error(`got message ${message.payload} in place of ${turn}`)
}

/** 0 where the process, or /proc, is not there. */
async function rssOf(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024
}
