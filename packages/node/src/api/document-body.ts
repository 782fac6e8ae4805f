/** Bodies of documents: JSON, or YAML as people keep them, where several stand in one body. */
import { FogError } from "@brume/core"
import type { FastifyInstance, FastifyRequest } from "fastify"
import type { BodyReader } from "./body.ts"
import { bodyText, jsonBodyBytes, parseJson } from "./json-body.ts"

/** YAML is read a hundred times more slowly than JSON, and on the thread that acknowledges readings. */
const yamlBodyBytes = 262_144
/** How many values the aliases of a YAML document may stand for. */
const mostAliases = 100

const yamlType = /^(application|text)\/(x-)?yaml\s*(;|$)/i
const jsonType = /^application\/json\s*(;|$)/i

export function addDocumentBody(scope: FastifyInstance, readBody: BodyReader): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser("*", async (request: FastifyRequest) => {
    if (request.routeOptions.schema?.body === undefined) return undefined
    const type = request.raw.headers["content-type"] ?? "application/json"
    const isYaml = yamlType.test(type)
    if (!isYaml && !jsonType.test(type)) throw neither(type)
    const body = await readBody(request.raw, isYaml ? yamlBodyBytes : jsonBodyBytes)
    try {
      const text = bodyText(body.bytes)
      return isYaml ? await parseYaml(text) : parseJson(text)
    } finally {
      body.release()
    }
  })
}

/** One document, or a list of several. */
async function parseYaml(text: string): Promise<unknown> {
  // Most nodes never see YAML in a body.
  const { parseAllDocuments } = await import("yaml")
  const parsed = [...parseAllDocuments(text)]
  const wrong = parsed.flatMap(({ errors }) => errors)
  if (wrong.length > 0) throw notYaml(wrong[0]!.message, wrong[0])
  try {
    const documents = parsed.map((document) => document.toJS({ maxAliasCount: mostAliases }) as unknown)
    // What stands between two lines of `---` and says nothing is no document.
    const said = documents.filter((document) => document !== null)
    return said.length === 1 ? said[0] : said
  } catch (error) {
    throw notYaml((error as Error).message, error)
  }
}

function notYaml(why: string, cause: unknown): FogError {
  return new FogError("request_invalid", { message: `The body is not valid YAML: ${why.slice(0, 300)}`, cause })
}

function neither(type: string): FogError {
  return new FogError("payload_type", {
    message: `The body is ${JSON.stringify(type.slice(0, 120))}, and documents are JSON or YAML`,
    hint: "Send the header Content-Type: application/json or application/yaml.",
  })
}
