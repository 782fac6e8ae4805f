/** Every error becomes an answer here: whatever was thrown → a FogError of the registry → the dialect of the path. (A2) */
import type { IncomingMessage } from "node:http"
import { type Clock, FogError, isFogError, type Logger, toProblem } from "@brume/core"
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify"
import { securityHeaders } from "./gate.ts"
import { influxAnswer } from "./influx-errors.ts"
import { linger } from "./linger.ts"

export interface ProblemOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/** Most mistakes of one request that are listed. */
const maxMistakes = 20

/** Seconds in Retry-After by what the registry says; a full disk is not freed within a second. */
const retryAfterSeconds = { now: 1, later: 2, full: 30 } as const

export function createProblemHandler(options: ProblemOptions) {
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const error = fogErrorOf(thrown)
    log(options.logger, error, request)
    if (reply.raw.headersSent) {
      // The status is on its way already: a broken connection is the only honest end.
      reply.raw.destroy()
      return
    }
    const headers = headersOf(error)
    const dialect = request.routeOptions.config?.operation?.dialect ?? dialectOf(request.url)
    const answer =
      dialect === undefined
        ? { type: "application/problem+json", body: JSON.stringify(toProblem(error)), headers: {} }
        : influxAnswer(error, dialect)
    reply.code(error.status).headers({
      ...securityHeaders,
      "x-request-id": request.id,
      ...headers,
      ...answer.headers,
      "content-type": answer.type,
    })
    if (hasUnreadBody(request.raw)) linger(reply, answer.body, options.clock)
    // As bytes, because Fastify would add a charset to a text's type, which problem+json does not have.
    else reply.send(Buffer.from(answer.body))
  }
}

/** For paths that no route knows: Influx clients must understand a 404 and 405 too. */
function dialectOf(url: string): "influx1" | "influx2" | undefined {
  if (url.startsWith("/api/v2/")) return "influx2"
  return /^\/(write|query|ping|health)(\?|$)/.test(url) ? "influx1" : undefined
}

function log(logger: Logger, error: FogError, request: FastifyRequest): void {
  if (error.status < 500 || (error.code !== "internal" && error.cause === undefined)) return
  const fields = { requestId: request.id, method: request.method, route: request.routeOptions.url, error }
  if (error.code === "internal") logger.error("A request failed by a fault of Brume", fields)
  else logger.warn("A request failed", fields)
}

function headersOf(error: FogError): Record<string, string> {
  const headers: Record<string, string> = {}
  if (error.code === "unauthenticated") headers["www-authenticate"] = 'Bearer realm="brume"'
  if (error.code === "method_not_allowed") headers.allow = String(error.details?.allow ?? "")
  if (error.code === "payload_type") headers["accept-encoding"] = "gzip, deflate, br"
  if (error.retry !== "never") {
    headers["retry-after"] = String(retryAfterSeconds[error.code === "store_full" ? "full" : error.retry])
  }
  return headers
}

/** Bodies up to this size are read and dropped so that the connection can serve on. */
const dropBytes = 65_536

function hasUnreadBody(request: IncomingMessage): boolean {
  if (request.complete || request.readableEnded) return false
  if (request.headers["transfer-encoding"] !== undefined) return true
  return Number(request.headers["content-length"] ?? 0) > dropBytes
}

/** Any thrown thing as an error of the registry; what is unknown is `internal` with its cause. */
export function fogErrorOf(thrown: unknown): FogError {
  if (isFogError(thrown)) return thrown
  const error = thrown as Partial<FastifyError> & { statusCode?: number }
  if (Array.isArray(error.validation)) return mistakes(error as FastifyError)
  switch (error.code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return invalid("The Content-Type header is malformed", "It looks like application/json.")
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new FogError("payload_too_large", { message: "The body is larger than the limit" })
    case "FST_ERR_MAX_PARAM_LENGTH":
      return invalid("A part of the path is too long")
    case "FST_ERR_BAD_URL":
      return invalid("The path is not a valid URL", "Encode special characters with percent signs.")
    case "FST_ERR_NOT_FOUND":
      return new FogError("not_found", { message: "There is nothing at this address" })
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return invalid(typeof error.message === "string" ? error.message : "The request is malformed")
  }
  return new FogError("internal", {
    message: "The node failed to handle this request",
    hint: "Look into the node's log for the request id of this answer.",
    cause: thrown,
  })
}

function invalid(message: string, hint?: string): FogError {
  return new FogError("request_invalid", { message, ...(hint === undefined ? {} : { hint }) })
}

/** Where a mistake is, in words of HTTP. */
const partNames = { body: "body", headers: "header", params: "path", querystring: "query" } as const

/** All mistakes that the schema found, each with its path. */
function mistakes(error: FastifyError): FogError {
  const part = partNames[error.validationContext ?? "body"]
  const found = (error.validation ?? []).map((mistake) => {
    const parameters = mistake.params as Record<string, unknown>
    const extra = parameters.additionalProperty
    const allowed = parameters.allowedValues
    const path = `${part}${mistake.instancePath}`
    const message = Array.isArray(allowed)
      ? `${mistake.message}: ${allowed.join(", ")}`
      : (mistake.message ?? "is wrong")
    return { path: typeof extra === "string" ? `${path}/${extra.slice(0, 200)}` : path, message }
  })
  const listed = found.slice(0, maxMistakes)
  return new FogError("request_invalid", {
    message: listed.map(({ path, message }) => `${path} ${message}`).join("; "),
    hint: "See the operation in /docs.",
    details: { mistakes: listed, ...(found.length > listed.length ? { more: found.length - listed.length } : {}) },
  })
}
