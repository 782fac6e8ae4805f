/** JSON bodies of operations whose body Fastify validates; readings have their own parsers. */
import { FogError } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { BodyReader } from "./body.ts"

/** Largest body of a statement or a token's description, bytes. */
export const jsonBodyBytes = 2_097_152

export function addJsonBody(app: FastifyInstance, readBody: BodyReader): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser("application/json", async (request: { raw: Parameters<BodyReader>[0] }) => {
    const body = await readBody(request.raw, jsonBodyBytes)
    try {
      return parse(body.bytes)
    } finally {
      body.release()
    }
  })
}

function parse(bytes: Buffer): unknown {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (error) {
    throw new FogError("payload_encoding", { message: "The body is not valid UTF-8", cause: error })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FogError("request_invalid", {
      message: text === "" ? "The body is empty" : `The body is not valid JSON: ${(error as Error).message}`,
      cause: error,
    })
  }
}
