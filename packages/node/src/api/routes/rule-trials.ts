/** Tests of rules: what a rule would have done with the readings that are stored. */
import { type Action, type Clock, type Document, FogError, type Json } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { isoTime } from "../iso-time.ts"
import { documentExample, writtenExample } from "../kept-document.ts"
import { bodyProblems, type Operation } from "../operation.ts"
import type { DocumentsPort, RuleTrial, RuleTrialsPort, TrialFiring } from "../ports.ts"

export interface RuleTrialRoutesOptions {
  readonly documents: Pick<DocumentsPort, "plan">
  readonly ruleTrials?: RuleTrialsPort
  readonly clock: Clock
}

const dayUs = 86_400_000_000
const defaultFirings = 1_000

const time = { type: "string", format: "date-time" } as const
const firingExample = {
  ...{ time: "2025-01-01T00:05:00.000000Z", change: "fired", device: "cold/room-1", property: "temperature" },
  values: { value: 8.4 },
  actions: [{ type: "alarm", change: "raise", alarm: "too-warm", device: "cold/room-1" }],
}

const answer = {
  type: "object",
  required: ["from", "to", "reached", "readings", "fired", "cleared", "firings", "strip", "notes"],
  properties: {
    from: time,
    to: time,
    reached: { ...time, description: "Up to where the test came; `to` where no limit ended it." },
    readings: { type: "integer", description: "Readings that the rule met, also those of shortly before `from`." },
    fired: { type: "integer" },
    cleared: { type: "integer" },
    firings: {
      type: "array",
      description: "In the order of time; the first ones where there are more than `limit`.",
      items: {
        type: "object",
        required: ["time", "change", "values", "actions"],
        properties: {
          time,
          change: { type: "string", enum: ["fired", "cleared"] },
          device: { type: "string" },
          property: { type: "string" },
          values: { type: "object", description: "What the reading said, or the columns of the window." },
          actions: {
            type: "array",
            description: "What would have been done, with all templates filled.",
            items: { type: "object" },
          },
        },
      },
    },
    strip: { type: "array", items: { type: "integer" }, description: "Firings in each of 60 equal parts of the time." },
    notes: { type: "array", items: { type: "string" }, description: "What limits what the answer says." },
  },
}

const operation: Operation = {
  id: "testRule",
  tag: "documents",
  summary: "Test a rule against stored readings",
  description:
    "Shows when a rule would have fired. It is not applied, and nothing is performed. The rule meets the stored readings " +
    "in their order, on a clock that follows them, by the same code that runs rules. A test takes 20 s and meets a " +
    "million readings at most; one runs at a time.",
  access: "read",
  wholeNode: true,
  answers: {
    200: {
      description: "What it would have done.",
      content: {
        "application/json": {
          schema: answer,
          example: {
            ...{ from: "2025-01-01T00:00:00.000000Z", to: "2025-01-02T00:00:00.000000Z" },
            ...{ reached: "2025-01-02T00:00:00.000000Z", readings: 86_400, fired: 1, cleared: 0 },
            ...{ firings: [firingExample], strip: [1, 0, 0], notes: [] },
          },
        },
      },
    },
  },
  problems: ["document_invalid", "query_busy", "query_timeout", ...bodyProblems],
}

const body = {
  type: "object",
  examples: [{ document: writtenExample, from: documentExample.status.created }],
  additionalProperties: false,
  required: ["document"],
  properties: {
    document: { type: "object", description: "The rule, as it would be applied." },
    from: { ...time, description: "A day before `to` without it." },
    to: { ...time, description: "Now without it." },
    by: {
      type: "string",
      enum: ["time", "received"],
      default: "time",
      description: "When a reading comes: at the device's time, or when the node received it.",
    },
    limit: { type: "integer", minimum: 1, maximum: 10_000, default: defaultFirings, description: "Firings listed." },
  },
} as const

export function addRuleTrialRoutes(app: FastifyInstance, options: RuleTrialRoutesOptions): void {
  const { documents, ruleTrials, clock } = options
  if (ruleTrials === undefined) return
  app.route<{ Body: XStatic<typeof body> }>({
    method: "POST",
    url: "/v1/rules/test",
    schema: { body },
    config: { operation },
    handler: async (request, reply) => {
      const { from, to, by = "time", limit = defaultFirings } = request.body
      const document = ruleOf(request.body.document)
      const toUs = to === undefined ? clock.now() : microseconds(to)
      const fromUs = from === undefined ? toUs - dayUs : microseconds(from)
      if (fromUs >= toUs)
        throw new FogError("request_invalid", { message: "`from` is not before `to`", hint: "Give an earlier `from`." })
      // Every mistake, as when it is applied.
      documents.plan([document])
      const { metadata, spec } = document
      return await reply.send(shown(await ruleTrials.run({ name: metadata.name, spec, fromUs, toUs, by, limit })))
    },
  })
}

function ruleOf(document: object): Document {
  if ((document as Partial<Document>).kind === "Rule") return document as Document
  throw new FogError("document_invalid", {
    message: "The document is no Rule",
    hint: "Only rules can be tested: documents with kind: Rule.",
    details: { mistakes: [{ document: 0, path: "kind", problem: "must be Rule" }] },
  })
}

function microseconds(text: string): number {
  return Date.parse(text) * 1_000
}

function shown({ fromUs, toUs, reachedUs, firings, ...counts }: RuleTrial): Readonly<Record<string, Json | unknown>> {
  const times = { from: isoTime(fromUs), to: isoTime(toUs), reached: isoTime(reachedUs) }
  return { ...times, ...counts, firings: firings.map(shownFiring) }
}

function shownFiring({ time: at, ...firing }: TrialFiring): {
  readonly time: string
  readonly actions: readonly Action[]
} {
  return { time: isoTime(at), ...firing }
}
