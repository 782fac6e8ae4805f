/** What a Rule document says, and its JSON Schema. */
import type { JsonSchema, Severity } from "@brume/core"
import { severities } from "@brume/core"
import { durationPattern } from "./duration.ts"
import { type WindowSpec, windowSpecSchema } from "./windows/window-spec.ts"

export interface ReadingSource {
  /** A filter with MQTT's wildcards. */
  readonly device: string
  /** @default # */
  readonly property?: string
}

export interface TopicSource {
  readonly topic: string
}

export interface ScheduleSource {
  /** Five fields, or six with seconds first. */
  readonly schedule: string
  /** @default UTC */
  readonly timeZone?: string
  /** What was missed while the node was down is made up for when it is no older than this. @default 1h */
  readonly catchUp?: string
}

export interface SunSource {
  readonly sun: "sunrise" | "sunset"
  readonly latitude: number
  readonly longitude: number
  /** `-30m` is half an hour before. */
  readonly offset?: string
  /** @default 1h */
  readonly catchUp?: string
}

export interface ActionSpec {
  readonly publish?: { topic: string; payload?: unknown; qos?: 0 | 1 | 2; retain?: boolean }
  readonly command?: { device: string; name: string; input?: unknown; deadline?: string }
  readonly function?: { name: string; input?: unknown }
  readonly webhook?: { url: string; method?: WebhookMethod; headers?: Record<string, string>; body?: unknown }
  readonly alarm?: { name: string; change?: "raise" | "clear"; device?: string; severity?: Severity; message?: string }
}

type WebhookMethod = "POST" | "PUT" | "PATCH" | "DELETE" | "GET"

export interface RuleSpec {
  readonly on: Partial<ReadingSource & TopicSource & ScheduleSource & SunSource>
  readonly when?: string
  readonly for?: string
  readonly clearWhen?: string
  readonly onChange?: boolean
  readonly silence?: string
  readonly cooldown?: string
  readonly window?: WindowSpec
  readonly actions: readonly ActionSpec[]
  readonly clearActions?: readonly ActionSpec[]
  readonly enabled?: boolean
  readonly severity?: Severity
}

const duration = {
  ...{ type: "string", pattern: durationPattern, "x-form": "a duration like 90s, 5m or 1h30m" },
  description: "A duration: 90s, 5m, 1h30m, 2d",
}
const expression = { type: "string", minLength: 1, maxLength: 2_000, description: "A CEL expression" }
const text = { type: "string", minLength: 1, maxLength: 8_192 }
const object = (properties: object, required: readonly string[]): JsonSchema => ({
  type: "object",
  additionalProperties: false,
  required,
  properties,
})

const action: JsonSchema = {
  ...object(
    {
      publish: object({ topic: text, payload: {}, qos: { enum: [0, 1, 2] }, retain: { type: "boolean" } }, ["topic"]),
      command: object({ device: text, name: text, input: {}, deadline: duration }, ["device", "name"]),
      function: object({ name: text, input: {} }, ["name"]),
      webhook: object(
        {
          url: text,
          method: { enum: ["POST", "PUT", "PATCH", "DELETE", "GET"] },
          headers: { type: "object", maxProperties: 32, additionalProperties: { type: "string", maxLength: 4_096 } },
          body: {},
        },
        ["url"],
      ),
      alarm: object(
        {
          name: text,
          change: { enum: ["raise", "clear"] },
          device: text,
          severity: { enum: [...severities] },
          message: text,
        },
        ["name"],
      ),
    },
    [],
  ),
  minProperties: 1,
  maxProperties: 1,
  description: "One of publish, command, function, webhook, alarm; texts may have {{ CEL }} in them",
}

const actions: JsonSchema = { type: "array", maxItems: 16, items: action }

export const ruleSpecSchema: JsonSchema = object(
  {
    on: {
      ...object(
        {
          device: { ...text, description: "A filter of device names with + and #" },
          property: { ...text, description: "A filter of property names" },
          topic: { ...text, description: "A filter of topics: messages that need not be readings" },
          schedule: { ...text, description: "cron: minute hour day month weekday; with six fields seconds come first" },
          timeZone: { ...text, description: "An IANA time zone: Europe/Zurich" },
          sun: { enum: ["sunrise", "sunset"] },
          latitude: { type: "number", minimum: -90, maximum: 90 },
          longitude: { type: "number", minimum: -180, maximum: 180 },
          offset: {
            ...{ type: "string", pattern: durationPattern.replace("^", "^[-+]?"), "x-form": "a span like -30m" },
            description: "Before (-30m) or after (30m) sunrise or sunset",
          },
          catchUp: {
            ...duration,
            description: "What was missed while the node was down fires once, late, when it is no older than this (1h)",
          },
        },
        [],
      ),
      description: "What the rule listens to: device and property, a topic, a schedule, or the sun",
    },
    when: { ...expression, description: "Holds when something is to be done" },
    for: { ...duration, description: "How long it must hold without a break" },
    clearWhen: {
      ...expression,
      description: "Ends what `when` began; without it the end is where `when` does not hold",
    },
    onChange: { type: "boolean", description: "Only readings that differ from the one before" },
    silence: { ...duration, description: "Fires when a series has reported nothing for so long" },
    cooldown: { ...duration, description: "After it fired, a series fires no more for so long" },
    window: {
      ...windowSpecSchema,
      description: "Readings of a span of time taken together; when and templates then read what it selects",
    },
    actions: { ...actions, minItems: 1 },
    clearActions: actions,
    enabled: { type: "boolean" },
    severity: { enum: [...severities] },
  },
  ["on", "actions"],
)
