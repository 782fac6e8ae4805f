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
import { type BackoffPolicy, backoffMs } from "../backoff.ts"
import { type Connection, connect } from "./connection.ts"
import { ReadingQueue } from "./queue.ts"
import type { SocketDriver } from "./socket.ts"

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

export type LiveState =
  | { readonly state: "connecting"; readonly attempt: number }
  | { readonly state: "open" }
  /** `retryInMs` is undefined when it will not be opened again; `reason` when the application closed it. */
  | { readonly state: "closed"; readonly reason: FogError | undefined; readonly retryInMs: number | undefined }

export interface LiveOptions {
  /** Ends the subscription; iteration then ends without an error. */
  readonly signal?: AbortSignal
  /** Called for each portion of readings, instead of iterating. */
  readonly onReadings?: (readings: readonly LiveReading[]) => void
  readonly onGap?: (gap: LiveGap) => void
  readonly onState?: (state: LiveState) => void
  /** Readings that wait for a slow iteration. @default 10000 */
  readonly maxQueued?: number
  /** Pauses between attempts. @default 500 ms, doubling, at most 30 s, without end */
  readonly retry?: BackoffPolicy & { readonly maxAttempts?: number }
  /** A link without a sign of life for this long is dead, ms. The node shows one at least every 40 s. @default 60000 */
  readonly silenceMs?: number
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

/** What a subscription needs of its client. */
export interface LivePort {
  /** The address of the stream, ws: or wss:, without filters. */
  readonly url: URL
  readonly token: () => Promise<string | undefined>
  readonly driver: () => Promise<SocketDriver>
  /** Asks over HTTP why the stream cannot be opened; throws the node's own reason, or that it is unreachable. */
  readonly diagnose: () => Promise<void>
}

export function openLive(port: LivePort, filter: LiveFilter = {}, options: LiveOptions = {}): LiveSubscription {
  checkFilters("device", filter.devices)
  checkFilters("property", filter.properties)
  return new Subscription(port, filter, options)
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
  state: LiveState = { state: "connecting", attempt: 1 }
  readonly #port: LivePort
  readonly #filter: LiveFilter
  readonly #options: LiveOptions
  readonly #queue: ReadingQueue<LiveReading>
  readonly #retry: BackoffPolicy & { readonly maxAttempts?: number }
  #connection: Connection | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #connections = 0
  #received = 0
  #last: LiveReading | undefined
  /** Last sign of life by this machine's clock, ms since 1970; undefined before the first connection. */
  #aliveAt: number | undefined
  #isClosed = false
  #failure: FogError | undefined
  /** Wakes the iteration that waits for a reading. */
  #wake: (() => void) | undefined

  constructor(port: LivePort, filter: LiveFilter, options: LiveOptions) {
    this.#port = port
    this.#filter = filter
    this.#options = options
    this.#queue = new ReadingQueue(options.maxQueued ?? 10_000)
    this.#retry = options.retry ?? { firstDelayMs: 500, maxDelayMs: 30_000 }
    if (options.signal?.aborted) this.#finish(undefined)
    else {
      options.signal?.addEventListener("abort", this.#onAbort, { once: true })
      // The caller gets the subscription before its first event.
      queueMicrotask(() => this.#connect())
    }
  }

  readonly #onAbort = (): void => this.#finish(undefined)

  stats(): LiveStats {
    const { length, dropped } = this.#queue
    return { received: this.#received, dropped, queued: length, connections: this.#connections }
  }

  async close(): Promise<void> {
    this.#finish(undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LiveReading, void, undefined> {
    try {
      for (;;) {
        const reading = this.#queue.shift()
        if (reading !== undefined) yield reading
        else if (this.#failure !== undefined) throw this.#failure
        else if (this.#isClosed) return
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
      }
    } finally {
      this.#finish(undefined)
    }
  }

  #connect(): void {
    if (this.#isClosed) return
    this.#enter({ state: "connecting", attempt: this.#failures + 1 })
    this.#connection = connect(
      { port: this.#port, filter: this.#filter, silenceMs: this.#options.silenceMs ?? 60_000 },
      {
        opened: () => this.#opened(),
        readings: (readings) => this.#take(readings),
        dropped: (count) => this.#gap("slow", count),
        alive: () => {
          this.#failures = 0
          this.#aliveAt = Date.now()
        },
        lost: (error) => this.#lost(error),
      },
    )
  }

  #opened(): void {
    this.#connections++
    this.#enter({ state: "open" })
    // L2
    if (this.#aliveAt !== undefined) this.#gap("disconnected", undefined)
    this.#aliveAt = Date.now()
  }

  #take(readings: readonly LiveReading[]): void {
    if (this.#isClosed || readings.length === 0) return
    this.#received += readings.length
    const { onReadings } = this.#options
    if (onReadings !== undefined) this.#tell(() => onReadings(readings))
    else {
      const dropped = this.#queue.push(readings)
      // L3
      if (dropped > 0) this.#gap("slow", dropped)
    }
    this.#last = readings.at(-1)
    this.#wakeReader()
  }

  #gap(reason: LiveGap["reason"], count: number | undefined): void {
    const now = Date.now()
    const to = new Date(now).toISOString()
    const from = this.#last?.received ?? new Date(this.#aliveAt ?? now).toISOString()
    this.#tell(() => this.#options.onGap?.({ reason, after: this.#last, from, to, count }))
  }

  #lost(error: FogError): void {
    this.#connection = undefined
    this.#failures++
    const isFinal = error.retry === "never" || this.#failures >= (this.#retry.maxAttempts ?? Number.POSITIVE_INFINITY)
    // L1
    if (isFinal) {
      this.#finish(error)
      return
    }
    const retryInMs = backoffMs(this.#failures, this.#retry)
    this.#enter({ state: "closed", reason: error, retryInMs })
    if (this.#isClosed) return
    this.#timer = setTimeout(() => this.#connect(), retryInMs)
  }

  #finish(reason: FogError | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#failure = reason
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener("abort", this.#onAbort)
    this.#connection?.end()
    this.#connection = undefined
    this.#enter({ state: "closed", reason, retryInMs: undefined })
    this.#wakeReader()
  }

  #enter(state: LiveState): void {
    this.state = state
    this.#tell(() => this.#options.onState?.(state))
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** A callback that throws is the application's fault: it surfaces there, and does not stop the stream. */
  #tell(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
