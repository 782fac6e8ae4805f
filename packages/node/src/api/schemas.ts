/** JSON shapes that several operations share. */
import { banKinds, commandStates, errorRegistry, type Reading } from "@brume/core"
import { effectSchemas } from "./effect-schemas.ts"
import { functionSchemas } from "./function-schemas.ts"
import { isoTime } from "./iso-time.ts"
import { applied, keptDocument } from "./kept-document.ts"
import type { JsonSchema } from "./operation.ts"

export { isoTime }

/** A reading as the API shows it: core's, with times as texts. */
export interface ShownReading extends Omit<Reading, "time" | "received"> {
  readonly time: string
  readonly received: string
}

export function shownReading(reading: Reading): ShownReading {
  return { ...reading, time: isoTime(reading.time), received: isoTime(reading.received) }
}

const time = { type: "string", format: "date-time", description: "ISO 8601 in UTC with microseconds." } as const

export const readingExample = {
  time: "2025-01-01T00:00:00.000000Z",
  received: "2025-01-01T00:00:00.020000Z",
  device: "fridge-1",
  property: "temperature",
  value: 4.2,
  text: null,
  json: null,
  tags: "{}",
  quality: 0,
  node: "gateway",
  epoch: "5f0c6b1d2e3a4958",
  seq: 1024,
}

const reading = {
  $id: "Reading",
  type: "object",
  description: "One reading. Exactly one of `value`, `text` and `json` is set; a big integer has `value` and `json`.",
  required: Object.keys(readingExample),
  properties: {
    time: { ...time, description: "When the device measured." },
    received: { ...time, description: "When the node received it." },
    device: { type: "string" },
    property: { type: "string" },
    value: { type: ["number", "null"], description: "The number." },
    text: { type: ["string", "null"], description: "The text." },
    json: { type: ["string", "null"], description: "Booleans, objects, arrays and integers beyond 2^53, as raw JSON." },
    tags: { type: "string", description: "Canonical JSON object; part of the series' identity." },
    quality: {
      type: "integer",
      description: "Bit set: 1 device clock implausible, 2 node clock, 4 marked by the device.",
    },
    node: { type: "string", description: "Name of the node that received it." },
    epoch: { type: "string", description: "Life of that node's log." },
    seq: { type: "integer", description: "Its place in that log." },
  },
}

const problem = {
  $id: "Problem",
  type: "object",
  description: "An error, as in RFC 9457. `code` is its identity; texts may change.",
  required: ["type", "title", "status", "code", "detail", "retry"],
  properties: {
    type: { type: "string" },
    title: { type: "string", description: "What the code means." },
    status: { type: "integer" },
    code: { type: "string", enum: Object.keys(errorRegistry) },
    detail: { type: "string", description: "What failed, by name, and why." },
    retry: { type: "string", enum: ["never", "later", "now"], description: "Whether the same request can succeed." },
    hint: { type: "string", description: "What to do about it." },
    details: { type: "object", description: "Facts for programs, e.g. `mistakes` with the path of each." },
  },
}

const rows = {
  $id: "Rows",
  type: "object",
  required: ["id", "columns", "rows", "rowCount"],
  properties: {
    id: { type: "string" },
    columns: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "type"],
        properties: { name: { type: "string" }, type: { type: "string", description: "DuckDB's name of the type." } },
      },
    },
    rows: { type: "array", items: { type: "object" } },
    rowCount: { type: "integer" },
  },
}

const runningQuery = {
  $id: "RunningQuery",
  type: "object",
  required: ["id", "sql", "started", "state"],
  properties: {
    id: { type: "string" },
    sql: { type: "string" },
    started: time,
    state: { type: "string", enum: ["waiting", "running"] },
  },
}

const token = {
  $id: "Token",
  type: "object",
  description: "A token; never its secret.",
  required: ["id", "name", "scopes", "created"],
  properties: {
    id: { type: "string" },
    name: { type: "string" },
    scopes: { type: "array", items: { type: "string", enum: ["admin", "read", "write"] } },
    devices: { type: "array", items: { type: "string" }, description: "Device filters; all devices without it." },
    created: time,
    expires: { ...time, description: "Never without it." },
  },
}

const newToken = {
  $id: "NewToken",
  type: "object",
  description: "A token with its secret, which is shown this once.",
  required: ["token", "secret"],
  properties: { token: { $ref: "Token#" }, secret: { type: "string" } },
}

const filters = { type: "array", items: { type: "string" } } as const

const credential = {
  $id: "Credential",
  type: "object",
  description: "What a device signs in with over MQTT; never its password.",
  required: ["username", "permissions", "created", "disabled"],
  properties: {
    username: { type: "string" },
    permissions: {
      type: "object",
      description: "Filters with MQTT wildcards; `%u` stands for the username, `%c` for the client id.",
      required: ["publish", "subscribe"],
      properties: { publish: filters, subscribe: filters },
    },
    created: time,
    changed: { ...time, description: "When its password, permissions or state were last changed." },
    disabled: { type: "boolean" },
    certificate: {
      type: "object",
      description: "Signs in by a client certificate, and has no password.",
      required: ["name"],
      properties: {
        name: { type: "string", description: "The certificate's common name, else its first alternative name." },
        fingerprint: { type: "string", description: "SHA-256 in hex, where only this certificate is meant." },
      },
    },
  },
}

const newCredential = {
  $id: "NewCredential",
  type: "object",
  description: "A credential, and the password that the node made for it, which is shown this once.",
  required: ["credential"],
  properties: { credential: { $ref: "Credential#" }, password: { type: "string" } },
}

const ban = {
  $id: "Ban",
  type: "object",
  description: "What may not connect over MQTT.",
  required: ["kind", "value", "created"],
  properties: {
    kind: { type: "string", enum: banKinds },
    value: { type: "string", description: "An IP address, a client id or a username." },
    created: time,
    expires: { ...time, description: "Never ends without it." },
    reason: { type: "string" },
  },
}

const device = {
  $id: "Device",
  type: "object",
  required: ["device", "received", "series", "latest"],
  properties: {
    device: { type: "string" },
    received: { ...time, description: "When the node last received a reading of it." },
    series: { type: "integer", description: "How many series it has." },
    latest: {
      type: "array",
      items: { $ref: "Reading#" },
      description: "The newest reading of each series; of the first ones where there are very many.",
    },
  },
}

export const clientExample = {
  id: "fridge-1",
  name: "greenhouse gateway",
  connected: true,
  protocol: "5.0",
  transport: "tls",
  address: "192.0.2.7",
  since: "2025-01-01T00:00:00.000000Z",
  keepAliveS: 60,
  sessionExpiryS: 3600,
  subscriptions: [{ filter: "fridge-1/command/#", qos: 1 }],
  queuedMessages: 0,
  queuedBytes: 0,
  inflightMessages: 0,
  droppedMessages: 0,
  receivedMessages: 128,
  sentMessages: 2,
}

const whileConnected = "Missing while it is away."

const client = {
  $id: "Client",
  type: "object",
  description: "An MQTT client: its connection, and what its session holds.",
  required: [
    "id",
    "name",
    "connected",
    "since",
    "subscriptions",
    "queuedMessages",
    "queuedBytes",
    "inflightMessages",
    "droppedMessages",
    "receivedMessages",
    "sentMessages",
  ],
  properties: {
    id: { type: "string", description: "Its client identifier." },
    name: { type: "string", description: "Whose credentials it came with; its session belongs to them." },
    connected: { type: "boolean" },
    protocol: { type: "string", enum: ["3.1", "3.1.1", "5.0"], description: whileConnected },
    transport: { type: "string", enum: ["tcp", "tls", "websocket"], description: whileConnected },
    address: { type: "string", description: `From where, without a port. ${whileConnected}` },
    since: { ...time, description: "Since when it is connected, or away." },
    keepAliveS: { type: "number", description: `0 is none. ${whileConnected}` },
    sessionExpiryS: {
      type: "number",
      description: "How long its session outlives its connection; missing where it never ends by itself.",
    },
    subscriptions: {
      type: "array",
      items: {
        type: "object",
        required: ["filter", "qos"],
        properties: { filter: { type: "string" }, qos: { type: "integer", enum: [0, 1, 2] } },
      },
    },
    queuedMessages: { type: "integer", description: "Messages that wait for it." },
    queuedBytes: { type: "integer" },
    inflightMessages: { type: "integer", description: "Sent to it and not acknowledged yet." },
    droppedMessages: { type: "integer", description: "For which its session had no room." },
    receivedMessages: { type: "integer", description: "From it, over this connection." },
    sentMessages: { type: "integer", description: "To it, over this connection." },
  },
}

export const commandExample = {
  id: "5f0c6b1d2e3a49587c61d2c0a1b2c3d4",
  device: "fan-1",
  command: "start",
  input: { speed: 3 },
  source: "token/k7f3a9",
  state: "done",
  created: "2025-01-01T00:00:00.000000Z",
  deadline: "2025-01-01T00:00:10.000000Z",
  retries: 0,
  attempts: 1,
  ended: "2025-01-01T00:00:00.031000Z",
  output: { speed: 3 },
}

const command = {
  $id: "Command",
  type: "object",
  description: "A command to a device, and what became of it.",
  required: ["id", "device", "command", "input", "source", "state", "created", "deadline", "retries", "attempts"],
  properties: {
    id: { type: "string" },
    device: { type: "string" },
    command: { type: "string" },
    input: { description: "Any JSON." },
    source: { type: "string", description: "Who wanted it: `token/…`, `rule/…`, `function/…`." },
    state: {
      type: "string",
      enum: commandStates,
      description: "`failed` is certain; in doubt is what may have been carried out, without an answer in time.",
    },
    created: time,
    deadline: { ...time, description: "Until when an answer is awaited." },
    retries: { type: "integer", description: "How often it is sent again at most." },
    attempts: { type: "integer", description: "How often it was sent, or put into the device's session." },
    accepted: { ...time, description: "When the device said that it has it." },
    ended: { ...time, description: "When its outcome was known." },
    late: { type: "boolean", description: "The answer came when the command was in doubt already." },
    output: { description: "What the device answered." },
    error: {
      type: "object",
      description: "Why it failed, or is in doubt.",
      required: ["code", "message"],
      properties: { code: { type: "string" }, message: { type: "string" } },
    },
  },
}

export const twinExample = {
  device: "fan-1",
  desired: { version: 2, values: { speed: 3 }, time: "2025-01-01T00:00:00.000000Z" },
  reported: { version: 7, values: { speed: 1, firmware: "1.4" }, time: "2025-01-01T00:00:00.000000Z" },
  delta: { speed: 3 },
}

const twinHalf = {
  type: "object",
  required: ["version", "values"],
  properties: {
    version: { type: "integer", description: "Grows by one with each change; 0 where nothing was ever said." },
    values: { type: "object" },
    time: { ...time, description: "When it last changed. Missing where it never did." },
  },
}

const twin = {
  $id: "Twin",
  type: "object",
  description: "What a device should be, and what it says it is.",
  required: ["device", "desired", "reported", "delta"],
  properties: {
    device: { type: "string" },
    desired: twinHalf,
    reported: twinHalf,
    delta: { type: "object", description: "What is desired and not reported so." },
  },
}

/** All of them, by the `$id` with which operations refer to them. */
export const sharedSchemas: readonly (JsonSchema & { readonly $id: string })[] = [
  problem,
  reading,
  rows,
  runningQuery,
  token,
  newToken,
  credential,
  newCredential,
  ban,
  device,
  client,
  keptDocument,
  applied,
  command,
  twin,
  ...functionSchemas,
  ...effectSchemas,
]
