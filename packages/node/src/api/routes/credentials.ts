/** What devices sign in with over MQTT: listed, created, changed and revoked by admins. */
import type { CredentialInfo, Credentials, CredentialWithPassword } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { decodeCursor, encodeCursor } from "../cursor.ts"
import { bodyProblems, type Json, type Operation, storeProblems } from "../operation.ts"
import { numbered } from "../query-string.ts"
import { isoTime } from "../schemas.ts"

export interface CredentialRoutesOptions {
  readonly credentials: Credentials
}

const defaultPage = 1_000

const listQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 10_000, default: defaultPage, description: "Most in one answer." },
    cursor: { type: "string", minLength: 1, maxLength: 3_000, description: "From the answer before." },
  },
} as const

const filters = { type: "array", maxItems: 64, items: { type: "string", minLength: 1, maxLength: 512 } } as const

const permissions = {
  type: "object",
  additionalProperties: false,
  properties: { publish: filters, subscribe: filters },
  description:
    "Filters with MQTT wildcards; `%u` stands for the username, `%c` for the client id. What is left out is `devices/%u` and `devices/%u/#`.",
} as const

const password = {
  type: "string",
  minLength: 8,
  maxLength: 1_024,
  description: "Made by the node when left out, and then shown this once.",
} as const

const createBody = {
  type: "object",
  examples: [{ username: "greenhouse-1", permissions: { publish: ["devices/%u/#"], subscribe: ["commands/%u/#"] } }],
  additionalProperties: false,
  required: ["username"],
  properties: {
    username: { type: "string", minLength: 1, maxLength: 200 },
    password,
    permissions,
    certificate: {
      type: "object",
      additionalProperties: false,
      properties: {
        name: { type: "string", minLength: 1, maxLength: 512, description: "The username, when left out." },
        fingerprint: { type: "string", minLength: 64, maxLength: 95, description: "SHA-256 in hex." },
      },
      description: "Signs in by a client certificate of this name instead of a password.",
    },
  },
} as const

const changeBody = {
  type: "object",
  examples: [{ disabled: true }],
  additionalProperties: false,
  minProperties: 1,
  properties: {
    permissions: { ...permissions, description: "What is left out stays as it is." },
    disabled: { type: "boolean" },
  },
} as const

const rotateBody = {
  type: "object",
  examples: [{}],
  additionalProperties: false,
  properties: { password },
} as const

const byUsername = {
  type: "object",
  required: ["username"],
  properties: { username: { type: "string", minLength: 1, maxLength: 200 } },
} as const

const example = {
  username: "greenhouse-1",
  permissions: { publish: ["devices/%u/#"], subscribe: ["commands/%u/#"] },
  created: "2025-01-01T00:00:00.000000Z",
  disabled: false,
} satisfies Json

const admin = { tag: "access", access: "admin", wholeNode: true } as const

const one = (description: string, schema: string, shownExample: Json) => ({
  description,
  content: { "application/json": { schema: { $ref: `${schema}#` }, example: shownExample } },
})

const list: Operation = {
  ...admin,
  id: "listCredentials",
  summary: "List credentials",
  answers: {
    200: {
      description: "A page of credentials by username; `cursor` asks for the next one and is missing on the last.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["credentials"],
            properties: { credentials: { type: "array", items: { $ref: "Credential#" } }, cursor: { type: "string" } },
          },
          example: { credentials: [example] },
        },
      },
    },
  },
}

const create: Operation = {
  ...admin,
  id: "createCredential",
  summary: "Create a credential",
  description: "The answer carries the password that the node made this once; the node keeps only its hash.",
  answers: {
    201: one("The credential is durable.", "NewCredential", { credential: example, password: "rC3v…" }),
  },
  problems: ["credential_invalid", "credential_exists", ...bodyProblems, ...storeProblems],
}

const change: Operation = {
  ...admin,
  id: "changeCredential",
  summary: "Change a credential",
  description: "Disables or enables it, or changes its permissions; its connections are ended.",
  answers: { 200: one("The change is durable.", "Credential", { ...example, disabled: true }) },
  problems: ["credential_not_found", "credential_invalid", ...bodyProblems, ...storeProblems],
}

const rotate: Operation = {
  ...admin,
  id: "rotateCredential",
  summary: "Give a credential a new password",
  description: "The former one opens nothing any more, and connections that it opened are ended.",
  answers: {
    200: one("The new password is in force.", "NewCredential", { credential: example, password: "rC3v…" }),
  },
  problems: ["credential_not_found", "credential_invalid", ...bodyProblems, ...storeProblems],
}

const revoke: Operation = {
  ...admin,
  id: "revokeCredential",
  summary: "Revoke a credential",
  description: "In force at once; its connections are ended.",
  answers: { 204: { description: "The revocation is durable." } },
  problems: ["credential_not_found", ...storeProblems],
}

export function addCredentialRoutes(app: FastifyInstance, { credentials }: CredentialRoutesOptions): void {
  app.route<{ Querystring: XStatic<typeof listQuery> }>({
    method: "GET",
    url: "/v1/credentials",
    schema: { querystring: listQuery },
    config: { operation: list },
    preValidation: async (request) => numbered(request.query, ["limit"]),
    handler: (request, reply) => {
      const { limit = defaultPage, cursor } = request.query
      const after = cursor === undefined ? "" : decodeCursor(cursor)
      const rest = credentials.list().filter(({ username }) => username > after)
      const page = rest.slice(0, limit).map(shown)
      return reply.send({
        credentials: page,
        ...(rest.length > limit ? { cursor: encodeCursor(page.at(-1)!.username) } : {}),
      })
    },
  })
  app.route<{ Body: XStatic<typeof createBody> }>({
    method: "POST",
    url: "/v1/credentials",
    schema: { body: createBody },
    config: { operation: create },
    handler: async (request, reply) => {
      const made = await credentials.create(request.body)
      return reply
        .code(201)
        .header("location", `/v1/credentials/${encodeURIComponent(made.info.username)}`)
        .send(shownWithPassword(made))
    },
  })
  addOne(app, credentials)
}

/** Routes of one credential. */
function addOne(app: FastifyInstance, credentials: Credentials): void {
  app.route<{ Params: XStatic<typeof byUsername>; Body: XStatic<typeof changeBody> }>({
    method: "PATCH",
    url: "/v1/credentials/:username",
    schema: { params: byUsername, body: changeBody },
    config: { operation: change },
    handler: async (request, reply) => {
      return reply.send(shown(await credentials.change(request.params.username, request.body)))
    },
  })
  app.route<{ Params: XStatic<typeof byUsername>; Body: XStatic<typeof rotateBody> }>({
    method: "POST",
    url: "/v1/credentials/:username/password",
    schema: { params: byUsername, body: rotateBody },
    config: { operation: rotate },
    handler: async (request, reply) => {
      return reply.send(shownWithPassword(await credentials.rotate(request.params.username, request.body.password)))
    },
  })
  app.route<{ Params: XStatic<typeof byUsername> }>({
    method: "DELETE",
    url: "/v1/credentials/:username",
    schema: { params: byUsername },
    config: { operation: revoke },
    handler: async (request, reply) => {
      await credentials.revoke(request.params.username)
      return reply.code(204).send()
    },
  })
}

function shown({ created, changed, ...rest }: CredentialInfo) {
  return { ...rest, created: isoTime(created), ...(changed === undefined ? {} : { changed: isoTime(changed) }) }
}

function shownWithPassword({ info, password }: CredentialWithPassword) {
  return { credential: shown(info), ...(password === undefined ? {} : { password }) }
}
