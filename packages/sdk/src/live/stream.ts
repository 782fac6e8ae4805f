/**
 * What the live streams of a node have in common: a connection that is opened again when it is lost, after a growing,
 * jittered pause, until the application closes it, the node refuses it for good, or the written number of attempts failed
 * in a row; and a bounded queue to the one who iterates.
 */
import type { FogError } from "@brume/core"
import { type BackoffPolicy, backoffMs } from "../backoff.ts"
import { type Connection, connect } from "./connection.ts"
import { ReadingQueue } from "./queue.ts"
import type { SocketDriver } from "./socket.ts"

export type LiveState =
  | { readonly state: "connecting"; readonly attempt: number }
  | { readonly state: "open" }
  /** `retryInMs` is undefined when it will not be opened again; `reason` when the application closed it. */
  | { readonly state: "closed"; readonly reason: FogError | undefined; readonly retryInMs: number | undefined }

export interface StreamOptions {
  /** Ends the subscription; iteration then ends without an error. */
  readonly signal?: AbortSignal
  readonly onState?: (state: LiveState) => void
  /** What waits for a slow iteration at most. @default 10000 */
  readonly maxQueued?: number
  /** Pauses between attempts. @default 500 ms, doubling, at most 30 s, without end */
  readonly retry?: BackoffPolicy & { readonly maxAttempts?: number }
  /** A link without a sign of life for this long is dead, ms. The node shows one at least every 40 s. @default 60000 */
  readonly silenceMs?: number
}

/** What a stream needs of its client. */
export interface LivePort {
  /** The address of the stream, ws: or wss:. */
  readonly url: URL
  readonly token: () => Promise<string | undefined>
  readonly driver: () => Promise<SocketDriver>
  /** Asks over HTTP why the stream cannot be opened; throws the node's own reason, or that it is unreachable. */
  readonly diagnose: () => Promise<void>
}

export interface StreamEvents {
  /** It is open, and was before: something may have been missed. */
  again(): void
  message(message: Readonly<Record<string, unknown>>): void
  /** Who iterates has read everything, and waits. */
  waiting?(): void
}

export class LiveStream<Item> implements AsyncIterable<Item> {
  state: LiveState = { state: "connecting", attempt: 1 }
  connections = 0
  /** Last sign of life by this machine's clock, ms since 1970; undefined before the first connection. */
  aliveAt: number | undefined
  readonly #port: LivePort
  readonly #options: StreamOptions
  readonly #events: StreamEvents
  readonly #queue: ReadingQueue<Item>
  readonly #retry: BackoffPolicy & { readonly maxAttempts?: number }
  #connection: Connection | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #isClosed = false
  #failure: FogError | undefined
  /** Wakes the iteration that waits. */
  #wake: (() => void) | undefined

  constructor(port: LivePort, options: StreamOptions, events: StreamEvents) {
    this.#port = port
    this.#options = options
    this.#events = events
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

  get queued(): number {
    return this.#queue.length
  }

  get dropped(): number {
    return this.#queue.dropped
  }

  /** For the iteration. Returns how many were dropped for these. */
  push(items: readonly Item[]): number {
    const dropped = this.#queue.push(items)
    this.#wakeReader()
    return dropped
  }

  /** Forgets what waits. */
  clear(): void {
    while (this.#queue.shift() !== undefined);
  }

  /** Connects anew, for who wants to hear from the beginning. */
  renew(): void {
    if (this.#isClosed) return
    this.#connection?.end()
    this.#connect()
  }

  async close(): Promise<void> {
    this.#finish(undefined)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    try {
      for (;;) {
        const item = this.#queue.shift()
        if (item !== undefined) yield item
        else if (this.#failure !== undefined) throw this.#failure
        else if (this.#isClosed) return
        else {
          this.#events.waiting?.()
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
      }
    } finally {
      this.#finish(undefined)
    }
  }

  /** A callback that throws is the application's fault: it surfaces there, and does not stop the stream. */
  tell(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  #connect(): void {
    if (this.#isClosed) return
    this.#enter({ state: "connecting", attempt: this.#failures + 1 })
    this.#connection = connect(
      { port: this.#port, silenceMs: this.#options.silenceMs ?? 60_000 },
      {
        opened: () => this.#opened(),
        message: (message) => {
          if (!this.#isClosed) this.#events.message(message)
        },
        alive: () => {
          this.#failures = 0
          this.aliveAt = Date.now()
        },
        lost: (error) => this.#lost(error),
      },
    )
  }

  #opened(): void {
    this.connections++
    this.#enter({ state: "open" })
    if (this.aliveAt !== undefined) this.#events.again()
    this.aliveAt = Date.now()
  }

  #lost(error: FogError): void {
    this.#connection = undefined
    this.#failures++
    const isFinal = error.retry === "never" || this.#failures >= (this.#retry.maxAttempts ?? Number.POSITIVE_INFINITY)
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
    this.tell(() => this.#options.onState?.(state))
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
