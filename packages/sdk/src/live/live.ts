/**
 * Readings as they become durable on a node, over connections that may break.
 *
 * L1: a connection that is lost is opened again, after a growing, jittered pause, until the subscription is closed, the
 *     node refuses it for good (token, filter), or the written number of attempts failed in a row.
 * L2: readings that were missed are never invented: each interval in which some may have been missed is told as a gap,
 *     before the readings that come after it.
 * L3: the queue to a slow reader is bounded; what it drops is counted and told as a gap.
 */
import { FogError, filterProblem } from "@brume/core"
import { type LivePort, type LiveState, LiveStream, type StreamOptions } from "./stream.ts"

/** A reading as the node tells it: times are ISO 8601 with µs. */
export interface LiveReading {
  /** When the device measured. */
  readonly time: string
  /** When the node took it in. */
  readonly received: string
  readonly device: string
  readonly property: string
  /** The number; null where the reading is none. */
  readonly value: number | null
  readonly text: string | null
  /** Raw JSON: booleans, objects, arrays, integers beyond 2^53. */
  readonly json: string | null
  /** Canonical JSON object. */
  readonly tags: string
  readonly quality: number
  readonly node: string
  readonly epoch: string
  readonly seq: number
}

/** Filters with MQTT wildcards: `+` one level, `#` the rest. A reading passes when one of each list fits. */
export interface LiveFilter {
  /** @default every device */
  readonly devices?: readonly string[]
  /** @default every property */
  readonly properties?: readonly string[]
}

/** An interval in which readings may be missing from the stream. They are on the node: ask it with SQL. */
export interface LiveGap {
  /** `disconnected`: there was no connection; `slow`: the node or the queue here left some out. */
  readonly reason: "disconnected" | "slow"
  /** The last reading before the gap; undefined when there was none. */
  readonly after: LiveReading | undefined
  /** ISO 8601: `received` of the reading before the gap, else by this machine's clock. */
  readonly from: string
  /** ISO 8601, by this machine's clock. */
  readonly to: string
  /** How many were left out, where that is known. */
  readonly count: number | undefined
}

export interface LiveOptions extends StreamOptions {
  /** Called for each portion of readings, instead of iterating. */
  readonly onReadings?: (readings: readonly LiveReading[]) => void
  readonly onGap?: (gap: LiveGap) => void
}

export interface LiveStats {
  readonly received: number
  readonly dropped: number
  readonly queued: number
  readonly connections: number
}

/** Iterate it once, or give `onReadings`. Leaving the loop closes it. */
export interface LiveSubscription extends AsyncIterable<LiveReading>, AsyncDisposable {
  readonly state: LiveState
  stats(): LiveStats
  /** Idempotent. */
  close(): Promise<void>
}

export function openLive(port: LivePort, filter: LiveFilter = {}, options: LiveOptions = {}): LiveSubscription {
  checkFilters("device", filter.devices)
  checkFilters("property", filter.properties)
  const url = new URL(port.url)
  for (const device of filter.devices ?? []) url.searchParams.append("device", device)
  for (const property of filter.properties ?? []) url.searchParams.append("property", property)
  return new Subscription({ ...port, url }, options)
}

function checkFilters(what: string, filters: readonly string[] | undefined): void {
  for (const filter of filters ?? []) {
    const problem = filterProblem(filter)
    if (problem === undefined) continue
    throw new FogError("request_invalid", {
      message: `The ${what} filter ${JSON.stringify(filter)} ${problem}`,
      hint: "+ stands for one whole level, # for the rest and only at the end: cold/+/door, cold/#.",
    })
  }
}

class Subscription implements LiveSubscription {
  readonly #options: LiveOptions
  readonly #stream: LiveStream<LiveReading>
  #received = 0
  #last: LiveReading | undefined

  constructor(port: LivePort, options: LiveOptions) {
    this.#options = options
    this.#stream = new LiveStream(port, options, {
      // L2
      again: () => this.#gap("disconnected", undefined),
      message: ({ type, readings, count }) => {
        if (type === "readings" && Array.isArray(readings)) this.#take(readings as readonly LiveReading[])
        else if (type === "dropped") this.#gap("slow", Number(count))
      },
    })
  }

  get state(): LiveState {
    return this.#stream.state
  }

  stats(): LiveStats {
    const { queued, dropped, connections } = this.#stream
    return { received: this.#received, dropped, queued, connections }
  }

  close(): Promise<void> {
    return this.#stream.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [Symbol.asyncIterator](): AsyncGenerator<LiveReading, void, undefined> {
    return this.#stream[Symbol.asyncIterator]()
  }

  #take(readings: readonly LiveReading[]): void {
    if (readings.length === 0) return
    this.#received += readings.length
    const { onReadings } = this.#options
    if (onReadings !== undefined) this.#stream.tell(() => onReadings(readings))
    else {
      const dropped = this.#stream.push(readings)
      // L3
      if (dropped > 0) this.#gap("slow", dropped)
    }
    this.#last = readings.at(-1)
  }

  #gap(reason: LiveGap["reason"], count: number | undefined): void {
    const now = Date.now()
    const to = new Date(now).toISOString()
    const from = this.#last?.received ?? new Date(this.#stream.aliveAt ?? now).toISOString()
    this.#stream.tell(() => this.#options.onGap?.({ reason, after: this.#last, from, to, count }))
  }
}
