/** Devices with their latest values, as far as the token may see them. */
import { FogError, filterProblem } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { decodeCursor, encodeCursor } from "../cursor.ts"
import type { Operation } from "../operation.ts"
import type { DevicesPort, KnownDevice } from "../ports.ts"
import { listed, numbered } from "../query-string.ts"
import { isoTime, readingExample, shownReading } from "../schemas.ts"

export interface DeviceRoutesOptions {
  readonly devices: DevicesPort
}

const defaultPage = 100

const listQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 1_000, default: defaultPage, description: "Devices in one answer." },
    cursor: { type: "string", minLength: 1, maxLength: 3_000, description: "From the answer before." },
    device: {
      type: "array",
      maxItems: 64,
      items: { type: "string", minLength: 1, maxLength: 512 },
      description: "Filter with MQTT wildcards (`+`, `#`); repeat it for several.",
    },
  },
} as const

const deviceExample = { device: "fridge-1", received: readingExample.received, series: 1, latest: [readingExample] }

const list: Operation = {
  id: "listDevices",
  tag: "readings",
  summary: "List devices with their latest values",
  description: "By name. A token that is limited to devices sees only those.",
  access: "read",
  answers: {
    200: {
      description: "A page of devices; `cursor` asks for the next one and is missing on the last.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["devices"],
            properties: { devices: { type: "array", items: { $ref: "Device#" } }, cursor: { type: "string" } },
          },
          example: { devices: [deviceExample], cursor: "ZnJpZGdlLTE" },
        },
      },
    },
  },
  problems: ["query_busy", "query_timeout", "query_memory"],
}

const get: Operation = {
  id: "getDevice",
  tag: "readings",
  summary: "Show one device",
  description: "A device whose name contains `/` is written with `%2F`.",
  access: "read",
  answers: {
    200: {
      description: "The newest reading of each of its series.",
      content: { "application/json": { schema: { $ref: "Device#" }, example: deviceExample } },
    },
  },
  problems: ["device_not_found", "query_busy", "query_timeout", "query_memory"],
}

const deviceParameter = {
  type: "object",
  required: ["device"],
  properties: { device: { type: "string", minLength: 1, maxLength: 512 } },
} as const

export function addDeviceRoutes(app: FastifyInstance, { devices }: DeviceRoutesOptions): void {
  app.route<{ Querystring: XStatic<typeof listQuery> }>({
    method: "GET",
    url: "/v1/devices",
    schema: { querystring: listQuery },
    config: { operation: list },
    preValidation: async (request) => {
      numbered(request.query, ["limit"])
      listed(request.query, ["device"])
    },
    handler: async (request, reply) => {
      const { limit = defaultPage, cursor, device: filters } = request.query
      for (const filter of filters ?? []) checkFilter(filter)
      const after = cursor === undefined ? undefined : decodeCursor(cursor)
      const page = await devices.list({ principal: request.principal!, limit, after, devices: filters })
      const next = page.next === undefined ? {} : { cursor: encodeCursor(page.next) }
      return reply.send({ devices: page.devices.map(shown), ...next })
    },
  })
  app.route<{ Params: XStatic<typeof deviceParameter> }>({
    method: "GET",
    url: "/v1/devices/:device",
    schema: { params: deviceParameter },
    config: { operation: get },
    handler: async (request, reply) => {
      return reply.send(shown(await devices.get(request.params.device, request.principal!)))
    },
  })
}

function shown({ device, received, series, latest }: KnownDevice) {
  return { device, received: isoTime(received), series, latest: latest.map(shownReading) }
}

function checkFilter(filter: string): void {
  const problem = filterProblem(filter)
  if (problem === undefined) return
  throw new FogError("request_invalid", {
    message: `The device filter ${JSON.stringify(filter)} ${problem}`,
    hint: "+ stands for one whole level, # for the rest and only at the end: cold/+/door, cold/#.",
  })
}
