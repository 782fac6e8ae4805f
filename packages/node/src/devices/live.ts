/**
 * Live streams: readings for whoever listens, as they become durable.
 *
 * - L1. Only durable readings, in the order of their sequence.
 * - L2. A listener that is slow holds back nobody: its queue is bounded by readings and by bytes. A queue that overflows
 *   keeps the newest reading of each series from then on until it was emptied, and counts what it left out.
 * - L3. What a listener may not see (its principal's devices) or does not want (its filters) never enters its queue.
 * - L4. While nobody listens, a batch costs nothing.
 *
 * It is not a replay: what was stored before a listener came is a matter of SQL.
 */
import {
  allowsDevice,
  FogError,
  type Metrics,
  matchesFilter,
  type Principal,
  type Reading,
  type ReadingBatch,
  type Series,
  type Store,
} from "@brume/core"
import { LiveQueue } from "./live-queue.ts"

export interface LiveOptions {
  readonly store: Pick<Store, "node" | "epoch" | "onDurable">
  readonly metrics: Metrics
  /** Most listeners. @default 1000 */
  readonly maxListeners?: number
  /** Most readings that wait for one listener. @default 10000 */
  readonly maxQueuedReadings?: number
  /** Most memory that those take, estimated. @default 4 MiB */
  readonly maxQueuedBytes?: number
}

export interface LiveFilter {
  readonly principal: Principal
  /** Well-formed filters with MQTT wildcards; undefined means all. */
  readonly devices: readonly string[] | undefined
  readonly properties: readonly string[] | undefined
}

/** What waits for one listener. */
export interface LiveSubscription {
  /** The oldest readings, at most `limit`; empty when none wait. */
  take(limit: number): readonly Reading[]
  /** How many were left out since the last call. */
  takeDropped(): number
  /** Idempotent. */
  close(): void
}

export interface Live {
  /**
   * Calls `wake` after readings were queued, once for each stored batch that has some; it must not throw. Throws
   * `too_many_connections`.
   */
  subscribe(filter: LiveFilter, wake: () => void): LiveSubscription
}

interface Listener {
  readonly filter: LiveFilter
  readonly queue: LiveQueue
  readonly wake: () => void
  /** What the filter says of a series; entries go with their series. */
  readonly wanted: WeakMap<Series, boolean>
}

export function createLive(options: LiveOptions): Live {
  const { store, metrics, maxListeners = 1_000 } = options
  const { maxQueuedReadings = 10_000, maxQueuedBytes = 4 * 1024 * 1024 } = options
  const listeners = new Set<Listener>()
  const dropped = metrics.counter("brume_devices_live_dropped_readings_total", "Readings that slow live streams missed")
  metrics.gauge("brume_devices_live_listeners", "Live streams", () => listeners.size)
  let stop: (() => void) | undefined

  const offer = (batch: ReadingBatch, firstSeq: number): void => {
    const origin = { node: store.node, epoch: store.epoch, firstSeq }
    // Made when the first listener wants it, then shared by all.
    const readings: (Reading | undefined)[] = []
    for (const listener of listeners) {
      const wanted = wantedSeries(listener, batch)
      if (wanted === undefined) continue
      const droppedBefore = listener.queue.droppedTotal
      for (let row = 0; row < batch.length; row++) {
        const index = batch.seriesIndex[row]!
        if (wanted[index] === 1) {
          readings[row] ??= batch.readingAt(row, origin)
          listener.queue.add(batch.series[index]!, readings[row]!)
        }
      }
      dropped.add(listener.queue.droppedTotal - droppedBefore)
      listener.wake()
    }
  }

  return {
    subscribe(filter, wake) {
      if (listeners.size >= maxListeners) throw tooMany(maxListeners)
      const queue = new LiveQueue({ maxReadings: maxQueuedReadings, maxBytes: maxQueuedBytes })
      const listener: Listener = { filter, queue, wake, wanted: new WeakMap() }
      listeners.add(listener)
      stop ??= store.onDurable(offer)
      return {
        take: (limit) => queue.take(limit),
        takeDropped: () => queue.takeDropped(),
        close() {
          listeners.delete(listener)
          queue.clear()
          if (listeners.size > 0) return
          stop?.()
          stop = undefined
        },
      }
    },
  }
}

/** 1 for each series of a batch that a listener wants; undefined when there is none. */
function wantedSeries({ filter, wanted }: Listener, batch: ReadingBatch): Uint8Array | undefined {
  let found: Uint8Array | undefined
  for (let index = 0; index < batch.series.length; index++) {
    const series = batch.series[index]!
    let isWanted = wanted.get(series)
    if (isWanted === undefined) {
      isWanted = isIn(filter, series)
      wanted.set(series, isWanted)
    }
    if (!isWanted) continue
    found ??= new Uint8Array(batch.series.length)
    found[index] = 1
  }
  return found
}

function isIn({ principal, devices, properties }: LiveFilter, { device, property }: Series): boolean {
  return (
    allowsDevice(principal, device) &&
    (devices?.some((filter) => matchesFilter(filter, device)) ?? true) &&
    (properties?.some((filter) => matchesFilter(filter, property)) ?? true)
  )
}

function tooMany(limit: number): FogError {
  return new FogError("too_many_connections", {
    message: `The node serves ${limit} live streams, which is its limit`,
    hint: "Close one, or follow more devices over one stream.",
  })
}
