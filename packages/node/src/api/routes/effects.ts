/** Effects and what became of them. */
import { actionTypes, type EffectInfo, type EffectOutcomes, effectStates, FogError } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { decodeCursor, encodeCursor } from "../cursor.ts"
import { effectExample } from "../effect-schemas.ts"
import type { Operation } from "../operation.ts"
import { numbered } from "../query-string.ts"
import { isoTime } from "../schemas.ts"

export interface EffectRoutesOptions {
  readonly effects: EffectOutcomes
}

const defaultPage = 100

const list: Operation = {
  id: "listEffects",
  tag: "effects",
  summary: "List effects",
  description: "The newest first, as long as they are remembered.",
  access: "read",
  wholeNode: true,
  answers: {
    200: {
      description: "A page of effects, perhaps fewer than asked for; `cursor` asks for the next one.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["effects"],
            properties: { effects: { type: "array", items: { $ref: "Effect#" } }, cursor: { type: "string" } },
          },
          example: { effects: [effectExample] },
        },
      },
    },
  },
}

const get: Operation = {
  id: "getEffect",
  tag: "effects",
  summary: "Show one effect, by its key or the beginning of it",
  access: "read",
  wholeNode: true,
  answers: {
    200: {
      description: "The effect as it is.",
      content: { "application/json": { schema: { $ref: "Effect#" }, example: effectExample } },
    },
  },
  problems: ["effect_not_found"],
}

const listQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 1_000, default: defaultPage, description: "Effects in one answer." },
    cursor: { type: "string", minLength: 1, maxLength: 200, description: "From the answer before." },
    state: { type: "string", enum: effectStates, description: "Only effects in this state." },
    type: { type: "string", enum: actionTypes, description: "Only effects of this type." },
    source: { type: "string", minLength: 1, maxLength: 256, description: "Only of this rule or function: `rule/…`." },
  },
} as const

const effectKey = {
  type: "object",
  required: ["key"],
  properties: { key: { type: "string", minLength: 1, maxLength: 128 } },
} as const

export function addEffectRoutes(app: FastifyInstance, { effects }: EffectRoutesOptions): void {
  app.route<{ Querystring: XStatic<typeof listQuery> }>({
    method: "GET",
    url: "/v1/effects",
    schema: { querystring: listQuery },
    config: { operation: list },
    preValidation: async (request) => numbered(request.query, ["limit"]),
    handler: (request, reply) => {
      const { limit = defaultPage, cursor, ...filter } = request.query
      const page = effects.list({ ...filter, limit, after: cursor === undefined ? undefined : decodeCursor(cursor) })
      const next = page.next === undefined ? {} : { cursor: encodeCursor(page.next) }
      return reply.send({ effects: page.effects.map(shown), ...next })
    },
  })
  app.route<{ Params: XStatic<typeof effectKey> }>({
    method: "GET",
    url: "/v1/effects/:key",
    schema: { params: effectKey },
    config: { operation: get },
    handler: (request, reply) => {
      const { key } = request.params
      const effect = effects.get(key)
      if (effect !== undefined) return reply.send(shown(effect))
      throw new FogError("effect_not_found", {
        message: `No effect ${JSON.stringify(key.slice(0, 80))} is remembered, or several begin so`,
        hint: "Effects are remembered as long as effects.rememberedMs says; brume get effects lists them.",
      })
    },
  })
}

function shown({ created, ended, ...rest }: EffectInfo) {
  return { ...rest, created: isoTime(created), ...(ended === undefined ? {} : { ended: isoTime(ended) }) }
}
