/**
 * What the page knows of its node, kept up to date: status by asking, devices and readings live.
 *
 * V1: readings are collected and shown together a few times a second, however fast they come.
 * V2: at most `maxDevices` devices are held; where a node has more, the live stream is asked for the first of them alone.
 * V3: after a gap in the stream the page asks again for what it shows.
 */
import { isFogError } from "@brume/sdk"
import { AlarmWatch } from "./alarm-watch.svelte.ts"
import { sparksStatement } from "./history.ts"
import { liveFilter } from "./live-filter.ts"
import { LiveDevice, LiveSeries } from "./live-series.svelte.ts"
import type { LinkState, NodePort, NodeStatus, SeriesPoint } from "./node-port.ts"
import { RateMeter } from "./rate.ts"
import { keyOf, type Point, type SeriesId } from "./series.ts"

const maxDevices = 500
/** Devices that are shown together while they arrive. */
const portion = 50
const statusEveryMs = 2_000
const showEveryMs = 200
/** Readings that wait to be shown; beyond it the oldest are skipped, the history still has them. */
const maxPending = 20_000
const sparkSpanMs = 30 * 60_000

type PointsListener = (points: readonly Point[]) => void

export class Watch {
  status: NodeStatus | undefined = $state.raw(undefined)
  link: LinkState = $state.raw({ state: "connecting" })
  /** Readings per second over the last ten seconds; undefined while unknown. */
  rate: number | undefined = $state(undefined)
  devices: readonly LiveDevice[] = $state.raw([])
  /** The first page of devices is here. */
  isLoaded: boolean = $state(false)
  /** The node has more devices than this page holds. */
  isCut: boolean = $state(false)
  /** So many of them are followed live; undefined when all are. */
  liveDevices: number | undefined = $state(undefined)
  /** Clock of the page, once a second, for ages and sliding windows. */
  now: number = $state(Date.now())
  /** Why the token is no longer good; the page then asks for another. */
  refusal: Error | undefined = $state.raw(undefined)
  /** How often the stream may have missed something. */
  gaps: number = $state(0)

  readonly port: NodePort
  readonly alarms: AlarmWatch
  readonly #series = new Map<string, LiveSeries>()
  readonly #byDevice = new Map<string, LiveDevice>()
  readonly #listeners = new Map<string, Set<PointsListener>>()
  readonly #ending = new AbortController()
  #pending: SeriesPoint[] = []
  readonly #rate = new RateMeter()
  #timers: ReturnType<typeof setInterval>[] = []
  #endLive: (() => void) | undefined

  constructor(port: NodePort) {
    this.port = port
    this.alarms = new AlarmWatch(port)
  }

  async start(): Promise<void> {
    this.#timers.push(
      setInterval(() => this.#show(), showEveryMs),
      setInterval(() => {
        this.now = Date.now()
      }, 1_000),
    )
    this.alarms.start()
    void this.#followStatus()
    await this.#load()
    if (this.#ending.signal.aborted) return
    this.#listen()
    await this.#seed()
  }

  /** Idempotent. */
  close(): void {
    this.#ending.abort()
    this.#endLive?.()
    this.alarms.close()
    for (const timer of this.#timers) clearInterval(timer)
  }

  find(id: SeriesId): LiveSeries | undefined {
    return this.#series.get(keyOf(id))
  }

  /** Readings of a series as they come. Returns the function that ends it. */
  onPoints(id: SeriesId, listener: PointsListener): () => void {
    const key = keyOf(id)
    const listeners = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  async #followStatus(): Promise<void> {
    const { signal } = this.#ending
    while (!signal.aborted) {
      try {
        this.status = await this.port.status(signal)
        this.rate = this.#rate.measure(performance.now(), this.status)
      } catch (error) {
        this.#refuse(error)
        this.#rate.forget()
        this.rate = undefined
      }
      await new Promise((resolve) => setTimeout(resolve, statusEveryMs))
    }
  }

  async #load(): Promise<void> {
    const { signal } = this.#ending
    for (;;) {
      try {
        await this.#loadDevices(signal)
        return
      } catch (error) {
        if (signal.aborted || this.#refuse(error)) return
        await new Promise((resolve) => setTimeout(resolve, statusEveryMs))
      }
    }
  }

  async #loadDevices(signal: AbortSignal): Promise<void> {
    let points: SeriesPoint[] = []
    let devices = 0
    this.isCut = false
    for await (const device of this.port.devices(signal)) {
      // V2
      if (devices === maxDevices) {
        this.isCut = true
        break
      }
      devices++
      points.push(...device)
      if (devices % portion > 0) continue
      this.#add(points)
      this.isLoaded = true
      points = []
    }
    this.#add(points)
    this.isLoaded = true
  }

  #listen(): void {
    // V2: without a filter, new devices appear by themselves.
    const filter = this.isCut ? liveFilter(this.devices.map((device) => device.name)) : []
    this.liveDevices = this.isCut ? filter.length : undefined
    this.#endLive = this.port.live(filter, {
      points: (points) => {
        this.#pending.push(...points)
        if (this.#pending.length > maxPending) this.#pending = this.#pending.slice(-maxPending)
      },
      link: (link) => {
        this.link = link
        if (link.state === "ended") this.#refuse(link.reason)
      },
      // V3
      gap: () => {
        this.gaps++
        void this.#load()
      },
    })
  }

  /** V1 */
  #show(): void {
    if (this.#pending.length === 0) return
    const pending = this.#pending
    this.#pending = []
    this.#add(pending)
  }

  #add(points: readonly SeriesPoint[]): void {
    const bySeries = new Map<string, { readonly id: SeriesId; readonly points: Point[] }>()
    for (const { id, point } of points) {
      const key = keyOf(id)
      const entry = bySeries.get(key)
      if (entry === undefined) bySeries.set(key, { id, points: [point] })
      else entry.points.push(point)
    }
    for (const [key, { id, points }] of bySeries) {
      const series = this.#series.get(key) ?? this.#adopt(id, points[0]!.value !== null)
      series?.update(points)
      for (const listener of this.#listeners.get(key) ?? []) listener(points)
    }
  }

  #adopt(id: SeriesId, isNumber: boolean): LiveSeries | undefined {
    let device = this.#byDevice.get(id.device)
    if (device === undefined) {
      if (this.#byDevice.size >= maxDevices) return undefined // V2
      device = new LiveDevice(id.device)
      this.#byDevice.set(id.device, device)
      this.devices = [...this.devices, device].sort((a, b) => compare(a.name, b.name))
    }
    const series = new LiveSeries(id, isNumber)
    this.#series.set(series.key, series)
    device.series = [...device.series, series].sort(
      (a, b) =>
        Number(b.isNumber) - Number(a.isNumber) ||
        compare(a.id.property, b.id.property) ||
        compare(a.id.tags, b.id.tags),
    )
    return series
  }

  /** The small lines begin with history where SQL is allowed; elsewhere they begin empty. */
  async #seed(): Promise<void> {
    const statement = sparksStatement(Date.now() - sparkSpanMs)
    let rows: readonly Readonly<Record<string, unknown>>[]
    try {
      rows = await this.port.rows(statement, this.#ending.signal)
    } catch {
      return
    }
    const lines = new Map<string, Point[]>()
    for (const row of rows) {
      const id = { device: String(row.device), property: String(row.property), tags: String(row.tags) }
      const line = lines.get(keyOf(id)) ?? []
      line.unshift({ time: Number(row.start), value: Number(row.mean), text: null })
      lines.set(keyOf(id), line)
    }
    for (const [key, line] of lines) this.#series.get(key)?.seed(line)
  }

  /** True when the token is to blame. */
  #refuse(error: unknown): boolean {
    if (!isFogError(error, "unauthenticated") && !isFogError(error, "forbidden")) return false
    this.refusal = error
    this.close()
    return true
  }
}

const collator = new Intl.Collator("en", { numeric: true })

function compare(a: string, b: string): number {
  return collator.compare(a, b)
}
