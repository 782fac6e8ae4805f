/** JSON Schema of what `brume.yaml` says in `spec`. */
import { functionRuntimes, type JsonSchema } from "@brume/core"
import { batchRanges, limitRanges, mostSecrets, mostTriggers, retriesRange } from "./spec.ts"

type Range = readonly [byDefault: number, least: number, most: number]

const whole = ([byDefault, minimum, maximum]: Range, description: string): JsonSchema => ({
  ...{ type: "integer", minimum, maximum, default: byDefault, description },
})
const filter = (of: string): JsonSchema => ({
  ...{ type: "string", minLength: 1, maxLength: 1_024, description: `${of}; + is one level, # the rest.` },
})

const batch: JsonSchema = {
  type: "object",
  description: "A call gets a list of events.",
  additionalProperties: false,
  properties: {
    size: whole(batchRanges.size, "Most events of one call."),
    waitMs: whole(batchRanges.waitMs, "How long the first of them waits for others. ms."),
  },
}

const trigger: JsonSchema = {
  type: "object",
  description: "One of: topic; device and property; schedule; http.",
  minProperties: 1,
  additionalProperties: false,
  properties: {
    topic: filter("Messages on these topics"),
    device: filter("Readings of these devices"),
    property: filter("Readings of these properties"),
    batch,
    schedule: { type: "string", description: "cron: minute hour day month weekday." },
    timeZone: { type: "string", default: "UTC", description: "Of the schedule: Europe/Zurich." },
    http: { type: "string", enum: ["token", "public"], description: "Who may call its fetch at /fn/<name>/." },
  },
}

export const functionSpecSchema: JsonSchema = {
  type: "object",
  required: ["runtime", "entry"],
  additionalProperties: false,
  properties: {
    runtime: { type: "string", enum: functionRuntimes },
    entry: { type: "string", minLength: 1, maxLength: 200, description: "The file with the code, below its folder." },
    triggers: { type: "array", maxItems: mostTriggers, items: trigger, description: "What calls it." },
    limits: {
      type: "object",
      additionalProperties: false,
      properties: {
        timeMs: whole(limitRanges.timeMs, "Of one call. ms."),
        memoryMiB: whole(limitRanges.memoryMiB, "Of one process, beyond its bare interpreter. MiB."),
        outputBytes: whole(limitRanges.outputBytes, "Of what a call returns, as JSON."),
        concurrency: whole(limitRanges.concurrency, "Calls of one process at a time."),
        instances: whole(limitRanges.instances, "Processes."),
      },
    },
    secrets: {
      type: "array",
      maxItems: mostSecrets,
      items: { type: "string", minLength: 1, maxLength: 63 },
      description: "Names of the secrets that it may read.",
    },
    network: { type: "boolean", default: false, description: "Whether it may open connections." },
    retries: whole(retriesRange, "How often an event that failed is tried again."),
  },
}
