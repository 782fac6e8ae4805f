/** The state of this node: for people, for supervisors and for Prometheus. */
import { type Clock, FogError, type Store } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { Operation } from "../operation.ts"
import { isoTime } from "../schemas.ts"

export interface NodeRoutesOptions {
  readonly store: Pick<Store, "node" | "epoch" | "stats">
  readonly clock: Clock
  readonly version: string
  /** Text format 0.0.4 of Prometheus. */
  readonly expose: () => Promise<string>
}

const storeExample = {
  epoch: "5f0c6b1d2e3a4958",
  nextSeq: 1025,
  durableSeq: 1025,
  appliedSeq: 1025,
  logBytes: 65536,
  logFiles: 1,
  segmentBytes: 0,
  segmentFiles: 0,
  segmentRows: 0,
  tableRows: 1025,
  damaged: [],
  state: "accepting",
}

const status: Operation = {
  id: "status",
  tag: "node",
  summary: "Show the state of the node and the token that asks",
  access: "read",
  answers: {
    200: {
      description: "The node as it is now.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["node", "version", "epoch", "started", "time", "store", "token"],
            properties: {
              node: { type: "string", description: "Its name." },
              version: { type: "string" },
              epoch: { type: "string", description: "The life of its log." },
              started: { type: "string", format: "date-time" },
              time: { type: "string", format: "date-time", description: "Its clock." },
              store: { type: "object", description: "Log, tables and segments; `damaged` names what cannot be read." },
              token: { type: "object", description: "Name, scopes and device filters of the token that asks." },
            },
          },
          example: {
            node: "gateway",
            version: "0.1.0",
            epoch: "5f0c6b1d2e3a4958",
            started: "2025-01-01T00:00:00.000000Z",
            time: "2025-01-01T00:01:00.000000Z",
            store: storeExample,
            token: { id: "k7f3a9", name: "admin", scopes: ["admin"] },
          },
        },
      },
    },
  },
}

const metrics: Operation = {
  id: "metrics",
  tag: "node",
  summary: "Metrics for Prometheus",
  description:
    "Needs a token also on loopback: `authorization: { credentials_file: … }` in Prometheus's scrape config.",
  access: "read",
  answers: {
    200: {
      description: "Text format 0.0.4.",
      content: { "text/plain": { example: "# TYPE brume_api_connections gauge\nbrume_api_connections 3\n" } },
    },
  },
}

const healthContent = (state: string) => ({
  "application/json": {
    schema: {
      type: "object",
      required: ["status"],
      properties: { status: { type: "string", enum: ["ok", "full", "failed"] } },
    },
    example: { status: state },
  },
})

const health: Operation = {
  id: "healthz",
  tag: "node",
  summary: "Does the node accept readings?",
  access: "public",
  answers: {
    200: { description: "Yes.", content: healthContent("ok") },
    503: { description: "No: the disk or the quota is full, or the log failed.", content: healthContent("full") },
  },
}

/** What the store's state means for who asks about health. */
export const healthOf = { accepting: "ok", full: "full", failed: "failed" } as const

export function addNodeRoutes(app: FastifyInstance, options: NodeRoutesOptions): void {
  const { store, clock, version } = options
  const started = isoTime(clock.now())
  app.route({
    method: "GET",
    url: "/v1/status",
    config: { operation: status },
    handler: (request, reply) => {
      const { principal } = request
      if (principal === null) throw new FogError("unauthenticated", { message: "The request carries no token" })
      reply.send({
        node: store.node,
        version,
        epoch: store.epoch,
        started,
        time: isoTime(clock.now()),
        store: store.stats(),
        token: { id: principal.tokenId, name: principal.name, scopes: principal.scopes, devices: principal.devices },
      })
    },
  })
  app.route({
    method: "GET",
    url: "/metrics",
    config: { operation: metrics },
    handler: async (_request, reply) => {
      const text = await options.expose()
      return reply.header("content-type", "text/plain; version=0.0.4; charset=utf-8").send(text)
    },
  })
  app.route({
    method: "GET",
    url: "/healthz",
    config: { operation: health },
    handler: (_request, reply) => {
      const state = healthOf[store.stats().state]
      reply.code(state === "ok" ? 200 : 503).send({ status: state })
    },
  })
}
