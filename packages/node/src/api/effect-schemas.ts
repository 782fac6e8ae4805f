/** JSON shapes of effects and alarms. */
import { actionTypes, alarmChanges, effectStates, severities } from "@brume/core"
import type { JsonSchema } from "./operation.ts"

const time = { type: "string", format: "date-time", description: "ISO 8601 in UTC with microseconds." } as const

export const effectExample = {
  key: "9f2c6b1d2e3a49587c61d2c0a1b2c3d49f2c6b1d2e3a49587c61d2c0a1b2c3d4",
  source: "rule/too-warm",
  type: "webhook",
  target: "chat.example",
  state: "failed",
  attempts: 4,
  created: "2025-01-01T00:00:00.000000Z",
  ended: "2025-01-01T00:00:09.120000Z",
  code: "webhook_failed",
  message: "chat.example cannot be reached: connect ECONNREFUSED 192.0.2.7:443",
}

const effect = {
  $id: "Effect",
  type: "object",
  description: "Something that a rule or function did to the world, and how it ended.",
  required: ["key", "source", "type", "target", "state", "attempts", "created"],
  properties: {
    key: { type: "string", description: "The same cause gives the same key; webhooks carry it as `Idempotency-Key`." },
    source: { type: "string", description: "Who wanted it: `rule/…`, `function/…`." },
    type: { type: "string", enum: actionTypes },
    target: { type: "string", description: "A topic, `device/command`, a function, a host, an alarm." },
    state: {
      type: "string",
      enum: effectStates,
      description: "`failed` was certainly not done; in doubt is what nobody knows of.",
    },
    attempts: { type: "integer" },
    created: time,
    ended: { ...time, description: "When its outcome was known." },
    code: { type: "string", description: "Why it failed or is in doubt." },
    message: { type: "string" },
  },
}

export const alarmExample = {
  id: "too-warm@cold/room-1",
  alarm: "too-warm",
  device: "cold/room-1",
  state: "raised",
  severity: "critical",
  message: "9.5 °C for 5 minutes",
  source: "rule/too-warm",
  raised: "2025-01-01T00:00:00.000000Z",
  count: 1,
}

const note = {
  type: "object",
  required: ["time", "by"],
  properties: {
    time,
    by: { type: "string", description: "The token's name." },
    note: { type: "string" },
  },
}

const alarm = {
  $id: "Alarm",
  type: "object",
  description: "A condition that somebody should know of until it is over.",
  required: ["id", "alarm", "state", "severity", "message", "source", "raised", "count"],
  properties: {
    id: { type: "string", description: "The alarm's name, and behind an `@` its device where it has one." },
    alarm: { type: "string" },
    device: { type: "string" },
    state: { type: "string", enum: ["raised", "cleared"] },
    severity: { type: "string", enum: severities },
    message: { type: "string" },
    source: { type: "string", description: "Who raised it last." },
    raised: { ...time, description: "When its present or last life began." },
    cleared: time,
    count: { type: "integer", description: "How often it was raised so far." },
    acknowledged: { ...note, description: "Somebody has seen to it, in its present life." },
    silenced: {
      ...note,
      description: "Nobody wants to be called for it until then.",
      required: ["time", "by", "until"],
      properties: { ...note.properties, until: time },
    },
  },
}

export const alarmEventExample = {
  number: 17,
  time: "2025-01-01T00:00:00.000000Z",
  change: "raised",
  by: "rule/too-warm",
  alarm: alarmExample,
}

const alarmEvent = {
  $id: "AlarmEvent",
  type: "object",
  description: "One thing that happened to an alarm.",
  required: ["number", "time", "change", "by", "alarm"],
  properties: {
    number: { type: "integer", description: "Grows with each event." },
    time,
    change: { type: "string", enum: alarmChanges },
    by: { type: "string", description: "`rule/…`, `function/…`, or the name of a token." },
    note: { type: "string" },
    alarm: { $ref: "Alarm#" },
  },
}

export const effectSchemas: readonly (JsonSchema & { readonly $id: string })[] = [effect, alarm, alarmEvent]
