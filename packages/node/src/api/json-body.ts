/** JSON bodies of operations whose body Fastify validates; readings have their own parsers. */
import { FogError } from "@brume/core"
import type { FastifyInstance, FastifyRequest } from "fastify"
import type { BodyReader } from "./body.ts"

/** Largest body of a statement or a token's description, bytes. */
export const jsonBodyBytes = 2_097_152

export function addJsonBody(app: FastifyInstance, readBody: BodyReader): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser("*", async (request: FastifyRequest) => {
    // What no schema wants is not read.
    if (request.routeOptions.schema?.body === undefined) return undefined
    const { headers } = request.raw
    // What follows the type is its parameters; JSON is UTF-8 whatever they say [RFC 8259 8.1].
    if (!/^application\/json\s*(;|$)/i.test(headers["content-type"] ?? "application/json")) throw notJson(request)
    const body = await readBody(request.raw, jsonBodyBytes)
    try {
      return parseJson(bodyText(body.bytes))
    } finally {
      body.release()
    }
  })
}

function notJson({ headers }: FastifyRequest): FogError {
  return new FogError("payload_type", {
    message: `The body is ${JSON.stringify(headers["content-type"]?.slice(0, 120))}, and this operation reads JSON`,
    hint: "Send the header Content-Type: application/json.",
  })
}

/** Throws `payload_encoding`. */
export function bodyText(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (error) {
    throw new FogError("payload_encoding", { message: "The body is not valid UTF-8", cause: error })
  }
}

/** Throws `request_invalid`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FogError("request_invalid", {
      message: text === "" ? "The body is empty" : `The body is not valid JSON: ${(error as Error).message}`,
      cause: error,
    })
  }
}
