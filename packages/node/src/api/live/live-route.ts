/** Readings as they become durable, over WebSocket: the handshake, and all connections together. */
import { EventEmitter } from "node:events"
import { type IncomingHttpHeaders, type IncomingMessage, type Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type Clock, FogError, filterProblem, type Metrics, type Tokens } from "@brume/core"
import websocket from "@fastify/websocket"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import type { Operation } from "../operation.ts"
import type { LivePort } from "../ports.ts"
import { listed } from "../query-string.ts"
import { readingExample } from "../schemas.ts"
import { closeCodes, type Stream, startStream } from "./stream.ts"

export interface LiveRouteOptions {
  readonly live: LivePort
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

const protocol = "brume.v1"
/** A client sends nothing but pongs and its closing frame. */
const maxMessageBytes = 1_024

const filters = {
  type: "array",
  maxItems: 64,
  items: { type: "string", minLength: 1, maxLength: 512 },
} as const

const filterQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    device: { ...filters, description: "Filter with MQTT wildcards (`+`, `#`); repeat it for several." },
    property: { ...filters, description: "The same for properties." },
  },
} as const

const operation: Operation = {
  id: "live",
  tag: "live",
  summary: "Stream readings over WebSocket",
  description:
    "A WebSocket with the subprotocol `brume.v1`; a browser passes its token as a second one, `bearer.<secret>`. " +
    "Messages are JSON: `readings`, `dropped` (how many a slow client missed) and `heartbeat`. A client sends nothing. " +
    `Close codes: 1001 the node stops, 1008 a message came or the token is no longer valid. Example: \`${JSON.stringify(
      {
        type: "readings",
        readings: [readingExample],
      },
    )}\``,
  access: "read",
  answers: { 101: { description: "The stream begins." } },
}

/** Registers the WebSocket plugin: must come before all routes. */
export async function registerUpgrades(app: FastifyInstance): Promise<void> {
  const upgrades = new EventEmitter()
  await app.register(websocket, {
    options: {
      // The plugin listens here, so that only WebSocket handshakes reach it.
      server: upgrades as unknown as Server,
      maxPayload: maxMessageBytes,
      perMessageDeflate: false,
      clientTracking: false,
      handleProtocols: (offered: Set<string>) => (offered.has(protocol) ? protocol : false),
    },
    // Its default closes without a code; endAll has said goodbye before.
    preClose: (done: () => void) => done(),
    errorHandler: (_error: Error, socket: { terminate(): void }) => socket.terminate(),
  })
  app.server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (request.headers.upgrade?.toLowerCase() === "websocket") upgrades.emit("upgrade", request, socket, head)
    else answerWithoutUpgrade(app, request, socket)
  })
}

/** Clients that offer h2c (curl, Java) are answered as if they had not. */
function answerWithoutUpgrade(app: FastifyInstance, request: IncomingMessage, socket: Socket): void {
  socket.on("error", () => socket.destroy())
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  // Node.js has given this connection away: nobody else would end it.
  response.once("finish", () => socket.destroySoon())
  app.routing(request, response)
}

export function addLiveRoute(app: FastifyInstance, options: LiveRouteOptions): LiveConnections {
  const streams = new Set<Stream>()
  options.metrics.gauge("brume_api_live_connections", "Open live streams", () => streams.size)

  const checkCount = (): void => {
    if (streams.size < options.maxConnections) return
    throw new FogError("too_many_connections", {
      message: `The node serves ${options.maxConnections} live streams, which is its limit`,
      hint: "Close one, or subscribe to more devices over one stream.",
    })
  }
  app.route<{ Querystring: XStatic<typeof filterQuery> }>({
    method: "GET",
    url: "/v1/live",
    schema: { querystring: filterQuery },
    config: { operation },
    preValidation: (request, _reply, done) => {
      listed(request.query, ["device", "property"])
      done()
    },
    preHandler: async (request) => {
      if (request.ws) checkHandshake(request.headers)
      checkCount()
      checkFilters(request.query)
    },
    handler: () => {
      throw new FogError("request_invalid", {
        message: "This is a WebSocket, and the request does not ask for one",
        hint: "Open it with a WebSocket client: brume watch, or `new WebSocket(url, ['brume.v1', 'bearer.<secret>'])`.",
      })
    },
    wsHandler: (socket, request) => {
      const { principal, secret } = request
      const { device: devices, property: properties } = request.query
      // A1: the hook before every route has authenticated it.
      if (principal === null || secret === null) return socket.terminate()
      let stream: Stream | undefined
      const queue = options.live.subscribe({ devices, properties, principal }, () => stream?.wake())
      const started = startStream(socket, queue, {
        clock: options.clock,
        isAuthorized: () => options.tokens.authenticate(secret) !== undefined,
      })
      stream = started
      streams.add(started)
      socket.once("close", () => streams.delete(started))
      started.wake()
    },
  })
  return {
    get count() {
      return streams.size
    },
    checkTokens() {
      for (const stream of streams) stream.checkToken()
    },
    endAll() {
      for (const stream of streams) stream.end(closeCodes.stopping, "the node is stopping")
    },
  }
}

/** What the WebSocket library would refuse in its own words, without a problem. */
function checkHandshake(headers: IncomingHttpHeaders): void {
  const key = headers["sec-websocket-key"] ?? ""
  if (headers["sec-websocket-version"] === "13" && /^[+/0-9A-Za-z]{22}==$/.test(key)) return
  throw new FogError("request_invalid", {
    message: "The WebSocket handshake is malformed",
    hint: "It needs Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key of 16 bytes [RFC 6455].",
  })
}

function checkFilters({ device = [], property = [] }: XStatic<typeof filterQuery>): void {
  for (const [name, filter] of [
    ...device.map((filter) => ["device", filter]),
    ...property.map((f) => ["property", f]),
  ]) {
    const problem = filterProblem(filter!)
    if (problem === undefined) continue
    throw new FogError("request_invalid", {
      message: `The ${name} filter ${JSON.stringify(filter)} ${problem}`,
      hint: "+ stands for one whole level, # for the rest and only at the end: cold/+/door, cold/#.",
    })
  }
}
