/** Secrets of functions: set, listed without their values, and deleted. */
import { Secret, type SecretInfo } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import type { SecretsPort } from "../function-ports.ts"
import { secretExample } from "../function-schemas.ts"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import { isoTime } from "../schemas.ts"

export interface SecretRoutesOptions {
  readonly secrets: SecretsPort
}

const list: Operation = {
  id: "listSecrets",
  tag: "functions",
  summary: "List secrets",
  description: "Their names; nothing shows their values.",
  access: "admin",
  wholeNode: true,
  answers: {
    200: {
      description: "All of them, by name.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["secrets"],
            properties: { secrets: { type: "array", items: { $ref: "Secret#" } } },
          },
          example: { secrets: [secretExample] },
        },
      },
    },
  },
}

const set: Operation = {
  id: "setSecret",
  tag: "functions",
  summary: "Set a secret",
  description: "Sealed before it is stored; replaces an earlier value. Functions that name it get the new one at once.",
  access: "admin",
  wholeNode: true,
  answers: {
    200: {
      description: "It is durable.",
      content: { "application/json": { schema: { $ref: "Secret#" }, example: secretExample } },
    },
  },
  problems: ["secret_invalid", ...bodyProblems, ...storeProblems],
}

const remove: Operation = {
  id: "deleteSecret",
  tag: "functions",
  summary: "Delete a secret",
  access: "admin",
  wholeNode: true,
  answers: { 204: { description: "It is gone." } },
  problems: ["secret_not_found", ...storeProblems],
}

const setBody = {
  type: "object",
  required: ["name", "value"],
  examples: [{ name: "chat-token", value: "xoxb-…" }],
  additionalProperties: false,
  properties: {
    name: { type: "string", minLength: 1, maxLength: 200 },
    value: { type: "string", minLength: 1, description: "At most 64 KiB in UTF-8." },
  },
} as const

const target = {
  type: "object",
  required: ["name"],
  properties: { name: { type: "string", minLength: 1, maxLength: 200 } },
} as const

export function addSecretRoutes(app: FastifyInstance, { secrets }: SecretRoutesOptions): void {
  app.route({
    method: "GET",
    url: "/v1/secrets",
    config: { operation: list },
    handler: (_request, reply) => reply.send({ secrets: secrets.list().map(shown) }),
  })
  app.route<{ Body: XStatic<typeof setBody> }>({
    method: "POST",
    url: "/v1/secrets",
    schema: { body: setBody },
    config: { operation: set },
    handler: async (request, reply) => {
      const { name, value } = request.body
      return reply.send(shown(await secrets.set(name, new Secret(value))))
    },
  })
  app.route<{ Params: XStatic<typeof target> }>({
    method: "DELETE",
    url: "/v1/secrets/:name",
    schema: { params: target },
    config: { operation: remove },
    handler: async (request, reply) => {
      await secrets.delete(request.params.name)
      return reply.code(204).send()
    },
  })
}

function shown({ name, created, changed }: SecretInfo) {
  return { name, created: isoTime(created), changed: isoTime(changed) }
}
