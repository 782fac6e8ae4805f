/** Commands to devices: sent, shown and listed, as far as the token may see their devices. */
import {
  allowsDevice,
  type Clock,
  type Command,
  type Commands,
  commandStates,
  FogError,
  type Json,
  type Principal,
} from "@brume/core"
import type { FastifyInstance, FastifyReply } from "fastify"
import type { XStatic } from "typebox/schema"
import { decodeCursor, encodeCursor } from "../cursor.ts"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import { listed, numbered } from "../query-string.ts"
import { commandExample, isoTime } from "../schemas.ts"

export interface CommandRoutesOptions {
  readonly commands: Pick<Commands, "start" | "get" | "ended" | "list">
  readonly clock: Clock
}

const defaultPage = 100
/** Longest time for which a request waits for an outcome. ms. */
const longestWaitMs = 60_000

const content = { "application/json": { schema: { $ref: "Command#" }, example: commandExample } }
const pending = "It has no outcome yet; `Location` is where to ask for it."

const send: Operation = {
  id: "sendCommand",
  tag: "commands",
  summary: "Send a command to a device",
  description:
    "Durable before it leaves. Answers with the outcome, whatever it is; after a minute, or at once with `?wait=false`, " +
    "with the command as it is. The same `Idempotency-Key` of the same token is the same command: it is sent once. A " +
    "device whose name contains `/` is written with `%2F`.",
  access: "write",
  answers: {
    200: { description: "It has ended: done, failed or in doubt.", content },
    202: { description: pending, content },
  },
  problems: ["command_invalid", "commands_busy", "idempotency_conflict", ...bodyProblems, ...storeProblems],
}

const get: Operation = {
  id: "getCommand",
  tag: "commands",
  summary: "Show one command",
  description: "With `?wait=true` it answers when the command has ended, or after a minute.",
  access: "read",
  answers: { 200: { description: "The command as it is.", content } },
  problems: ["command_not_found"],
}

const list: Operation = {
  id: "listCommands",
  tag: "commands",
  summary: "List commands",
  description: "The newest first, of devices that the token may see.",
  access: "read",
  answers: {
    200: {
      description: "A page of commands, perhaps fewer than asked for; `cursor` asks for the next one.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["commands"],
            properties: { commands: { type: "array", items: { $ref: "Command#" } }, cursor: { type: "string" } },
          },
          example: { commands: [commandExample] },
        },
      },
    },
  },
}

const target = {
  type: "object",
  required: ["device", "name"],
  properties: {
    device: { type: "string", minLength: 1, maxLength: 512 },
    name: { type: "string", minLength: 1, maxLength: 128 },
  },
} as const

const sendBody = {
  type: ["object", "null"],
  examples: [{ input: { speed: 3 }, deadlineMs: 10_000 }],
  additionalProperties: false,
  properties: {
    input: { description: "Any JSON; null without it." },
    deadlineMs: {
      type: "integer",
      minimum: 1,
      maximum: 604_800_000,
      default: 10_000,
      description: "How long an answer is awaited.",
    },
    retries: {
      type: "integer",
      minimum: 0,
      maximum: 10,
      default: 0,
      description: "How often it is sent again, with the same id, while the device says nothing.",
    },
  },
} as const

const sendQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    wait: {
      type: "string",
      enum: ["true", "false"],
      default: "true",
      description: "`true`: answer when it has ended; `false`: as soon as it is durable and on its way.",
    },
  },
} as const

const getQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    wait: {
      type: "string",
      enum: ["true", "false"],
      default: "false",
      description: "`true`: answer when it has ended.",
    },
  },
} as const

const commandId = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", minLength: 1, maxLength: 64 } },
} as const

const listQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    limit: {
      type: "integer",
      minimum: 1,
      maximum: 1_000,
      default: defaultPage,
      description: "Commands in one answer.",
    },
    cursor: { type: "string", minLength: 1, maxLength: 200, description: "From the answer before." },
    state: { type: "string", enum: commandStates, description: "Only commands in this state." },
    device: {
      type: "array",
      maxItems: 64,
      items: { type: "string", minLength: 1, maxLength: 512 },
      description: "Filter with MQTT wildcards (`+`, `#`); repeat it for several.",
    },
  },
} as const

export function addCommandRoutes(app: FastifyInstance, options: CommandRoutesOptions): void {
  const { commands } = options
  app.route<{ Params: XStatic<typeof target>; Querystring: XStatic<typeof sendQuery>; Body: XStatic<typeof sendBody> }>(
    {
      method: "POST",
      url: "/v1/devices/:device/commands/:name",
      schema: { params: target, querystring: sendQuery, body: sendBody },
      config: { operation: send },
      handler: async (request, reply) => {
        const principal = request.principal!
        const { device, name } = request.params
        checkDevice(principal, device)
        // Without a body the input is null.
        const { input = null, ...terms } = request.body ?? {}
        const key = request.headers["idempotency-key"]
        const command = await commands.start({
          ...{ device, command: name, input: input as Json, source: `token/${principal.tokenId}` },
          ...terms,
          idempotencyKey: typeof key === "string" ? key : undefined,
        })
        return await answer(reply, request.query.wait === "false" ? command : await outcome(options, command))
      },
    },
  )
  app.route<{ Params: XStatic<typeof commandId>; Querystring: XStatic<typeof getQuery> }>({
    method: "GET",
    url: "/v1/commands/:id",
    schema: { params: commandId, querystring: getQuery },
    config: { operation: get },
    handler: async (request, reply) => {
      const { id } = request.params
      const command = commands.get(id)
      if (command === undefined || !allowsDevice(request.principal!, command.device)) throw notFound(id)
      return await reply.send(shown(request.query.wait === "true" ? await outcome(options, command) : command))
    },
  })
  app.route<{ Querystring: XStatic<typeof listQuery> }>({
    method: "GET",
    url: "/v1/commands",
    schema: { querystring: listQuery },
    config: { operation: list },
    preValidation: async (request) => {
      numbered(request.query, ["limit"])
      listed(request.query, ["device"])
    },
    handler: (request, reply) => {
      const { limit = defaultPage, cursor, state, device: devices } = request.query
      const after = cursor === undefined ? undefined : decodeCursor(cursor)
      const page = commands.list({ limit, after, state, devices })
      const next = page.next === undefined ? {} : { cursor: encodeCursor(page.next) }
      const seen = page.commands.filter(({ device }) => allowsDevice(request.principal!, device))
      return reply.send({ commands: seen.map(shown), ...next })
    },
  })
}

/** Its outcome, or the command as it is when the longest wait is over. */
function outcome({ commands, clock }: CommandRoutesOptions, command: Command): Promise<Command> {
  const { id } = command
  const ended = commands.ended(id)
  if (command.state !== "pending" || ended === undefined) return Promise.resolve(command)
  return new Promise((resolve, reject) => {
    const timer = clock.after(longestWaitMs, () => resolve(commands.get(id) ?? command))
    ended.then(resolve, reject).finally(() => timer.cancel())
  })
}

async function answer(reply: FastifyReply, command: Command) {
  const isOver = command.state !== "pending"
  return await reply
    .code(isOver ? 200 : 202)
    .header("location", `/v1/commands/${command.id}`)
    .send(shown(command))
}

function shown({ created, deadline, accepted, ended, ...rest }: Command) {
  return {
    ...rest,
    created: isoTime(created),
    deadline: isoTime(deadline),
    ...(accepted === undefined ? {} : { accepted: isoTime(accepted) }),
    ...(ended === undefined ? {} : { ended: isoTime(ended) }),
  }
}

export function checkDevice(principal: Principal, device: string): void {
  if (allowsDevice(principal, device)) return
  throw new FogError("forbidden", {
    message: `The token ${principal.name} may not touch the device ${JSON.stringify(device.slice(0, 120))}`,
    hint: `It is limited to ${principal.devices?.join(", ")}.`,
  })
}

function notFound(id: string): FogError {
  return new FogError("command_not_found", {
    message: `No command ${JSON.stringify(id.slice(0, 80))} is remembered`,
    hint: "Commands are remembered for a day; brume get commands lists them.",
  })
}
