/** Readings as they become durable, over WebSocket. */
import { FogError, filterProblem } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import type { Operation } from "../operation.ts"
import type { LivePort } from "../ports.ts"
import { listed } from "../query-string.ts"
import { readingExample } from "../schemas.ts"
import { type AcceptWebSocket, checkHandshake } from "../upgrades.ts"
import type { LiveStreams } from "./live-streams.ts"
import { readingsSource } from "./readings-source.ts"

export interface LiveRouteOptions {
  readonly live: LivePort
  readonly streams: LiveStreams
  readonly accept: AcceptWebSocket
}

/** A client sends nothing but pongs and its closing frame. */
export const liveTerms = { protocols: ["brume.v1"], maxMessageBytes: 1_024 } as const

const filters = {
  type: "array",
  maxItems: 64,
  items: { type: "string", minLength: 1, maxLength: 512 },
} as const

const filterQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    device: { ...filters, description: "Filter with MQTT wildcards (`+`, `#`); repeat it for several." },
    property: { ...filters, description: "The same for properties." },
  },
} as const

const operation: Operation = {
  id: "live",
  tag: "live",
  summary: "Stream readings over WebSocket",
  description:
    "A WebSocket with the subprotocol `brume.v1`; a browser passes its token as a second one, `bearer.<secret>`. " +
    "Messages are JSON: `readings`, `dropped` (how many a slow client missed) and `heartbeat`. A client sends nothing. " +
    `Close codes: 1001 the node stops, 1008 a message came or the token is no longer valid. Example: \`${JSON.stringify(
      {
        type: "readings",
        readings: [readingExample],
      },
    )}\``,
  access: "read",
  answers: { 101: { description: "The stream begins." } },
}

export function addLiveRoute(app: FastifyInstance, { live, streams, accept }: LiveRouteOptions): void {
  app.route<{ Querystring: XStatic<typeof filterQuery> }>({
    method: "GET",
    url: "/v1/live",
    schema: { querystring: filterQuery },
    config: { operation, webSocket: liveTerms },
    preValidation: (request, _reply, done) => {
      listed(request.query, ["device", "property"])
      done()
    },
    preHandler: async (request) => {
      if (request.isHandshake) checkHandshake(request)
      streams.checkRoom()
      checkFilters(request.query)
    },
    handler: (request, reply) => {
      if (!request.isHandshake) throw noHandshake()
      const principal = request.principal!
      const { device: devices, property: properties } = request.query
      accept(request, reply, (socket) => {
        streams.start(socket, request, (wake) =>
          readingsSource(live.subscribe({ devices, properties, principal }, wake)),
        )
      })
    },
  })
}

export function noHandshake(): FogError {
  return new FogError("request_invalid", {
    message: "This is a WebSocket, and the request does not ask for one",
    hint: "Open it with a WebSocket client: brume watch, or `new WebSocket(url, ['brume.v1', 'bearer.<secret>'])`.",
  })
}

function checkFilters({ device = [], property = [] }: XStatic<typeof filterQuery>): void {
  for (const [name, filter] of [
    ...device.map((filter) => ["device", filter]),
    ...property.map((f) => ["property", f]),
  ]) {
    const problem = filterProblem(filter!)
    if (problem === undefined) continue
    throw new FogError("request_invalid", {
      message: `The ${name} filter ${JSON.stringify(filter)} ${problem}`,
      hint: "+ stands for one whole level, # for the rest and only at the end: cold/+/door, cold/#.",
    })
  }
}
