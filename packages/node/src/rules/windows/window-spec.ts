/** What a rule says of its windows, and the JSON Schema of it. */
import type { JsonSchema } from "@brume/core"
import { durationPattern } from "../duration.ts"

export interface WindowSpec {
  readonly type: "tumbling" | "sliding" | "session"
  /** How long a window is; of sessions, the longest that one may be. @default 1d, for sessions only */
  readonly size?: string
  /** Sliding: how far one window begins after the one before. */
  readonly slide?: string
  /** Session: a silence of so long ends it. */
  readonly gap?: string
  /** Readings of one window are of one of each. @default [device, property] */
  readonly by?: readonly string[]
  /** `avg(value) AS mean, count(*) AS readings` */
  readonly select: string
  /** How long after its end a window still takes readings. @default 0s */
  readonly allowedLateness?: string
  /** What becomes of readings that come later. @default drop */
  readonly late?: "drop" | "update"
}

const duration = { type: "string", pattern: durationPattern, description: "A duration: 90s, 5m, 1h30m, 2d" }

export const windowSpecSchema: JsonSchema = {
  type: "object",
  additionalProperties: false,
  required: ["type", "select"],
  properties: {
    type: { enum: ["tumbling", "sliding", "session"] },
    size: { ...duration, description: "How long a window is; of sessions, the longest that one may be (1d)" },
    slide: { ...duration, description: "Sliding windows: how far each begins after the one before" },
    gap: { ...duration, description: "Sessions: a silence of so long ends one" },
    by: {
      type: "array",
      maxItems: 2,
      uniqueItems: true,
      items: { enum: ["device", "property"] },
      description: "What the readings of one window have in common (device and property)",
    },
    select: {
      type: "string",
      minLength: 1,
      maxLength: 4_096,
      description: "SQL aggregates: avg(value) AS mean, quantile_cont(value, 0.95) AS p95, count(*) AS n",
    },
    allowedLateness: { ...duration, description: "How long after its end a window still takes readings (0s)" },
    late: { enum: ["drop", "update"], description: "Readings that come later: dropped, or the result is given again" },
  },
}
