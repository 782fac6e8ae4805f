/**
 * What happens to every request before its handler: an id, security headers, Host and Origin, the limit on
 * connections, and who asks. Refused requests never reach their body. (A1, A6)
 */
import type { IncomingHttpHeaders } from "node:http"
import { type Clock, FogError, type Metrics, type Random } from "@brume/core"
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import type { AllowedMethods } from "./allowed-methods.ts"
import type { createAuthentication } from "./authentication.ts"
import type { Connections } from "./connections.ts"
import { corsHeaders, type Gate, securityHeaders } from "./gate.ts"

export interface RequestsOptions {
  readonly gate: Gate
  readonly connections: Connections
  readonly authenticate: ReturnType<typeof createAuthentication>
  readonly allowedMethods: AllowedMethods
  readonly clock: Clock
  readonly metrics: Metrics
}

export interface Requests {
  /** Requests that are being answered; live streams are not among them. */
  readonly running: number
  /** From now on everything is refused with `store_closed`. */
  refuseAll(): void
}

export function addRequestHooks(app: FastifyInstance, options: RequestsOptions): Requests {
  const state = { running: 0, isRefusing: false }
  const observe = createObserver(options, state)
  app.decorateRequest("principal", null)
  app.decorateRequest("secret", null)
  app.addHook("onRequest", (request, reply, done) => {
    try {
      observe(request, reply)
      if (admit(request, reply, options, state)) done()
    } catch (error) {
      done(error as Error)
    }
  })
  // A1: a route that does not say who may call it does not come up.
  app.addHook("onRoute", ({ url, config }) => {
    if (config?.operation === undefined) throw new Error(`The route ${url} declares no operation`)
  })
  return {
    get running() {
      return state.running
    },
    refuseAll() {
      state.isRefusing = true
    },
  }
}

interface State {
  running: number
  isRefusing: boolean
}

/** False when it has answered itself. */
function admit(request: FastifyRequest, reply: FastifyReply, options: RequestsOptions, state: State): boolean {
  const { headers, socket, httpVersion } = request.raw
  reply.headers(securityHeaders).header("x-request-id", request.id)
  if (state.isRefusing) throw stopping()
  if (options.connections.isBeyondLimit(socket)) {
    reply.header("connection", "close")
    throw tooManyConnections()
  }
  const { host, origin } = headers
  if (host !== undefined) options.gate.checkHost(host)
  else if (httpVersion !== "1.0") throw new FogError("request_invalid", { message: "The Host header is missing" })
  const isPreflight = request.method === "OPTIONS" && headers["access-control-request-method"] !== undefined
  if (origin !== undefined && options.gate.checkOrigin(origin, host ?? "")) {
    reply.headers(corsHeaders(origin, isPreflight))
    if (isPreflight) {
      reply.code(204).send()
      return false
    }
  }
  if (request.is404) throw notFound(request, options.allowedMethods)
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== "100-continue") {
    throw new FogError("request_invalid", {
      message: `The expectation ${JSON.stringify(headers.expect.slice(0, 80))} cannot be met`,
      hint: "Only 100-continue is known.",
    })
  }
  if (!request.isHandshake && isUpgradeWithBody(headers)) {
    throw new FogError("request_invalid", {
      message: `A request with a body cannot change to ${JSON.stringify(headers.upgrade?.slice(0, 80))}`,
      hint: "Send it as HTTP/1.1 without an Upgrade header; Java: HttpClient.Version.HTTP_1_1.",
    })
  }
  const operation = request.routeOptions.config.operation!
  if (request.isHandshake && request.routeOptions.config.webSocket === undefined) {
    throw new FogError("request_invalid", {
      message: `There is no WebSocket at ${request.url.slice(0, 200)}`,
      hint: "Readings are streamed at /v1/live; MQTT is spoken at /mqtt.",
    })
  }
  if (operation.access !== "public") options.authenticate(request, operation)
  return true
}

/** Node.js hands such a body to nobody. Without one, an offer to change the protocol can be ignored [RFC 9110 7.8]. */
function isUpgradeWithBody(headers: IncomingHttpHeaders): boolean {
  if (headers.upgrade === undefined || !/\bupgrade\b/i.test(headers.connection ?? "")) return false
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0
}

/** Also for what the router let through and the console does not have. */
export function notFound(request: FastifyRequest, allowedMethods: AllowedMethods): FogError {
  const path = request.url.replace(/\?.*$/s, "")
  const shown = `${request.method} ${path.slice(0, 200)}`
  const allow = allowedMethods.of(path)
  if (allow.length === 0 || allow.includes(request.method)) {
    return new FogError("not_found", { message: `There is nothing at ${shown}`, hint: "See /docs for what there is." })
  }
  return new FogError("method_not_allowed", {
    message: `${shown} is not possible`,
    hint: `Use ${allow.join(" or ")}.`,
    details: { allow: allow.join(", ") },
  })
}

function stopping(): FogError {
  return new FogError("store_closed", {
    message: "The node is stopping",
    hint: "Try again when it is back, or another node.",
  })
}

function tooManyConnections(): FogError {
  return new FogError("too_many_connections", {
    message: "The node serves as many connections as its limit allows",
    hint: "Close idle ones, or raise api.maxConnections.",
  })
}

/** Upper bounds in seconds. */
const durationBounds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]

/** Counts each request when its answer has ended, or its client has gone. */
function createObserver({ metrics, clock, connections }: RequestsOptions, state: State) {
  const counter = metrics.counter("brume_api_requests_total", "Requests answered, by route and class of status", [
    "route",
    "status",
  ])
  const seconds = metrics.histogram(
    "brume_api_request_seconds",
    "Time from headers to the end of the answer",
    durationBounds,
  )
  metrics.gauge("brume_api_connections", "Open connections", () => connections.open)
  metrics.gauge("brume_api_requests_running", "Requests that are being answered", () => state.running)

  return (request: FastifyRequest, reply: FastifyReply): void => {
    const start = clock.monotonic()
    const { raw } = reply
    connections.answering(request.raw.socket, raw)
    if (request.isHandshake) return
    state.running++
    let isFinished = false
    raw.once("finish", () => {
      isFinished = true
    })
    raw.once("close", () => {
      state.running--
      const status = isFinished ? `${Math.floor(raw.statusCode / 100)}xx` : "aborted"
      counter.add(1, { route: request.routeOptions.url ?? "none", status })
      seconds.observe((clock.monotonic() - start) / 1_000)
    })
  }
}

/** Ids of requests: the client's own where it is harmless, else unique over restarts. */
export function createRequestIds(random: Random): (request: { headers: Record<string, unknown> }) => string {
  const prefix = Buffer.from(random.bytes(5)).toString("hex")
  let count = 0
  return ({ headers }) => {
    const given = headers["x-request-id"]
    if (typeof given === "string" && /^[\w.-]{1,64}$/.test(given)) return given
    return `${prefix}-${(++count).toString(36)}`
  }
}
