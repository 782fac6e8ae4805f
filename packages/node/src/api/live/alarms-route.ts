/** Alarms as they are raised, changed and cleared, over WebSocket. */
import type { Alarms } from "@brume/core"
import type { FastifyInstance } from "fastify"
import { alarmEventExample, alarmExample } from "../effect-schemas.ts"
import type { Operation } from "../operation.ts"
import { type AcceptWebSocket, checkHandshake } from "../upgrades.ts"
import { alarmsSource } from "./alarms-source.ts"
import { liveTerms, noHandshake } from "./live-route.ts"
import type { LiveStreams } from "./live-streams.ts"

export interface AlarmsLiveOptions {
  readonly alarms: Pick<Alarms, "list" | "onEvent">
  readonly streams: LiveStreams
  readonly accept: AcceptWebSocket
}

const operation: Operation = {
  id: "liveAlarms",
  tag: "live",
  summary: "Stream alarms over WebSocket",
  description:
    "A WebSocket as that of readings. Its first message is `alarms`: those that are raised, the newest first; `left` says " +
    "how many more there are than fit. Then each change is told in `events`, in order. A client that takes too long misses " +
    `events and gets \`alarms\` again. Examples: \`${JSON.stringify({ type: "alarms", alarms: [alarmExample], left: 0 })}\`, ` +
    `\`${JSON.stringify({ type: "events", events: [alarmEventExample] })}\``,
  access: "read",
  answers: { 101: { description: "The stream begins." } },
}

export function addAlarmsLiveRoute(app: FastifyInstance, { alarms, streams, accept }: AlarmsLiveOptions): void {
  app.route({
    method: "GET",
    url: "/v1/live/alarms",
    schema: { querystring: { type: "object", additionalProperties: false, properties: {} } },
    config: { operation, webSocket: liveTerms },
    preHandler: async (request) => {
      if (request.isHandshake) checkHandshake(request)
      streams.checkRoom()
    },
    handler: (request, reply) => {
      if (!request.isHandshake) throw noHandshake()
      accept(request, reply, (socket) => {
        streams.start(socket, request, (wake) => alarmsSource(alarms, request.principal!, wake))
      })
    },
  })
}
