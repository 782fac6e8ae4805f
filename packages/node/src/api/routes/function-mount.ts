/**
 * Requests to functions: `/fn/<name>/…` is answered by the function's `fetch`, for those whom its trigger lets in.
 *
 * What it answers comes from the node's own address. So its pages are sandboxed by the browser (an origin of their own), and
 * a token that let somebody in is not handed on.
 */
import { type FetchResponse, FogError, isFogError } from "@brume/core"
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import type { BodyReader } from "../body.ts"
import type { FunctionsPort } from "../function-ports.ts"
import type { Operation } from "../operation.ts"

export interface FunctionMountOptions {
  readonly functions: Pick<FunctionsPort, "httpAccess" | "fetch">
  readonly readBody: BodyReader
  /** Throws `unauthenticated`, `too_many_attempts` or `forbidden`. */
  readonly authenticate: (request: FastifyRequest, operation: Operation) => void
}

/** Largest body of a request. */
const mostBodyBytes = 4 * 1_048_576

const operation: Operation = {
  id: "fetchFunction",
  tag: "functions",
  summary: "A request to a function",
  access: "public",
  answers: { 200: { description: "What the function answers." } },
}
/** What a function whose trigger says `token` wants. */
const withToken: Operation = { ...operation, access: "write", wholeNode: true }

/** Those of the connection, and of the node. */
const ownHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-security-policy",
  "date",
  "keep-alive",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-content-type-options",
  "x-request-id",
])
/** [RFC 9110 5.1, 5.5] */
const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/
const pagePolicy = "sandbox allow-scripts allow-forms allow-popups; default-src 'self' 'unsafe-inline' data:"

/** @param app a scope whose bodies Fastify leaves alone */
export function addFunctionMount(app: FastifyInstance, options: FunctionMountOptions): void {
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { name } = request.params as { readonly name: string }
    const access = options.functions.httpAccess(name)
    if (access === undefined) throw nothingThere(name)
    if (access === "token") options.authenticate(request, withToken)
    const body = await options.readBody(request.raw, mostBodyBytes)
    try {
      const { path, query } = placeOf(request.raw.url ?? "/")
      const answer = await options.functions.fetch(name, {
        ...{ method: request.method, path, query, headers: headersOf(request, access) },
        body: body.bytes.toString("base64"),
        origin: `http://${request.headers.host ?? "localhost"}`,
      })
      return await send(reply, answer)
    } catch (error) {
      throw access === "public" ? withoutReason(name, error) : error
    } finally {
      body.release()
    }
  }
  for (const url of ["/fn/:name", "/fn/:name/*"]) {
    app.route({
      method: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
      url,
      exposeHeadRoute: false,
      schema: { hide: true },
      config: { operation },
      handler,
    })
  }
}

/** As the client wrote it, percent signs and all. */
function placeOf(url: string): { readonly path: string; readonly query: string } {
  const [, path = "", query = ""] = /^\/fn\/[^/?]*([^?]*)\??(.*)$/s.exec(url) ?? []
  return { path: path === "" ? "/" : path, query }
}

function headersOf({ raw }: FastifyRequest, access: "token" | "public"): (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = []
  for (let at = 0; at + 1 < raw.rawHeaders.length; at += 2) {
    const name = raw.rawHeaders[at]!.toLowerCase()
    const value = raw.rawHeaders[at + 1]!
    const isSecret = name === "authorization" && (access === "token" || /^bearer +brume_/i.test(value))
    // The body comes decompressed.
    if (!isSecret && !ownHeaders.has(name) && name !== "content-encoding") headers.push([name, value])
  }
  return headers
}

async function send(reply: FastifyReply, { status, headers, body }: FetchResponse): Promise<FastifyReply> {
  reply.code(status).header("content-security-policy", pagePolicy)
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    if (!headerName.test(lower) || !headerValue.test(value)) throw malformedHeader(lower)
    if (ownHeaders.has(lower)) continue
    if (lower === "set-cookie") reply.header(lower, [...cookiesOf(reply), value])
    else reply.header(lower, value)
  }
  return await reply.send(Buffer.from(body, "base64"))
}

function cookiesOf(reply: FastifyReply): string[] {
  const before = reply.getHeader("set-cookie")
  return before === undefined ? [] : [before].flat().map(String)
}

function malformedHeader(name: string): FogError {
  return new FogError("function_failed", {
    message: `The function answered with a header that HTTP cannot carry: ${JSON.stringify(name.slice(0, 80))}`,
    hint: "Names are letters, digits and hyphens; values have no line breaks.",
  })
}

/** Messages and stacks of the code are for those who deploy it. */
function withoutReason(name: string, error: unknown): unknown {
  if (!isFogError(error) || error.status < 500) return error
  return new FogError(error.code, {
    message: `The function ${name} gave no answer`,
    hint: "Its log says why, to those who may read it.",
  })
}

function nothingThere(name: string): FogError {
  return new FogError("not_found", {
    message: `No function ${JSON.stringify(name.slice(0, 80))} answers requests here`,
    hint: "One that exports fetch says so in brume.yaml: triggers: [{ http: token }], or public.",
  })
}
