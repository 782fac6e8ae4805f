/** Who speaks MQTT with this node, connected or not, and ending that. */
import { FogError } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { decodeCursor, encodeCursor } from "../cursor.ts"
import { bodyProblems, type Operation } from "../operation.ts"
import type { KnownClient, MqttPort } from "../ports.ts"
import { numbered } from "../query-string.ts"
import { clientExample, isoTime } from "../schemas.ts"

export interface ClientRoutesOptions {
  readonly mqtt: Pick<MqttPort, "clients" | "client" | "disconnect">
}

const defaultPage = 100

const listQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 1_000, default: defaultPage, description: "Clients in one answer." },
    cursor: { type: "string", minLength: 1, maxLength: 90_000, description: "From the answer before." },
    connected: {
      type: "string",
      enum: ["true", "false"],
      description: "Only clients that are connected, or only those that are away. Both without it.",
    },
  },
} as const

const list: Operation = {
  id: "listClients",
  tag: "mqtt",
  summary: "List MQTT clients",
  description: "By identifier: those that are connected, and those whose sessions wait for them.",
  access: "admin",
  wholeNode: true,
  answers: {
    200: {
      description: "A page of clients; `cursor` asks for the next one and is missing on the last.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["clients"],
            properties: { clients: { type: "array", items: { $ref: "Client#" } }, cursor: { type: "string" } },
          },
          example: { clients: [clientExample], cursor: "ZnJpZGdlLTE" },
        },
      },
    },
  },
}

const get: Operation = {
  id: "getClient",
  tag: "mqtt",
  summary: "Show one MQTT client",
  description: "An identifier that contains `/` is written with `%2F`.",
  access: "admin",
  wholeNode: true,
  answers: {
    200: {
      description: "Its connection, its session and its subscriptions.",
      content: { "application/json": { schema: { $ref: "Client#" }, example: clientExample } },
    },
  },
  problems: ["client_not_found"],
}

const disconnect: Operation = {
  id: "disconnectClient",
  tag: "mqtt",
  summary: "Disconnect an MQTT client",
  description:
    "Ends its connection; a client of MQTT 5.0 is told so (reason 0x98). It may connect again at once. With `forget` " +
    "its session ends too: its subscriptions and what waits for it are gone.",
  access: "admin",
  wholeNode: true,
  answers: { 204: { description: "It is disconnected, and forgotten where that was asked for." } },
  problems: ["client_not_found", ...bodyProblems],
}

const disconnectRequest = {
  type: "object",
  examples: [{ forget: false }],
  additionalProperties: false,
  properties: { forget: { type: "boolean", default: false, description: "End its session too." } },
} as const

const clientId = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", minLength: 1, maxLength: 8_192 } },
} as const

export function addClientRoutes(app: FastifyInstance, { mqtt }: ClientRoutesOptions): void {
  app.route<{ Querystring: XStatic<typeof listQuery> }>({
    method: "GET",
    url: "/v1/clients",
    schema: { querystring: listQuery },
    config: { operation: list },
    preValidation: async (request) => numbered(request.query, ["limit"]),
    handler: (request, reply) => {
      const { limit = defaultPage, cursor, connected } = request.query
      const page = mqtt.clients({
        limit,
        after: cursor === undefined ? undefined : decodeCursor(cursor),
        isConnected: connected === undefined ? undefined : connected === "true",
      })
      const next = page.next === undefined ? {} : { cursor: encodeCursor(page.next) }
      return reply.send({ clients: page.clients.map(shown), ...next })
    },
  })
  app.route<{ Params: XStatic<typeof clientId> }>({
    method: "GET",
    url: "/v1/clients/:id",
    schema: { params: clientId },
    config: { operation: get },
    handler: (request, reply) => {
      const { id } = request.params
      const client = mqtt.client(id)
      if (client === undefined) throw notFound(id)
      return reply.send(shown(client))
    },
  })
  app.route<{ Params: XStatic<typeof clientId>; Body: XStatic<typeof disconnectRequest> }>({
    method: "POST",
    url: "/v1/clients/:id/disconnect",
    schema: { params: clientId, body: disconnectRequest },
    config: { operation: disconnect },
    handler: (request, reply) => {
      const { id } = request.params
      const { forget = false } = request.body
      if (!mqtt.disconnect(id, { isForgotten: forget })) throw notFound(id)
      return reply.code(204).send()
    },
  })
}

function shown({ clientId, isConnected, peerAddress, since, ...rest }: KnownClient) {
  return { id: clientId, connected: isConnected, address: peerAddress, since: isoTime(since), ...rest }
}

function notFound(id: string): FogError {
  return new FogError("client_not_found", {
    message: `No MQTT client ${JSON.stringify(id.slice(0, 200))} is connected or has a session`,
    hint: "Identifiers are case sensitive; brume get clients lists them.",
  })
}
