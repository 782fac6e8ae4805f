/** Alarms: shown, their history, and what people do to them, as far as the token may see their devices. */
import { type AlarmEvent, type AlarmInfo, type Alarms, allowsDevice, FogError, type Principal } from "@brume/core"
import type { FastifyInstance, FastifyRequest } from "fastify"
import type { XStatic } from "typebox/schema"
import { alarmEventExample, alarmExample } from "../effect-schemas.ts"
import { expirySchema, parsedExpiry } from "../expiry.ts"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import { numbered } from "../query-string.ts"
import { isoTime } from "../schemas.ts"

export interface AlarmRoutesOptions {
  readonly alarms: Alarms
}

const defaultPage = 100
/** Events that are looked at for one page of what a limited token may see. */
const maxExamined = 2_000

const content = { "application/json": { schema: { $ref: "Alarm#" }, example: alarmExample } }
const slashed = "An alarm of a device whose name contains `/` is written with `%2F`."
const limited = "A token that is limited to devices sees and changes alarms of those devices alone."

const list: Operation = {
  id: "listAlarms",
  tag: "alarms",
  summary: "List alarms",
  description: `Those that are raised first, the newest of them first. ${limited}`,
  access: "read",
  answers: {
    200: {
      description: "All that are known.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["alarms"],
            properties: { alarms: { type: "array", items: { $ref: "Alarm#" } } },
          },
          example: { alarms: [alarmExample] },
        },
      },
    },
  },
}

const get: Operation = {
  id: "getAlarm",
  tag: "alarms",
  summary: "Show one alarm",
  description: slashed,
  access: "read",
  answers: { 200: { description: "The alarm as it is.", content } },
  problems: ["alarm_not_found"],
}

const events = {
  200: {
    description: "A page of events, the newest first; `cursor` asks for those before.",
    content: {
      "application/json": {
        schema: {
          type: "object",
          required: ["events"],
          properties: { events: { type: "array", items: { $ref: "AlarmEvent#" } }, cursor: { type: "string" } },
        },
        example: { events: [alarmEventExample], cursor: "17" },
      },
    },
  },
}

const history: Operation = {
  id: "listAlarmEvents",
  tag: "alarms",
  summary: "Show what happened to alarms",
  description: limited,
  access: "read",
  answers: events,
}

const ownHistory: Operation = {
  id: "listEventsOfAlarm",
  tag: "alarms",
  summary: "Show what happened to one alarm",
  description: slashed,
  access: "read",
  answers: events,
  problems: ["alarm_not_found"],
}

const change = {
  tag: "alarms",
  access: "write",
  problems: ["alarm_not_found", "alarm_invalid", ...bodyProblems, ...storeProblems],
  answers: { 200: { description: "The alarm as it is now, durably.", content } },
} as const

const acknowledge: Operation = {
  ...change,
  id: "acknowledgeAlarm",
  summary: "Say that somebody sees to an alarm",
  description: `For its present life: when it is raised anew, it is unacknowledged. ${slashed}`,
}

const silence: Operation = {
  ...change,
  id: "silenceAlarm",
  summary: "Silence an alarm until a time, or end its silence",
  description: `A silence stays over clearing and raising. A time that has passed ends it. ${slashed}`,
}

const clear: Operation = {
  ...change,
  id: "clearAlarm",
  summary: "Clear an alarm",
  description: `What raised it may raise it again. ${slashed}`,
}

const listQuery = {
  type: "object",
  additionalProperties: false,
  properties: { state: { type: "string", enum: ["raised", "cleared"], description: "Only alarms in this state." } },
} as const

const alarmId = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", minLength: 1, maxLength: 700 } },
} as const

const historyQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 1_000, default: defaultPage, description: "Events in one answer." },
    cursor: { type: "string", pattern: "^[0-9]{1,15}$", description: "From the answer before." },
  },
} as const

const note = { type: "string", maxLength: 1_000, description: "For those who look at it." } as const
const noteBody = {
  type: "object",
  examples: [{ note: "on my way" }],
  additionalProperties: false,
  properties: { note },
} as const

const silenceBody = {
  type: "object",
  examples: [{ until: "2030-01-01T12:00:00Z", note: "the door is being repaired" }],
  additionalProperties: false,
  required: ["until"],
  properties: {
    until: { ...expirySchema, description: "ISO 8601 with a time zone, at most 366 days away." },
    note,
  },
} as const

type Id = XStatic<typeof alarmId>
type HistoryQuery = XStatic<typeof historyQuery>

export function addAlarmRoutes(app: FastifyInstance, { alarms }: AlarmRoutesOptions): void {
  app.route<{ Querystring: XStatic<typeof listQuery> }>({
    method: "GET",
    url: "/v1/alarms",
    schema: { querystring: listQuery },
    config: { operation: list },
    handler: (request, reply) => {
      const { state } = request.query
      const seen = alarms.list().filter((alarm) => maySee(request.principal!, alarm))
      return reply.send({
        alarms: seen.filter((alarm) => state === undefined || alarm.state === state).map(shownAlarm),
      })
    },
  })
  app.route<{ Params: Id }>({
    method: "GET",
    url: "/v1/alarms/:id",
    schema: { params: alarmId },
    config: { operation: get },
    handler: (request, reply) => reply.send(shownAlarm(known(alarms, request))),
  })
  app.route<{ Querystring: HistoryQuery }>({
    method: "GET",
    url: "/v1/alarm-events",
    schema: { querystring: historyQuery },
    config: { operation: history },
    preValidation: async (request) => numbered(request.query, ["limit"]),
    handler: (request, reply) => reply.send(page(alarms, request.principal!, request.query)),
  })
  app.route<{ Params: Id; Querystring: HistoryQuery }>({
    method: "GET",
    url: "/v1/alarms/:id/history",
    schema: { params: alarmId, querystring: historyQuery },
    config: { operation: ownHistory },
    preValidation: async (request) => numbered(request.query, ["limit"]),
    handler: (request, reply) => {
      const { id } = known(alarms, request)
      return reply.send(page(alarms, request.principal!, request.query, id))
    },
  })
  app.route<{ Params: Id; Body: XStatic<typeof noteBody> }>({
    method: "POST",
    url: "/v1/alarms/:id/acknowledge",
    schema: { params: alarmId, body: noteBody },
    config: { operation: acknowledge },
    handler: async (request, reply) => {
      const { id } = known(alarms, request)
      return await reply.send(shownAlarm(await alarms.acknowledge(id, request.principal!.name, request.body.note)))
    },
  })
  app.route<{ Params: Id; Body: XStatic<typeof silenceBody> }>({
    method: "POST",
    url: "/v1/alarms/:id/silence",
    schema: { params: alarmId, body: silenceBody },
    config: { operation: silence },
    handler: async (request, reply) => {
      const { id } = known(alarms, request)
      const until = parsedExpiry(request.body.until, "alarm_invalid", "until")
      return await reply.send(shownAlarm(await alarms.silence(id, until, request.principal!.name, request.body.note)))
    },
  })
  app.route<{ Params: Id; Body: XStatic<typeof noteBody> }>({
    method: "POST",
    url: "/v1/alarms/:id/clear",
    schema: { params: alarmId, body: noteBody },
    config: { operation: clear },
    handler: async (request, reply) => {
      const { id } = known(alarms, request)
      return await reply.send(shownAlarm(await alarms.clear(id, request.principal!.name, request.body.note)))
    },
  })
}

/** A token that is limited to devices has nothing to do with alarms of the whole. */
export function maySee(principal: Principal, { device }: AlarmInfo): boolean {
  return device === undefined ? principal.devices === undefined : allowsDevice(principal, device)
}

function known(alarms: Alarms, { params, principal }: FastifyRequest<{ Params: Id }>): AlarmInfo {
  const { id } = params
  const alarm = alarms.get(id)
  if (alarm !== undefined && maySee(principal!, alarm)) return alarm
  throw new FogError("alarm_not_found", {
    message: `There is no alarm ${JSON.stringify(id.slice(0, 160))}`,
    hint: "brume get alarms lists them; a rule makes one when it raises it.",
  })
}

function page(alarms: Alarms, principal: Principal, { limit = defaultPage, cursor }: HistoryQuery, id?: string) {
  const before = cursor === undefined ? {} : { before: Number(cursor) }
  const isLimited = principal.devices !== undefined
  const found = alarms.history({
    ...(id === undefined ? {} : { id }),
    ...before,
    limit: isLimited ? maxExamined : limit,
  })
  const events = isLimited ? found.filter(({ alarm }) => maySee(principal, alarm)).slice(0, limit) : found
  const wasAll = events.length < limit && found.length < (isLimited ? maxExamined : limit)
  const last = events.length === limit ? events.at(-1) : found.at(-1)
  return { events: events.map(shownEvent), ...(wasAll || last === undefined ? {} : { cursor: String(last.number) }) }
}

export function shownAlarm({ raised, cleared, acknowledged, silenced, ...rest }: AlarmInfo) {
  return {
    ...rest,
    raised: isoTime(raised),
    ...(cleared === undefined ? {} : { cleared: isoTime(cleared) }),
    ...(acknowledged === undefined ? {} : { acknowledged: { ...acknowledged, time: isoTime(acknowledged.time) } }),
    ...(silenced === undefined
      ? {}
      : { silenced: { ...silenced, time: isoTime(silenced.time), until: isoTime(silenced.until) } }),
  }
}

export function shownEvent({ time, alarm, ...rest }: AlarmEvent) {
  return { ...rest, time: isoTime(time), alarm: shownAlarm(alarm) }
}
