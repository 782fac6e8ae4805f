/** All live connections together: how many there may be, whose tokens are still valid, and their end. */
import { type Clock, FogError, type Metrics, type Tokens } from "@brume/core"
import type { FastifyRequest } from "fastify"
import type { WebSocket } from "ws"
import { closeCodes, type Stream, type StreamSource, startStream } from "./stream.ts"

export interface LiveStreamsOptions {
  readonly tokens: Pick<Tokens, "authenticate">
  readonly clock: Clock
  readonly metrics: Metrics
  readonly maxConnections: number
}

export interface LiveConnections {
  readonly count: number
  /** Ends those whose token is no longer valid. */
  checkTokens(): void
  /** Ends all with 1001. */
  endAll(): void
}

export class LiveStreams implements LiveConnections {
  readonly #options: LiveStreamsOptions
  readonly #streams = new Set<Stream>()

  constructor(options: LiveStreamsOptions) {
    this.#options = options
    options.metrics.gauge("brume_api_live_connections", "Open live streams", () => this.#streams.size)
  }

  get count(): number {
    return this.#streams.size
  }

  /** Throws `too_many_connections`. */
  checkRoom(): void {
    const { maxConnections } = this.#options
    if (this.#streams.size < maxConnections) return
    throw new FogError("too_many_connections", {
      message: `The node serves ${maxConnections} live streams, which is its limit`,
      hint: "Close one, or subscribe to more devices over one stream.",
    })
  }

  /** @param open gives the source, which calls `wake` when it has something */
  start(socket: WebSocket, { secret }: FastifyRequest, open: (wake: () => void) => StreamSource): void {
    // A1: the hook before every route has authenticated it.
    if (secret === null) throw new Error("A stream without a secret")
    const { clock, tokens } = this.#options
    let stream: Stream | undefined
    const source = open(() => stream?.wake())
    const started = startStream(socket, source, {
      clock,
      isAuthorized: () => tokens.authenticate(secret) !== undefined,
    })
    stream = started
    this.#streams.add(started)
    socket.once("close", () => this.#streams.delete(started))
    started.wake()
  }

  checkTokens(): void {
    for (const stream of this.#streams) stream.checkToken()
  }

  endAll(): void {
    for (const stream of this.#streams) stream.end(closeCodes.stopping, "the node is stopping")
  }
}
