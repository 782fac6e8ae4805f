/**
 * The one description of the configuration: from it come the types, the defaults, the checks, the reference page and the
 * example file. A section is a room of the node. Names carry their unit where the value is a bare number.
 */
import { commands } from "./command-schema.ts"
import { alarms, effects } from "./effects-section.ts"
import {
  address,
  choice,
  computed,
  duration,
  file,
  folder,
  type Key,
  optional,
  required,
  section,
  size,
  text,
  texts,
  whole,
} from "./key.ts"
import { mappings } from "./mapping-schema.ts"
import { isSection, type Members, type ValuesOf } from "./members.ts"
import { mqtt } from "./mqtt-section.ts"

const node = section("Who this node is.", {
  name: computed(
    text({
      meaning: "Name of this node; it stands in every reading that the node receives.",
      fits: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
      form: "1 to 63 letters, digits, dots, underscores or hyphens",
    }),
    { meaning: "the machine's host name", example: "hall-b" },
  ),
})

const store = section("The durable store: log, tables and segments.", {
  path: required(
    folder({
      meaning: "The data folder. One node owns it; it is made when it is missing, readable by its owner alone.",
    }),
    { example: "/var/lib/brume" },
  ),
  minFreeBytes: size({
    meaning: "With less free space on the disk, the store counts as full.",
    default: "256MiB",
    min: 0,
    max: 2 ** 50,
  }),
  whenFull: choice({
    meaning: "What a full store does: refuse new readings (`store_full`), or drop its oldest segments to make room.",
    default: "reject",
    of: ["reject", "drop-oldest"],
  }),
  log: section("The append-only log, where a reading is durable first.", {
    fileBytes: size({
      meaning: "Length at which the log begins a new file.",
      default: "64MiB",
      min: 2 ** 20,
      max: 2 ** 30,
    }),
    maxDelayMs: duration({
      meaning:
        "How long an acknowledgement may wait for others to share its sync. More spares SD cards; 0 waits for none.",
      default: "0ms",
      min: 0,
      max: 10_000,
    }),
    maxPendingBytes: size({
      meaning: "Most bytes that may wait for the disk; beyond them requests are answered `store_busy`.",
      default: "64MiB",
      min: 2 ** 20,
      max: 2 ** 30,
    }),
  }),
  tables: section("Recent readings in memory (DuckDB).", {
    sealRows: whole({
      meaning: "Rows at which the tables are sealed into a segment. A row takes about 60 bytes of memory.",
      default: "250000",
      min: 1_000,
      max: 10_000_000,
    }),
    sealAgeMs: duration({
      meaning: "Age of the oldest row at which the tables are sealed, however few they are.",
      default: "5m",
      min: 1_000,
      max: 7 * 86_400_000,
    }),
    applyIntervalMs: duration({
      meaning: "How long an acknowledged reading may take until SQL sees it.",
      default: "100ms",
      min: 10,
      max: 60_000,
    }),
    memoryBytes: size({
      meaning: "Memory limit of DuckDB: tables, sealing, merging and all queries together.",
      default: "256MiB",
      min: 64 * 2 ** 20,
      max: 2 ** 40,
    }),
  }),
  segments: section("Sealed readings in Parquet files.", {
    mergeRows: whole({
      meaning: "Segments below this many rows are merged until they reach it.",
      default: "2000000",
      min: 10_000,
      max: 100_000_000,
    }),
    verifyBytes: size({
      meaning:
        "Bytes of segments whose hashes are checked before the first query after a start, and then every hour, so that silent damage is found. 0 checks none.",
      default: "256MiB",
      min: 0,
      max: 2 ** 50,
    }),
    retention: section("How long readings are kept, by the time they were received.", {
      maxAgeMs: optional(
        duration({
          meaning: "Segments whose readings are all older are deleted.",
          min: 60_000,
          max: 36_500 * 86_400_000,
        }),
        { meaning: "kept for ever", example: "90d" },
      ),
      maxBytes: optional(
        size({ meaning: "With more bytes of segments, the oldest are deleted.", min: 2 ** 20, max: 2 ** 50 }),
        { meaning: "no limit", example: "20GiB" },
      ),
    }),
  }),
})

const devices = section("Readings as they come in.", {
  maxReadingsPerRequest: whole({
    meaning: "Most readings in one request.",
    default: "100000",
    min: 1,
    max: 1_000_000,
  }),
  maxTextLength: whole({
    meaning: "Longest text or JSON value of one reading, in characters.",
    default: "65536",
    min: 64,
    max: 1_048_576,
  }),
  idempotencyWindowMs: duration({
    meaning: "How long an `Idempotency-Key` is remembered: a repeated request within it stores nothing twice.",
    default: "24h",
    min: 60_000,
    max: 30 * 86_400_000,
  }),
  maxIdempotencyKeys: whole({
    meaning: "Most keys remembered at once; beyond them the oldest is forgotten.",
    default: "100000",
    min: 100,
    max: 1_000_000,
  }),
  lineProtocol: section("InfluxDB line protocol.", {
    deviceTags: texts({
      meaning: "The first of these tags that a line carries names its device; without one the measurement does.",
      default: "device,device_id,host",
      fits: /^[^\s,=]{1,128}$/,
      form: "tag names",
      most: 16,
    }),
  }),
  mappings,
  commands,
})

const query = section("SQL of users.", {
  maxRunning: whole({
    meaning: "Statements that run at once. Each occupies one thread of the pool that also syncs the log.",
    default: "4",
    min: 1,
    max: 32,
  }),
  maxWaiting: whole({
    meaning: "Statements that wait for their turn; beyond them `query_busy`.",
    default: "64",
    min: 0,
    max: 10_000,
  }),
  timeoutMs: duration({
    meaning: "Longest time of one statement, waiting and reading its answer included; a request may ask for less.",
    default: "30s",
    min: 100,
    max: 86_400_000,
  }),
  maxRows: whole({
    meaning: "Most rows of one answer; a request may ask for fewer.",
    default: "100000",
    min: 1,
    max: 1_000_000_000,
  }),
  maxBytes: size({
    meaning: "Most bytes of one answer, as encoded.",
    default: "256MiB",
    min: 1_024,
    max: 2 ** 40,
  }),
  maxResidentBytes: size({
    meaning: "Resident memory of the process beyond which the newest statements are stopped.",
    default: "1GiB",
    min: 256 * 2 ** 20,
    max: 2 ** 40,
  }),
})

const api = section("HTTP and WebSocket.", {
  listen: address({
    meaning: "Where the node listens. Beyond loopback put a TLS proxy before it: HTTP shows tokens to the network.",
    default: "127.0.0.1:7777",
  }),
  allowedHosts: texts({
    meaning: "Names beside `localhost` and the address itself that a `Host` header may carry, with or without port.",
    default: "",
    fits: /^[A-Za-z0-9.:[\]-]{1,255}$/,
    form: "host names",
    most: 64,
  }),
  allowedOrigins: texts({
    meaning: "Web pages of other origins that may call the node from a browser.",
    default: "",
    fits: /^https?:\/\/[A-Za-z0-9.:[\]-]{1,255}$/,
    form: "origins such as https://site.example",
    most: 64,
  }),
  maxBodyBytes: size({
    meaning: "Largest body of a request, before and after decompression.",
    default: "16MiB",
    min: 1_024,
    max: 2 ** 30,
  }),
  maxConnections: whole({
    meaning: "Most open connections.",
    default: "1000",
    min: 1,
    max: 100_000,
  }),
  requestTimeoutMs: duration({
    meaning: "Longest time in which a request must have arrived whole.",
    default: "30s",
    min: 1_000,
    max: 3_600_000,
  }),
  live: section("Live readings over WebSocket.", {
    maxQueuedReadings: whole({
      meaning:
        "Readings that wait for a slow subscriber; beyond them only the newest of each series stays, and it is told how many were left out.",
      default: "10000",
      min: 1,
      max: 1_000_000,
    }),
  }),
})

const auth = section("Tokens, credentials of devices, and bans.", {
  maxTokens: whole({
    meaning: "Most tokens that may exist at once.",
    default: "1000",
    min: 1,
    max: 100_000,
  }),
  maxCredentials: whole({
    meaning: "Most credentials that may exist at once. One takes about 1 KiB of memory.",
    default: "100000",
    min: 1,
    max: 1_000_000,
  }),
  maxBans: whole({
    meaning: "Most bans that may be in force at once.",
    default: "10000",
    min: 1,
    max: 1_000_000,
  }),
})

const logger = section("The node's own log, on stderr.", {
  level: choice({
    meaning: "The least severe level that is written.",
    default: "info",
    of: ["debug", "info", "warn", "error"],
  }),
  format: choice({
    meaning: "`pretty` for people, `json` for programs: one object a line.",
    default: "pretty",
    of: ["pretty", "json"],
  }),
})

const functions = section("What functions are run with.", {
  python: file({
    meaning: "The Python interpreter, 3.9 or newer. Functions in Python are refused where it cannot be used.",
    default: "/usr/bin/python3",
  }),
})

export const schema = { node, store, devices, mqtt, effects, alarms, functions, query, api, auth, logger }

/** Frozen; every key has its value. */
export type Config = ValuesOf<typeof schema>

/** All keys by their path, in the order of the schema. */
export function allKeys(members: Members = schema, prefix = ""): Map<string, Key<unknown>> {
  const keys = new Map<string, Key<unknown>>()
  for (const [name, member] of Object.entries(members)) {
    if (isSection(member)) for (const [path, key] of allKeys(member.members, `${prefix}${name}.`)) keys.set(path, key)
    else keys.set(prefix + name, member)
  }
  return keys
}

/** `store.tables.sealRows` → `BRUME_STORE__TABLES__SEAL_ROWS`. */
export function envName(path: string): string {
  const words = path.split(".").map((part) => part.replace(/[A-Z]/g, "_$&").toUpperCase())
  return `BRUME_${words.join("__")}`
}
