/** Functions: deployed, rolled back, called, listed and deleted. */
import { FogError, type FunctionInfo } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import type { BodyReader } from "../body.ts"
import type { FunctionsPort } from "../function-ports.ts"
import { deployedExample, deployment, deploymentExample, functionExample } from "../function-schemas.ts"
import { bodyText, jsonBodyBytes, parseJson } from "../json-body.ts"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import { numbered } from "../query-string.ts"
import { isoTime } from "../schemas.ts"
import { idempotencyHeader } from "./readings.ts"

export interface FunctionRoutesOptions {
  readonly functions: FunctionsPort
  readonly readBody: BodyReader
  readonly maxBodyBytes: number
}

const content = { "application/json": { schema: { $ref: "Function#" }, example: functionExample } }
const deployedContent = { "application/json": { schema: { $ref: "Deployed#" }, example: deployedExample } }
const loads = ["function_unloadable", "function_unsandboxed", "runtime_missing"] as const

const list: Operation = {
  id: "listFunctions",
  tag: "functions",
  summary: "List functions",
  access: "read",
  answers: {
    200: {
      description: "All of them, by name.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["functions"],
            properties: { functions: { type: "array", items: { $ref: "Function#" } } },
          },
          example: { functions: [functionExample] },
        },
      },
    },
  },
}

const get: Operation = {
  id: "getFunction",
  tag: "functions",
  summary: "Show a function",
  description: "With its versions, its state and its last failures.",
  access: "read",
  answers: { 200: { description: "The function as it is.", content } },
  problems: ["function_not_found"],
}

const remove: Operation = {
  id: "deleteFunction",
  tag: "functions",
  summary: "Delete a function",
  description: "With its versions, its state and the events that wait for it.",
  access: "admin",
  wholeNode: true,
  answers: { 204: { description: "It is gone." } },
  problems: ["function_not_found", ...storeProblems],
}

const deploy: Operation = {
  id: "deployFunction",
  tag: "functions",
  summary: "Deploy a function",
  description:
    "Answered when the new version has loaded its code, is durable and takes calls; until then the one before does. The " +
    "same document and code again change nothing.",
  access: "admin",
  wholeNode: true,
  body: { "application/json": { schema: deployment, example: deploymentExample } },
  answers: { 200: { description: "It is in force.", content: deployedContent } },
  problems: ["document_invalid", ...loads, "functions_busy", ...bodyProblems, ...storeProblems],
}

const rollback: Operation = {
  id: "rollbackFunction",
  tag: "functions",
  summary: "Roll back a function",
  description: "Puts an earlier version in force, code and document: the one before, or the one that is named.",
  access: "admin",
  wholeNode: true,
  answers: { 200: { description: "It is in force.", content: deployedContent } },
  problems: ["function_not_found", "function_version_not_found", ...loads, ...bodyProblems, ...storeProblems],
}

const invoke: Operation = {
  id: "invokeFunction",
  tag: "functions",
  summary: "Call a function",
  description:
    "The body is the event, any JSON; null without one. Answers with what the function returned. The same " +
    "`Idempotency-Key` of the same token within ten minutes is the same call; `ctx.key` follows from it.",
  access: "write",
  wholeNode: true,
  body: { "application/json": { schema: { description: "The event." }, example: { celsius: 4.2 } } },
  answers: {
    200: {
      description: "What the function returned.",
      content: { "application/json": { schema: { description: "Any JSON." }, example: { fahrenheit: 39.56 } } },
    },
  },
  problems: [
    "function_not_found",
    "function_failed",
    "function_timeout",
    "function_crashed",
    "function_parked",
    "functions_busy",
    "runtime_missing",
    "idempotency_conflict",
    ...bodyProblems,
  ],
}

const target = {
  type: "object",
  required: ["name"],
  properties: { name: { type: "string", minLength: 1, maxLength: 63 } },
} as const

const rollbackBody = {
  type: "object",
  examples: [{ to: 1 }],
  additionalProperties: false,
  properties: { to: { type: "integer", minimum: 1, description: "A version; the one before without it." } },
} as const

const invokeQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    deadlineMs: { type: "integer", minimum: 1, maximum: 900_000, description: "Nobody waits for it any longer." },
  },
} as const

type Target = { readonly Params: XStatic<typeof target> }

export function addFunctionRoutes(app: FastifyInstance, { functions }: FunctionRoutesOptions): void {
  app.route({
    method: "GET",
    url: "/v1/functions",
    config: { operation: list },
    handler: (_request, reply) => reply.send({ functions: functions.list().map(shown) }),
  })
  app.route<Target>({
    method: "GET",
    url: "/v1/functions/:name",
    schema: { params: target },
    config: { operation: get },
    handler: (request, reply) => reply.send(shown(functions.describe(request.params.name))),
  })
  app.route<Target>({
    method: "DELETE",
    url: "/v1/functions/:name",
    schema: { params: target },
    config: { operation: remove },
    handler: async (request, reply) => {
      await functions.delete(request.params.name)
      return reply.code(204).send()
    },
  })
  app.route<Target & { Body: XStatic<typeof rollbackBody> }>({
    method: "POST",
    url: "/v1/functions/:name/rollback",
    schema: { params: target, body: rollbackBody },
    config: { operation: rollback },
    handler: async (request, reply) => reply.send(await functions.rollback(request.params.name, request.body.to)),
  })
}

/** @param app a scope whose bodies Fastify leaves alone */
export function addFunctionCalls(app: FastifyInstance, options: FunctionRoutesOptions): void {
  const { functions, readBody, maxBodyBytes } = options
  app.route<Target>({
    method: "POST",
    url: "/v1/functions/:name/deploy",
    schema: { params: target },
    config: { operation: deploy },
    handler: async (request, reply) => {
      const body = await readBody(request.raw, maxBodyBytes)
      try {
        const { document, files, acceptUnsandboxed, ...others } = objectOf(parseJson(bodyText(body.bytes)))
        const unknown = Object.keys(others)[0]
        if (unknown !== undefined || (acceptUnsandboxed !== undefined && typeof acceptUnsandboxed !== "boolean"))
          throw malformed(unknown === undefined ? "acceptUnsandboxed is true or false" : `${unknown} is unknown`)
        return await reply.send(await functions.deploy(request.params.name, { document, files, acceptUnsandboxed }))
      } finally {
        body.release()
      }
    },
  })
  app.route<Target & { Querystring: XStatic<typeof invokeQuery> }>({
    method: "POST",
    url: "/v1/functions/:name/invoke",
    schema: { params: target, querystring: invokeQuery, headers: idempotencyHeader },
    config: { operation: invoke },
    preValidation: async (request) => numbered(request.query, ["deadlineMs"]),
    handler: async (request, reply) => {
      const key = request.headers["idempotency-key"]
      const body = await readBody(request.raw, jsonBodyBytes)
      let event: unknown
      try {
        event = body.bytes.length === 0 ? null : parseJson(bodyText(body.bytes))
      } finally {
        body.release()
      }
      const result = await functions.invoke({
        ...{ name: request.params.name, event, trigger: "http", deadlineMs: request.query.deadlineMs },
        ...(typeof key === "string" ? { key: `token/${request.principal!.tokenId}/${key}` } : {}),
      })
      return reply.header("content-type", "application/json; charset=utf-8").send(JSON.stringify(result ?? null))
    },
  })
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw malformed("it is no JSON object")
}

function malformed(why: string): FogError {
  return new FogError("request_invalid", {
    message: `The body is no deployment: ${why}`,
    hint: "It has document, files and perhaps acceptUnsandboxed; brume deploy DIR makes it.",
  })
}

function shown({ versions, failures, ...rest }: FunctionInfo) {
  return {
    ...rest,
    versions: versions.map((version) => ({ ...version, created: isoTime(version.created) })),
    failures: failures.map((failure) => ({ ...failure, time: isoTime(failure.time) })),
  }
}
