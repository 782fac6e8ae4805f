/**
 * The site's devices as clients of a node: they hand over the history that the node lacks, and then go on live.
 *
 * D1: nothing takes a short way: the history goes through the node's HTTP API with the SDK's writer, as the gateway of
 *     real devices does it, and what is measured from then on over MQTT (mqtt-devices.ts).
 * D2: closing ends within `closeMs`, whatever the node does.
 */
import { type BrumeClient, createClient, type FogError } from "@brume/sdk"
import { createFeed, type Feed } from "./feed.ts"
import { type LiveSink, openMqttDevices } from "./mqtt-devices.ts"
import type { Acted } from "./orders.ts"
import type { LastShown } from "./room.ts"
import { createSite } from "./site.ts"
import type { Weather } from "./weather.ts"

export interface DevicesOptions {
  readonly url: string
  readonly mqttUrl: string
  readonly token: string
  readonly weather: Weather
  readonly devices: number
  readonly seed: number
  readonly speed: number
  readonly historyMs: number
  readonly tell: Tell
}

/** A line for the person at the terminal. */
export type Tell = (line: string) => void

export interface Devices extends AsyncDisposable {
  /** Resolves when the history is on the node's disk, or the devices were closed before. */
  readonly filled: Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}

/** How often the live devices look at the clock. */
const turnMs = 200
/** Longest time for which the simulation keeps the process from other work. */
const sliceMs = 8
const closeMs = 500
/** From here on filling in the past takes long enough to be told. */
const longMs = 3_600_000

export async function openDevices(options: DevicesOptions): Promise<Devices> {
  const { url, token, speed, tell } = options
  const client = createClient({ url, token })
  const writer = client.writer({ maxBatch: 2_000, maxBufferedReadings: 10_000, ...complaints(tell) })
  const now = Date.now()
  const siteOptions = { ...options, utcOffsetMs: -new Date(now).getTimezoneOffset() * 60_000 }
  const names = new Set(createSite({ ...siteOptions, from: now }).devices.map((device) => device.name))
  const { time, last } = await lastShown(client, names)
  const from = Math.max(now - options.historyMs, Math.min(time, now))
  const site = createSite({ ...siteOptions, from, ...(last.size === 0 ? {} : { last }) })
  const feed = createFeed({ site, liveFrom: now, speed })
  const act = (device: string, command: string, input: unknown): Acted =>
    site.devices.find(({ name }) => name === device)?.act(command, input) ?? notHere(device)
  const ending = new AbortController()
  let mqtt: LiveSink | undefined

  async function fill(): Promise<void> {
    const begun = performance.now()
    if (now - from > longMs) tell(`The past ${span(now - from)} of the site are being filled in…`)
    const count = await pass(feed, { from, to: now, sink: writer, signal: ending.signal })
    await writer.flush()
    if (ending.signal.aborted || count === 0) return
    const seconds = ((performance.now() - begun) / 1_000).toFixed(1)
    tell(`${count.toLocaleString("en")} readings of the past ${span(now - from)} are stored after ${seconds} s.`)
  }

  async function live(): Promise<void> {
    if (ending.signal.aborted) return
    let last = now
    const order = site.devices.map((device) => device.name)
    mqtt = await openMqttDevices({ mqttUrl: options.mqttUrl, token, names: order, tell, act })
    while (!ending.signal.aborted) {
      const to = Date.now()
      // A clock that was set back: wait until it is where it was.
      if (to > last) {
        await pass(feed, { from: last, to, sink: mqtt, signal: ending.signal })
        last = to
      }
      await pause(turnMs, ending.signal)
    }
  }

  const filled = fill().catch((error: unknown) => {
    if (!ending.signal.aborted) tell(`The history could not be stored: ${(error as Error).message}`)
  })
  const living = filled.then(live)
  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    ending.abort()
    // D2: what the writer still holds is simulated, and the past of the next start.
    await writer.close({ timeoutMs: closeMs }).catch(() => {})
    // Closing the connections first lets go of whoever waits for room in them.
    await mqtt?.close()
    await living.catch(() => {})
    await mqtt?.close()
  }
  const close = (): Promise<void> => {
    closing ??= end()
    return closing
  }
  return { filled, close, [Symbol.asyncDispose]: close }
}

/** What these devices reported last, and when (ms since 1970 UTC, 0 for never): they go on from there. */
async function lastShown(
  client: BrumeClient,
  names: ReadonlySet<string>,
): Promise<{ readonly time: number; readonly last: ReadonlyMap<string, LastShown> }> {
  const rows = await client.query<LastShown & { readonly device: string; readonly time: number | string }>(`
    SELECT device, epoch_ms(max(time)) AS time,
      any_value(value) FILTER (property = 'temperature') AS temperature,
      any_value(value) FILTER (property = 'humidity') AS humidity,
      any_value(value) FILTER (property = 'power') AS power
    FROM latest GROUP BY device`)
  const own = rows.filter(({ device }) => names.has(device))
  const rooms = own.filter(({ temperature, humidity, power }) => [temperature, humidity, power].every(Number.isFinite))
  return {
    time: Math.max(0, ...own.map(({ time }) => Number(time))),
    last: new Map(rooms.map((room) => [room.device, room])),
  }
}

function notHere(device: string): Acted {
  return { state: "failed", error: { code: "unknown_device", message: `${device} is none of this site` } }
}

interface Pass {
  readonly from: number
  readonly to: number
  readonly sink: Pick<LiveSink, "add">
  readonly signal: AbortSignal
}

/** Hands over what happened in an interval, in small slices; resolves to the number of readings. */
async function pass(feed: Feed, { from, to, sink, signal }: Pass): Promise<number> {
  let count = 0
  let begun = performance.now()
  for (const reading of feed.between(from, to)) {
    if (signal.aborted) return count
    const room = sink.add(reading)
    if (room !== undefined) await room
    count++
    if (performance.now() - begun < sliceMs) continue
    await new Promise((resolve) => setImmediate(resolve))
    begun = performance.now()
  }
  return count
}

/** Tells of each kind of trouble once, until it is over. */
function complaints(tell: Tell) {
  let last = ""
  const once = (text: string): void => {
    if (text !== last) tell(text)
    last = text
  }
  return {
    onError: (error: FogError) => once(`The devices keep their readings and try again: ${error.message}`),
    onRejected: (error: FogError) => once(`The node refused readings: ${error.message}`),
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, delayMs)
    signal.addEventListener("abort", end)
  })
}

function span(ms: number): string {
  const hours = ms / 3_600_000
  if (hours >= 48) return `${Math.round(hours / 24)} days`
  if (hours >= 2) return `${Math.round(hours)} hours`
  const minutes = Math.round(ms / 60_000)
  return minutes === 1 ? "minute" : minutes === 0 ? "moments" : `${minutes} minutes`
}
