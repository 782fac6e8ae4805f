/** Who asks: takes the secret from a request and turns it into a principal that may call the operation. (A1) */
import type { IncomingHttpHeaders } from "node:http"
import { type Attempts, allows, FogError, type Logger, type Principal, type Tokens } from "@brume/core"
import type { FastifyRequest } from "fastify"
import type { Operation } from "./operation.ts"

export interface AuthenticationOptions {
  readonly tokens: Pick<Tokens, "authenticate">
  /**
   * Per address. They never stand in the way of a right secret: behind one address there may be many clients, and one of
   * them with an old token must not lock out the others. Guessing is no danger, as a secret has at least 128 random bits.
   */
  readonly attempts: Attempts
  readonly logger: Logger
}

/** Subprotocol that carries a token where no header can be set (browsers). */
const tokenProtocol = "bearer."

export function createAuthentication(options: AuthenticationOptions) {
  /** Sets `request.principal`. Throws `unauthenticated`, `too_many_attempts` or `forbidden`. */
  return (request: FastifyRequest, operation: Operation): void => {
    const secret = secretOf(request, operation)
    if (secret === undefined) throw missing()
    const principal = options.tokens.authenticate(secret)
    if (principal === undefined) throw refused(request.ip, options)
    authorize(principal, operation)
    request.principal = principal
    request.secret = secret
  }
}

function secretOf(request: FastifyRequest, operation: Operation): string | undefined {
  const { headers } = request.raw
  if (operation.dialect !== undefined) return influxSecret(headers, request.query as Record<string, unknown>)
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? "")
  if (bearer !== null) return bearer[1]
  return operation.tag === "live" ? protocolSecret(headers) : undefined
}

function protocolSecret(headers: IncomingHttpHeaders): string | undefined {
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim())
  return offered?.find((name) => name.startsWith(tokenProtocol))?.slice(tokenProtocol.length)
}

/** Token, Bearer, Basic (the password), `?p=`; version 1 clients write `Token user:password` too. */
function influxSecret(headers: IncomingHttpHeaders, query: Record<string, unknown>): string | undefined {
  const given = /^(token|bearer|basic) +(\S+) *$/i.exec(headers.authorization ?? "")
  if (given !== null) {
    const isBasic = given[1]!.toLowerCase() === "basic"
    const text = isBasic ? Buffer.from(given[2]!, "base64").toString() : given[2]!
    return text.slice(text.indexOf(":") + 1)
  }
  return typeof query.p === "string" && query.p !== "" ? query.p : undefined
}

function authorize(principal: Principal, operation: Operation): void {
  const scope = operation.access
  if (scope !== "public" && scope !== "any" && !allows(principal, scope)) {
    throw new FogError("forbidden", {
      message: `The token ${principal.name} has no ${scope} scope`,
      hint: `Use a token with the scope ${scope}: brume token create --scope ${scope}`,
    })
  }
  if (operation.wholeNode === true && principal.devices !== undefined) {
    throw new FogError("forbidden", {
      message: `The token ${principal.name} is limited to some devices, and this operation concerns all of them`,
      hint: "Use /v1/devices or /v1/live, which show the devices of the token, or a token without a limit.",
    })
  }
}

function missing(): FogError {
  return new FogError("unauthenticated", {
    message: "The request carries no token",
    hint: "Send the header Authorization: Bearer <secret>. The first token is in the file admin-token of the data folder.",
  })
}

function refused(address: string, { attempts, logger }: AuthenticationOptions): FogError {
  if (attempts.failed(address)) {
    logger.warn("Many requests with a wrong token", { address })
    return new FogError("too_many_attempts", {
      message: `Too many requests with a wrong token came from ${address}`,
      hint: "Find the client with the old token; right tokens are served meanwhile.",
    })
  }
  return new FogError("unauthenticated", {
    message: "The token is unknown, expired or revoked",
    hint: "Ask an admin for a new one: brume token create",
  })
}
