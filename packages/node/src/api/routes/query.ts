/** SQL: statements with streamed answers, and those that run now. */
import { Readable } from "node:stream"
import {
  type Clock,
  FogError,
  isFogError,
  type Logger,
  type Query,
  type QueryAnswer,
  type QueryFormat,
  type RunningQuery,
  toProblem,
} from "@brume/core"
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import type { XStatic } from "typebox/schema"
import { bodyProblems, type Operation } from "../operation.ts"
import { isoTime } from "../schemas.ts"
import { endWhenStalled } from "../stall.ts"

export interface QueryRoutesOptions {
  readonly query: Pick<Query, "answer" | "running" | "cancel">
  readonly clock: Clock
  readonly logger: Logger
  /** Longest time in which a client reads nothing of its answer, ms. */
  readonly stallMs: number
}

const statement = {
  type: "object",
  examples: [{ sql: "SELECT device, time, value FROM latest WHERE property = $1", parameters: ["temperature"] }],
  additionalProperties: false,
  required: ["sql"],
  properties: {
    sql: {
      type: "string",
      minLength: 1,
      maxLength: 1_000_000,
      description: "One SELECT over the views `readings` and `latest`, in DuckDB's dialect.",
    },
    parameters: {
      type: "array",
      maxItems: 1_000,
      items: { type: ["string", "number", "boolean", "null"] },
      description: "Values for `$1`, `$2`, …",
    },
    format: {
      type: "string",
      enum: ["json", "csv", "arrow"],
      description: "Without it, the Accept header decides; without that, JSON.",
    },
    maxRows: { type: "integer", minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: "Below the node's limit." },
    timeoutMs: { type: "integer", minimum: 1, maximum: 86_400_000, description: "Below the node's limit." },
  },
} as const

const rowsExample = {
  id: "q-4f1c9a2e",
  columns: [
    { name: "device", type: "VARCHAR" },
    { name: "time", type: "TIMESTAMP" },
    { name: "value", type: "DOUBLE" },
  ],
  rows: [{ device: "fridge-1", time: "2025-01-01T00:00:00.000000Z", value: 4.2 }],
  rowCount: 1,
}

const ask: Operation = {
  id: "query",
  tag: "query",
  summary: "Answer one SELECT",
  description:
    "Read-only and sandboxed: the statement sees the views `readings` and `latest`, no files and no network. Rows are " +
    "streamed; a statement that fails after its first rows breaks the connection off, in JSON after a last member `error` with the " +
    "problem. Closing the connection cancels it. " +
    "A token that is limited to devices is refused, because SQL sees all of them.",
  access: "read",
  wholeNode: true,
  answers: {
    200: {
      description: "The rows. TIMESTAMP is ISO 8601 with microseconds; integers beyond 2^53 are strings.",
      headers: { "x-query-id": { type: "string", description: "Names the statement while it runs." } },
      content: {
        "application/json": { schema: { $ref: "Rows#" }, example: rowsExample },
        "text/csv": { example: "device,time,value\r\nfridge-1,2025-01-01T00:00:00.000000Z,4.2\r\n" },
        "application/vnd.apache.arrow.stream": {},
      },
    },
  },
  problems: [
    "query_invalid",
    "query_refused",
    "query_timeout",
    "query_memory",
    "query_too_many_rows",
    "query_cancelled",
    "query_busy",
    ...bodyProblems,
    "store_busy",
  ],
}

const list: Operation = {
  id: "listQueries",
  tag: "query",
  summary: "List the statements that wait or run",
  access: "read",
  wholeNode: true,
  answers: {
    200: {
      description: "Statements in no order.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["queries"],
            properties: { queries: { type: "array", items: { $ref: "RunningQuery#" } } },
          },
          example: {
            queries: [{ id: "q-4f1c9a2e", sql: "SELECT 1", started: "2025-01-01T00:00:00.000000Z", state: "running" }],
          },
        },
      },
    },
  },
}

const cancel: Operation = {
  id: "cancelQuery",
  tag: "query",
  summary: "Cancel a statement",
  access: "read",
  wholeNode: true,
  answers: { 204: { description: "The statement is being stopped; its caller gets `query_cancelled`." } },
  problems: ["query_not_found"],
}

const queryId = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", minLength: 1, maxLength: 200 } },
} as const

export function addQueryRoutes(app: FastifyInstance, options: QueryRoutesOptions): void {
  const { query } = options
  app.route<{ Body: XStatic<typeof statement> }>({
    method: "POST",
    url: "/v1/query",
    schema: { body: statement },
    config: { operation: ask },
    handler: async (request, reply) => {
      const { format, ...rest } = request.body
      const abort = abortOnClose(reply)
      const answer = await query.answer({
        ...rest,
        format: format ?? acceptedFormat(request),
        signal: abort.signal,
      })
      const body = Readable.from(withLastWords(answer), { objectMode: false, highWaterMark: 1 })
      body.once("error", (error) => logFailure(error, reply, options.logger))
      endWhenStalled(reply.raw, options)
      return reply.header("content-type", answer.contentType).header("x-query-id", answer.id).send(body)
    },
  })
  app.route({
    method: "GET",
    url: "/v1/queries",
    config: { operation: list },
    handler: (_request, reply) => reply.send({ queries: query.running().map(shown) }),
  })
  app.route<{ Params: XStatic<typeof queryId> }>({
    method: "DELETE",
    url: "/v1/queries/:id",
    schema: { params: queryId },
    config: { operation: cancel },
    handler: (request, reply) => {
      const { id } = request.params
      if (!query.cancel(id)) {
        throw new FogError("query_not_found", {
          message: `No statement with the id ${JSON.stringify(id)} waits or runs`,
          hint: "GET /v1/queries lists those that do.",
        })
      }
      reply.code(204).send()
    },
  })
}

/** A client that goes away before the first row cancels its statement too. */
function abortOnClose(reply: FastifyReply): AbortController {
  const abort = new AbortController()
  reply.raw.once("close", () => {
    if (!reply.raw.writableEnded) abort.abort()
  })
  return abort
}

/**
 * A failure after the first rows cannot change the status any more. In JSON its problem is the last thing that is said;
 * in every format the connection then breaks, so that nobody takes a part for the whole.
 */
async function* withLastWords({ body, contentType }: QueryAnswer): AsyncGenerator<Uint8Array, void, undefined> {
  let isBegun = false
  try {
    for await (const piece of body) {
      yield piece
      isBegun = true
    }
  } catch (error) {
    if (isBegun && contentType.startsWith("application/json")) {
      yield Buffer.from(`\n],"error":${JSON.stringify(toProblem(error))}}`)
    }
    throw error
  }
}

/** What goes wrong after the first piece breaks the connection. */
function logFailure(error: unknown, { raw, request }: FastifyReply, logger: Logger): void {
  if (isFogError(error) && error.code !== "internal") return
  // Before the headers it gets an answer like any error; after the connection there is nobody to miss it.
  if (!raw.headersSent || raw.destroyed) return
  logger.error("A statement failed after its first rows", { requestId: request.id, error })
}

const formats: readonly (readonly [mediaType: string, QueryFormat])[] = [
  ["application/json", "json"],
  ["text/csv", "csv"],
  ["application/vnd.apache.arrow.stream", "arrow"],
]

/** The offered format with the highest weight; JSON where the header asks for nothing that there is. */
function acceptedFormat(request: FastifyRequest): QueryFormat {
  const accept = request.headers.accept
  if (accept === undefined) return "json"
  let best: { format: QueryFormat; weight: number } = { format: "json", weight: 0 }
  for (const range of accept.toLowerCase().split(",")) {
    const [type, ...parameters] = range.split(";").map((part) => part.trim())
    const format = formats.find(([mediaType]) => mediaType === type)?.[1]
    const quality = parameters.find((parameter) => parameter.startsWith("q="))
    const weight = quality === undefined ? 1 : Number(quality.slice(2))
    if (format !== undefined && weight > best.weight) best = { format, weight }
  }
  return best.format
}

function shown({ id, sql, started, state }: RunningQuery) {
  return { id, sql, started: isoTime(started), state }
}
