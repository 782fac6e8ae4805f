/** Who may do what: tokens are listed, created and revoked by admins. */
import { scopes, type TokenInfo, type TokenRequest, type Tokens } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { expirySchema, parsedExpiry } from "../expiry.ts"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import { isoTime } from "../schemas.ts"

export interface TokenRoutesOptions {
  readonly tokens: Pick<Tokens, "create" | "list" | "revoke">
  /** Called when a token is no longer valid, for streams that it opened. */
  readonly onRevoked: () => void
}

const tokenRequest = {
  type: "object",
  examples: [{ name: "greenhouse gateway", scopes: ["write"], devices: ["greenhouse/#"] }],
  additionalProperties: false,
  required: ["name", "scopes"],
  properties: {
    name: { type: "string", minLength: 1, maxLength: 200, description: "For people." },
    scopes: {
      type: "array",
      minItems: 1,
      maxItems: 3,
      uniqueItems: true,
      items: { type: "string", enum: scopes },
      description: "`admin` includes the others.",
    },
    devices: {
      type: "array",
      minItems: 1,
      maxItems: 64,
      items: { type: "string", minLength: 1, maxLength: 512 },
      description: "Device filters with the wildcards of MQTT; all devices without it.",
    },
    expires: expirySchema,
  },
} as const

const example = {
  id: "k7f3a9",
  name: "greenhouse gateway",
  scopes: ["write"],
  devices: ["greenhouse/#"],
  created: "2025-01-01T00:00:00.000000Z",
}

const list: Operation = {
  id: "listTokens",
  tag: "tokens",
  summary: "List tokens",
  access: "admin",
  wholeNode: true,
  answers: {
    200: {
      description: "All tokens that are in force, without their secrets.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["tokens"],
            properties: { tokens: { type: "array", items: { $ref: "Token#" } } },
          },
          example: { tokens: [example] },
        },
      },
    },
  },
}

const create: Operation = {
  id: "createToken",
  tag: "tokens",
  summary: "Create a token",
  description: "The answer carries the secret this once; the node keeps only its hash.",
  access: "admin",
  wholeNode: true,
  answers: {
    201: {
      description: "The token is durable.",
      content: {
        "application/json": {
          schema: { $ref: "NewToken#" },
          example: { token: example, secret: "brume_k7f3a9_…" },
        },
      },
    },
  },
  problems: ["token_invalid", ...bodyProblems, ...storeProblems],
}

const revoke: Operation = {
  id: "revokeToken",
  tag: "tokens",
  summary: "Revoke a token",
  description: "In force at once, also for the live streams of the token.",
  access: "admin",
  wholeNode: true,
  answers: { 204: { description: "The revocation is durable." } },
  problems: ["token_not_found", ...storeProblems],
}

const tokenId = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", minLength: 1, maxLength: 200 } },
} as const

export function addTokenRoutes(app: FastifyInstance, { tokens, onRevoked }: TokenRoutesOptions): void {
  app.route({
    method: "GET",
    url: "/v1/tokens",
    config: { operation: list },
    handler: (_request, reply) => reply.send({ tokens: tokens.list().map(shown) }),
  })
  app.route<{ Body: XStatic<typeof tokenRequest> }>({
    method: "POST",
    url: "/v1/tokens",
    schema: { body: tokenRequest },
    config: { operation: create },
    handler: async (request, reply) => {
      const { info, secret } = await tokens.create(parsed(request.body))
      return reply
        .code(201)
        .header("location", `/v1/tokens/${info.id}`)
        .send({ token: shown(info), secret })
    },
  })
  app.route<{ Params: XStatic<typeof tokenId> }>({
    method: "DELETE",
    url: "/v1/tokens/:id",
    schema: { params: tokenId },
    config: { operation: revoke },
    handler: async (request, reply) => {
      // In force from the call on, whatever the disk says.
      const revoked = tokens.revoke(request.params.id).finally(onRevoked)
      await revoked
      return reply.code(204).send()
    },
  })
}

function parsed({ name, scopes, devices, expires }: XStatic<typeof tokenRequest>): TokenRequest {
  return {
    name,
    scopes,
    ...(devices === undefined ? {} : { devices }),
    ...(expires === undefined ? {} : { expires: parsedExpiry(expires, "token_invalid") }),
  }
}

function shown({ created, expires, ...rest }: TokenInfo) {
  return { ...rest, created: isoTime(created), ...(expires === undefined ? {} : { expires: isoTime(expires) }) }
}
