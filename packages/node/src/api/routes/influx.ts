/**
 * What InfluxDB's clients expect of versions 1 and 2, so that they work unchanged: line protocol, and the probes that they
 * send before it.
 *
 * A node has one store: database, bucket, organisation, retention policy and consistency are accepted and mean nothing.
 */
import { FogError, type Store } from "@brume/core"
import type { FastifyInstance, FastifyReply } from "fastify"
import type { BodyReader } from "../body.ts"
import { influxHeaders, influxVersion } from "../influx-errors.ts"
import { bodyProblems, type Operation } from "../operation.ts"
import type { IngestPort, LinePrecision } from "../ports.ts"
import { influxQuery } from "./influx-query.ts"
import { healthOf } from "./node.ts"
import { idempotencyHeader } from "./readings.ts"

export interface InfluxRoutesOptions {
  readonly ingest: IngestPort
  readonly store: Pick<Store, "stats">
  readonly readBody: BodyReader
  readonly maxBodyBytes: number
  readonly version: string
}

/** Units of timestamps: the words of both versions. */
const precisions: Readonly<Record<string, LinePrecision>> = {
  ns: "ns",
  n: "ns",
  us: "us",
  u: "us",
  µs: "us",
  µ: "us",
  ms: "ms",
  s: "s",
  m: "m",
  h: "h",
}

const writeProblems: NonNullable<Operation["problems"]> = [
  "readings_invalid",
  "readings_too_many",
  "payload_encoding",
  "payload_too_large",
  "payload_type",
  "idempotency_conflict",
  "store_full",
  "store_busy",
  "disk_failed",
]

const ignored = (description: string) => ({ type: "string", maxLength: 1_000, description }) as const

const writeQuery = {
  type: "object",
  properties: {
    precision: { type: "string", enum: Object.keys(precisions), default: "ns", description: "Unit of the timestamps." },
    db: ignored("Accepted and ignored, as `bucket`, `org`, `rp` and `consistency` are: a node has one store."),
    p: ignored("The secret, where it is not in the Authorization header."),
  },
} as const

const write: Operation = {
  id: "writeLines",
  tag: "influx",
  summary: "Store line protocol (InfluxDB 1)",
  description:
    "Answered when all good lines are on the node's disk. Wrong lines are refused, the others are stored: the answer is " +
    "then 400 with `partial write: … dropped=n`. A line's tag `device`, `device_id` or `host` names the device, else its " +
    "measurement does; each field is a reading; all other tags stay tags.",
  access: "write",
  dialect: "influx1",
  body: { "text/plain": { example: 'fridge,device=fridge-1 temperature=4.2,door="open" 1735689600000000000\n' } },
  answers: { 204: { description: "All lines are durable." } },
  problems: writeProblems,
}

const write2: Operation = {
  ...write,
  id: "writeLines2",
  summary: "Store line protocol (InfluxDB 2)",
  dialect: "influx2",
}

const ping: Operation = {
  id: "ping",
  tag: "influx",
  summary: "Is somebody there?",
  access: "public",
  dialect: "influx1",
  answers: {
    204: { description: "Yes; `X-Influxdb-Version` says what the node is compatible with." },
    200: {
      description: "With `?verbose=true`.",
      content: { "application/json": { schema: { type: "object" }, example: { version: influxVersion } } },
    },
  },
}

const health: Operation = {
  id: "influxHealth",
  tag: "influx",
  summary: "Health in InfluxDB 2's shape",
  access: "public",
  dialect: "influx2",
  answers: {
    200: {
      description: "The node accepts readings.",
      content: {
        "application/json": {
          schema: { type: "object" },
          example: { name: "brume", message: "ready for queries and writes", status: "pass", checks: [] },
        },
      },
    },
    503: {
      description: "It does not.",
      content: { "application/json": { schema: { type: "object" }, example: { name: "brume", status: "fail" } } },
    },
  },
}

const query: Operation = {
  id: "influxQuery",
  tag: "influx",
  summary: "What clients ask before they write",
  description: "`CREATE DATABASE` and `SHOW DATABASES`. Everything else is refused: SQL goes to POST /v1/query.",
  access: "any",
  dialect: "influx1",
  answers: {
    200: {
      description: "Results in InfluxDB's shape.",
      content: { "application/json": { schema: { type: "object" }, example: { results: [{ statement_id: 0 }] } } },
    },
  },
}

const queryPost: Operation = {
  ...query,
  id: "influxQueryPost",
  body: { "application/x-www-form-urlencoded": { example: "q=CREATE DATABASE plant" } },
  problems: [...bodyProblems, "store_busy"],
}

const queryParameters = {
  type: "object",
  properties: { q: { type: "string", maxLength: 65_536, description: "Statements, separated by `;`." } },
} as const

/** Largest form with statements, bytes. */
const maxFormBytes = 65_536

/** @param app a scope whose bodies Fastify leaves alone */
export function addInfluxRoutes(app: FastifyInstance, options: InfluxRoutesOptions): void {
  app.addHook("onRequest", (_request, reply, done) => {
    reply.headers(influxHeaders)
    done()
  })
  addWriteRoutes(app, options)
  addPingRoute(app)
  addHealthRoute(app, options)
  addQueryRoutes(app, options)
}

function addWriteRoutes(app: FastifyInstance, { ingest, readBody, maxBodyBytes }: InfluxRoutesOptions): void {
  for (const [url, operation] of [["/write", write] as const, ["/api/v2/write", write2] as const]) {
    app.route<{ Querystring: { precision?: string } }>({
      method: "POST",
      url,
      schema: { querystring: writeQuery, headers: idempotencyHeader },
      config: { operation },
      handler: async (request, reply) => {
        const precision = precisions[request.query.precision ?? "ns"]!
        const body = await readBody(request.raw, maxBodyBytes)
        try {
          const idempotencyKey = request.headers["idempotency-key"] as string | undefined
          const sender = { principal: request.principal!, idempotencyKey }
          const { accepted, refused, error } = await ingest.lines(body.bytes, precision, sender)
          if (error !== undefined) throw partial(error, { accepted, refused })
          return noContent(reply)
        } finally {
          body.release()
        }
      },
    })
  }
}

/** Clients look for these words: they drop the batch instead of sending it again. */
function partial(error: FogError, { accepted, refused }: { accepted: number; refused: number }): FogError {
  const message = accepted === 0 ? `unable to parse: ${error.message}` : `partial write: ${error.message}`
  const details = error.details === undefined ? {} : { details: error.details }
  return new FogError("readings_invalid", { message: `${message} dropped=${refused}`, cause: error, ...details })
}

function noContent(reply: FastifyReply): FastifyReply {
  return reply.code(204).send()
}

function addPingRoute(app: FastifyInstance): void {
  app.route<{ Querystring: { verbose?: string } }>({
    method: "GET",
    url: "/ping",
    config: { operation: ping },
    handler: (request, reply) => {
      const { verbose } = request.query
      if (verbose === undefined || verbose === "false" || verbose === "0") return noContent(reply)
      return reply.send({ version: influxVersion })
    },
  })
}

function addHealthRoute(app: FastifyInstance, { store, version }: InfluxRoutesOptions): void {
  app.route({
    method: "GET",
    url: "/health",
    config: { operation: health },
    handler: (_request, reply) => {
      const state = healthOf[store.stats().state]
      const passes = state === "ok"
      return reply.code(passes ? 200 : 503).send({
        name: "brume",
        message: passes ? "ready for queries and writes" : `the store is ${state}`,
        status: passes ? "pass" : "fail",
        checks: [],
        version,
      })
    },
  })
}

function addQueryRoutes(app: FastifyInstance, { readBody }: InfluxRoutesOptions): void {
  const shared = { url: "/query", schema: { querystring: queryParameters } }
  app.route<{ Querystring: { q?: string } }>({
    ...shared,
    method: "GET",
    config: { operation: query },
    handler: (request, reply) => reply.send(influxQuery(request.query.q)),
  })
  app.route<{ Querystring: { q?: string } }>({
    ...shared,
    method: "POST",
    config: { operation: queryPost },
    handler: async (request, reply) => {
      const body = await readBody(request.raw, maxFormBytes)
      const form = new URLSearchParams(body.bytes.toString())
      body.release()
      return reply.send(influxQuery(request.query.q ?? form.get("q") ?? undefined))
    },
  })
}
