/** Readings from programs: JSON, NDJSON and SenML, acknowledged when they are durable. (A4) */
import { FogError } from "@brume/core"
import type { FastifyInstance, FastifyRequest } from "fastify"
import type { BodyReader } from "../body.ts"
import type { Operation } from "../operation.ts"
import type { IngestPort, ReadingsFormat } from "../ports.ts"

export interface ReadingsRouteOptions {
  readonly ingest: IngestPort
  readonly readBody: BodyReader
  readonly maxBodyBytes: number
}

const reading = {
  type: "object",
  required: ["device"],
  properties: {
    device: { type: "string", minLength: 1, maxLength: 512 },
    property: { type: "string", minLength: 1, maxLength: 512 },
    value: { type: ["number", "string", "boolean", "object", "array"], description: "With `property`; never null." },
    values: { type: "object", description: "Instead of `property` and `value`: several properties at once." },
    time: {
      type: ["string", "number"],
      description: "ISO 8601, or ms since 1970; when it was received without it.",
    },
    tags: { type: "object", description: "Texts; part of the series' identity." },
    quality: { type: "integer", description: "0 is good." },
  },
}

const one = { device: "fridge-1", property: "temperature", value: 4.2, time: "2025-01-01T00:00:00Z" }
const several = { device: "fridge-1", values: { temperature: 4.2, door: "open" } }

const operation: Operation = {
  id: "writeReadings",
  tag: "readings",
  summary: "Store readings",
  description:
    "Answered when all of them are on the node's disk; all or none are stored. The body is one reading, a list of them, " +
    "one a line, or a SenML pack (RFC 8428); without a content type it is JSON. It may be compressed (gzip, deflate, " +
    "br). With an `Idempotency-Key` the same request, sent again, stores nothing twice and gets the same answer.",
  access: "write",
  body: {
    "application/json": { schema: { anyOf: [reading, { type: "array", items: reading }] }, example: [one, several] },
    "application/x-ndjson": { example: `${JSON.stringify(one)}\n${JSON.stringify(several)}\n` },
    "application/senml+json": {
      schema: { type: "array", items: { type: "object" } },
      example: [{ bn: "fridge-1/", bt: 1735689600, n: "temperature", u: "Cel", v: 4.2 }],
    },
  },
  answers: {
    200: {
      description: "All readings are durable.",
      headers: {
        "idempotent-replayed": {
          type: "string",
          description: "`true` where an earlier request with the same key had stored them.",
        },
      },
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["accepted", "seq", "epoch"],
            properties: {
              accepted: { type: "integer", description: "How many." },
              seq: { type: "integer", description: "Sequence of the first in the node's log." },
              epoch: { type: "string", description: "The life of that log." },
            },
          },
          example: { accepted: 3, seq: 1024, epoch: "5f0c6b1d2e3a4958" },
        },
      },
    },
  },
  problems: [
    "readings_invalid",
    "readings_too_many",
    "payload_encoding",
    "payload_too_large",
    "payload_type",
    "idempotency_conflict",
    "store_full",
    "store_busy",
    "disk_failed",
  ],
}

/** Also for line protocol. */
export const idempotencyHeader = {
  type: "object",
  properties: {
    "idempotency-key": {
      type: "string",
      minLength: 1,
      maxLength: 255,
      description: "A name of the client's own for this request: printable ASCII, remembered for a day.",
    },
  },
} as const

const formats: Readonly<Record<string, ReadingsFormat>> = {
  "application/json": "json",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
  "application/senml+json": "senml",
}

/** @param app a scope whose bodies Fastify leaves alone */
export function addReadingsRoute(app: FastifyInstance, options: ReadingsRouteOptions): void {
  app.route({
    method: "POST",
    url: "/v1/readings",
    schema: { headers: idempotencyHeader },
    config: { operation },
    handler: async (request, reply) => {
      const format = formatOf(request)
      const idempotencyKey = request.headers["idempotency-key"] as string | undefined
      const body = await options.readBody(request.raw, options.maxBodyBytes)
      try {
        const sender = { principal: request.principal!, idempotencyKey }
        const { accepted, seq, epoch, replayed } = await options.ingest.readings(body.bytes, format, sender)
        if (replayed === true) reply.header("idempotent-replayed", "true")
        return reply.send({ accepted, seq, epoch })
      } finally {
        body.release()
      }
    },
  })
}

function formatOf({ headers }: FastifyRequest): ReadingsFormat {
  const header = headers["content-type"]
  if (header === undefined) return "json"
  const [type, ...parameters] = header
    .toLowerCase()
    .split(";")
    .map((part) => part.trim())
  const charset = parameters
    .find((parameter) => parameter.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "")
  const format = Object.hasOwn(formats, type!) ? formats[type!] : undefined
  if (format !== undefined && (charset === undefined || charset === "utf-8")) return format
  throw new FogError("payload_type", {
    message: `Readings cannot be read from ${JSON.stringify(header.slice(0, 120))}`,
    hint: `Use one of ${Object.keys(formats).join(", ")} in UTF-8; line protocol goes to POST /write.`,
  })
}
