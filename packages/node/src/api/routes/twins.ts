/** Twins of devices: shown, and what is desired of them changed. */
import type { JsonObject, Twin, TwinState, Twins } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import { isoTime, twinExample } from "../schemas.ts"
import { checkDevice } from "./commands.ts"

export interface TwinRoutesOptions {
  readonly twins: Pick<Twins, "get" | "set">
}

const content = { "application/json": { schema: { $ref: "Twin#" }, example: twinExample } }

const get: Operation = {
  id: "getTwin",
  tag: "commands",
  summary: "Show what a device should be, and says it is",
  description: "A device whose name contains `/` is written with `%2F`.",
  access: "read",
  answers: { 200: { description: "Both halves, and what they differ in.", content } },
  problems: ["twin_not_found"],
}

const set: Operation = {
  id: "changeTwin",
  tag: "commands",
  summary: "Change what a device should be",
  description:
    "A JSON merge patch (RFC 7396): null removes a member. Durable when it answers, and retained for the device on " +
    "`devices/<device>/desired`.",
  access: "write",
  answers: { 200: { description: "The twin as it is now.", content } },
  problems: ["twin_invalid", "twin_conflict", ...bodyProblems, ...storeProblems],
}

const deviceParameter = {
  type: "object",
  required: ["device"],
  properties: { device: { type: "string", minLength: 1, maxLength: 512 } },
} as const

const setBody = {
  type: "object",
  examples: [{ desired: { speed: 3 } }],
  additionalProperties: false,
  required: ["desired"],
  properties: {
    desired: { type: "object", description: "A merge patch of what is desired." },
    ifVersion: { type: "integer", minimum: 0, description: "Only if this version of what is desired is in force." },
  },
} as const

export function addTwinRoutes(app: FastifyInstance, { twins }: TwinRoutesOptions): void {
  app.route<{ Params: XStatic<typeof deviceParameter> }>({
    method: "GET",
    url: "/v1/devices/:device/twin",
    schema: { params: deviceParameter },
    config: { operation: get },
    handler: (request, reply) => {
      const { device } = request.params
      checkDevice(request.principal!, device)
      return reply.send(shown(twins.get(device)))
    },
  })
  app.route<{ Params: XStatic<typeof deviceParameter>; Body: XStatic<typeof setBody> }>({
    method: "PATCH",
    url: "/v1/devices/:device/twin",
    schema: { params: deviceParameter, body: setBody },
    config: { operation: set },
    handler: async (request, reply) => {
      const { device } = request.params
      checkDevice(request.principal!, device)
      const { desired, ifVersion } = request.body
      return await reply.send(shown(await twins.set(device, { desired: desired as JsonObject, ifVersion })))
    },
  })
}

function shown({ desired, reported, ...rest }: Twin) {
  return { ...rest, desired: shownState(desired), reported: shownState(reported) }
}

function shownState({ time, ...rest }: TwinState) {
  return { ...rest, ...(time === 0 ? {} : { time: isoTime(time) }) }
}
