/** What may not connect over MQTT: listed, added and lifted by admins. */
import { type Ban, type Bans, banKinds } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { expirySchema, parsedExpiry } from "../expiry.ts"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import { isoTime } from "../schemas.ts"

export interface BanRoutesOptions {
  readonly bans: Bans
}

const kind = { type: "string", enum: banKinds } as const
const value = { type: "string", minLength: 1, maxLength: 512 } as const

const addBody = {
  type: "object",
  examples: [{ kind: "client", value: "sensor-17", reason: "sends garbage" }],
  additionalProperties: false,
  required: ["kind", "value"],
  properties: {
    kind,
    value: { ...value, description: "An IP address, a client id or a username." },
    expires: expirySchema,
    reason: { type: "string", maxLength: 200, description: "For people." },
  },
} as const

const banParameters = { type: "object", required: ["kind", "value"], properties: { kind, value } } as const

const example = {
  kind: "client",
  value: "sensor-17",
  created: "2025-01-01T00:00:00.000000Z",
  reason: "sends garbage",
}

const admin = { tag: "access", access: "admin", wholeNode: true } as const

const list: Operation = {
  ...admin,
  id: "listBans",
  summary: "List bans",
  answers: {
    200: {
      description: "All bans that are in force.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["bans"],
            properties: { bans: { type: "array", items: { $ref: "Ban#" } } },
          },
          example: { bans: [example] },
        },
      },
    },
  },
}

const add: Operation = {
  ...admin,
  id: "addBan",
  summary: "Ban a client id, a username or an address from MQTT",
  description: "In force at once; its connections are ended. Replaces an earlier ban of the same.",
  answers: {
    201: {
      description: "The ban is durable.",
      content: { "application/json": { schema: { $ref: "Ban#" }, example } },
    },
  },
  problems: ["ban_invalid", ...bodyProblems, ...storeProblems],
}

const remove: Operation = {
  ...admin,
  id: "removeBan",
  summary: "Lift a ban",
  description: "A value that contains `/` is written with `%2F`.",
  answers: { 204: { description: "It is lifted durably." } },
  problems: ["ban_not_found", ...storeProblems],
}

export function addBanRoutes(app: FastifyInstance, { bans }: BanRoutesOptions): void {
  app.route({
    method: "GET",
    url: "/v1/bans",
    config: { operation: list },
    handler: (_request, reply) => reply.send({ bans: bans.list().map(shown) }),
  })
  app.route<{ Body: XStatic<typeof addBody> }>({
    method: "POST",
    url: "/v1/bans",
    schema: { body: addBody },
    config: { operation: add },
    handler: async (request, reply) => {
      const { expires, ...rest } = request.body
      const end = expires === undefined ? {} : { expires: parsedExpiry(expires, "ban_invalid") }
      const ban = await bans.add({ ...rest, ...end })
      return reply
        .code(201)
        .header("location", `/v1/bans/${ban.kind}/${encodeURIComponent(ban.value)}`)
        .send(shown(ban))
    },
  })
  app.route<{ Params: XStatic<typeof banParameters> }>({
    method: "DELETE",
    url: "/v1/bans/:kind/:value",
    schema: { params: banParameters },
    config: { operation: remove },
    handler: async (request, reply) => {
      await bans.remove(request.params.kind, request.params.value)
      return reply.code(204).send()
    },
  })
}

function shown({ created, expires, ...rest }: Ban) {
  return { ...rest, created: isoTime(created), ...(expires === undefined ? {} : { expires: isoTime(expires) }) }
}
