/** The OpenAPI document: what Fastify knows of each route (paths, validation schemas) joined with its operation. */

import { type ErrorCode, errorRegistry } from "@brume/core"
import swagger from "@fastify/swagger"
import type { FastifyInstance, FastifySchema, RouteOptions } from "fastify"
import { type Answer, type JsonSchema, type Operation, tags } from "./operation.ts"
import { sharedSchemas } from "./schemas.ts"

/** What any operation can answer. */
const everywhere: readonly ErrorCode[] = [
  "request_invalid",
  "host_refused",
  "origin_refused",
  "request_timeout",
  "headers_too_large",
  "too_many_connections",
  "store_closed",
  "internal",
]
/** What any operation that needs a token can answer besides. */
const withToken: readonly ErrorCode[] = ["unauthenticated", "forbidden", "too_many_attempts"]

/** Registers the collector of routes; must be done before any route. Nothing is built until {@link buildDocument}. */
export async function registerDocument(app: FastifyInstance, version: string): Promise<void> {
  for (const schema of sharedSchemas) app.addSchema(schema)
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Brume",
        version,
        description:
          "Readings in, SQL and live streams out. Errors are problem+json (RFC 9457) with a stable `code`; answers carry `x-request-id`.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: "/" }],
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          token: {
            type: "http",
            scheme: "bearer",
            description: "A secret of a token: `Authorization: Bearer brume_…`",
          },
          influxToken: {
            type: "apiKey",
            in: "header",
            name: "Authorization",
            description: "`Token <secret>`, or Basic with the secret as password",
          },
          influxPassword: { type: "apiKey", in: "query", name: "p", description: "The secret as InfluxDB 1 password" },
        },
      },
    },
    convertConstToEnum: false,
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `schema-${index}`) },
    transform: ({ schema, url, route }) => ({ schema: described(schema, route), url }),
  })
}

export function buildDocument(app: FastifyInstance): unknown {
  return app.swagger()
}

function described(schema: FastifySchema | undefined, route: RouteOptions): FastifySchema {
  const operation = route.config?.operation
  if (operation === undefined || (schema as { hide?: boolean } | undefined)?.hide === true) {
    return { ...schema, hide: true } as FastifySchema
  }
  const { id, tag, summary, description, access, body } = operation
  return {
    ...schema,
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: securityOf(operation),
    "x-access": access,
    ...(body === undefined ? {} : { body: { content: withExamples(body) } }),
    response: responsesOf(operation),
  } as FastifySchema
}

function securityOf({ access, dialect }: Operation): Record<string, string[]>[] {
  if (access === "public") return []
  return dialect === undefined ? [{ token: [] }] : [{ token: [] }, { influxToken: [] }, { influxPassword: [] }]
}

type Response = JsonSchema & { readonly description: string }

function responsesOf(operation: Operation): Record<string, Response> {
  const responses: Record<string, Response> = {}
  const codes = [...everywhere, ...(operation.access === "public" ? [] : withToken), ...(operation.problems ?? [])]
  for (const status of [...new Set(codes.map((code) => errorRegistry[code].status))].sort()) {
    responses[status] = problemResponse(status, codes, operation)
  }
  for (const [status, answer] of Object.entries(operation.answers)) responses[status] = response(answer)
  return responses
}

function response({ description, content, headers }: Answer): Response {
  // Without content the type `null` tells the generator that there is no body.
  const body = content === undefined ? { type: "null" } : { content: withSchemas(content) }
  return { description, ...body, ...(headers === undefined ? {} : { headers }) }
}

/** The generator takes a content for one only when it has a schema. */
function withSchemas(content: NonNullable<Answer["content"]>): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, example }]) => [
      type,
      { schema: schema ?? { type: "string" }, ...(example === undefined ? {} : { example }) },
    ]),
  )
}

/** In bodies the generator takes the example from the schema. */
function withExamples(content: NonNullable<Operation["body"]>): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, example }]) => [
      type,
      { schema: { ...(schema ?? { type: "string" }), ...(example === undefined ? {} : { examples: [example] }) } },
    ]),
  )
}

function problemResponse(status: number, codes: readonly ErrorCode[], { dialect }: Operation): Response {
  const own = [...new Set(codes)].filter((code) => errorRegistry[code].status === status)
  const description = own.map((code) => `\`${code}\`: ${errorRegistry[code].summary}`).join("\n\n")
  if (dialect !== undefined) return { description, content: { "application/json": { schema: influxError[dialect] } } }
  return { description, content: { "application/problem+json": { schema: { $ref: "Problem#" } } } }
}

const text = { type: "string" }
const influxError: Readonly<Record<NonNullable<Operation["dialect"]>, JsonSchema>> = {
  influx1: { type: "object", required: ["error"], properties: { error: text } },
  influx2: { type: "object", required: ["code", "message"], properties: { code: text, message: text } },
}
