/** The client of one node: everything that its HTTP API offers, typed. Holds no connection until it is used. */
import { FogError, type QueryFormat } from "@brume/core"
import { type AlarmRoom, createAlarms } from "./alarms.ts"
import { type BanRoom, createBans } from "./bans.ts"
import { type ClientRoom, createClients } from "./clients.ts"
import { type CommandRoom, createCommands } from "./commands.ts"
import { type CredentialRoom, createCredentials } from "./credentials.ts"
import { createDevices, type Devices } from "./devices.ts"
import { createDocuments, type DocumentRoom } from "./documents.ts"
import { createEffects, type EffectRoom } from "./effects.ts"
import { createFunctions, type FunctionRoom } from "./functions.ts"
import { type LiveFilter, type LiveOptions, type LiveSubscription, openLive } from "./live/live.ts"
import { socketDriver } from "./live/socket.ts"
import type { LivePort } from "./live/stream.ts"
import {
  collectBytes,
  type Json,
  type QueryBytes,
  type QueryOptions,
  type QueryStream,
  queryBytes,
  queryRows,
  queryStream,
} from "./query.ts"
import type { ReadingInput } from "./readings.ts"
import { createRules, type RuleRoom } from "./rules.ts"
import { createQueries, type Queries } from "./running.ts"
import { createSecrets, type SecretRoom } from "./secrets.ts"
import { type NodeStatus, nodeStatus } from "./status.ts"
import { createTokens, type TokenRoom } from "./tokens.ts"
import { createTransport, type RetryPolicy, type TokenSource, type Transport } from "./transport.ts"
import { createTwins, type TwinRoom } from "./twins.ts"
import {
  type LineProtocolInput,
  type NdjsonInput,
  sendLines,
  type WriteOptions,
  type Written,
  writeLines,
  writeReadings,
} from "./write.ts"
import { createWriter, type Writer, type WriterOptions } from "./writer/writer.ts"

export interface ClientOptions {
  /** Address of a node, e.g. `http://127.0.0.1:7777`; may have a path where a proxy puts one in front. */
  readonly url: string | URL
  /** A token's secret, or a function that gets the one in force now. Sent to this node alone. */
  readonly token?: TokenSource
  /** @default the platform's */
  readonly fetch?: typeof globalThis.fetch
  /** Longest time for a request whose length the caller does not set, ms. @default 30000 */
  readonly timeoutMs?: number
  /** For requests that may be repeated. @default 4 attempts, 200 ms doubling to at most 5 s between them */
  readonly retry?: Partial<RetryPolicy>
}

export interface BrumeClient {
  /** Where the node is, ending with `/`. */
  readonly url: string
  /**
   * Stores readings; resolves when they are on the node's disk. All of them or none. For a steady stream use
   * {@link BrumeClient.writer}. Throws `readings_invalid` and `store_full`.
   *
   * @example
   * ```ts
   * await client.writeReadings([
   *   { device: "fridge-1", property: "temperature", value: 4.2, time: new Date() },
   *   { device: "fridge-1", values: { door: "open", humidity: 61 } },
   * ])
   * ```
   */
  writeReadings(
    readings: ReadingInput | readonly ReadingInput[] | NdjsonInput,
    options?: WriteOptions,
  ): Promise<Written>
  /**
   * Stores readings in InfluxDB's line protocol. Good lines are stored although others are refused, which throws
   * `readings_invalid`.
   *
   * @example
   * ```ts
   * await client.writeLines({ lineProtocol: "fridge,hall=b temperature=4.2", precision: "ms" })
   * ```
   */
  writeLines(input: LineProtocolInput, options?: WriteOptions): Promise<void>
  /**
   * Collects readings into batches and keeps what it could not send.
   *
   * @example
   * ```ts
   * await using writer = client.writer({ onError: (error) => console.warn(error.message) })
   * for await (const value of thermometer) await writer.add({ device: "fridge-1", property: "temperature", value })
   * ```
   */
  writer(options?: WriterOptions): Writer
  /**
   * Rows of one SELECT, as objects. For results that may not fit into memory use {@link BrumeClient.queryStream}.
   *
   * @example
   * ```ts
   * const rows = await client.query<{ device: string; warmest: number }>(
   *   "SELECT device, max(value) AS warmest FROM readings WHERE property = $1 GROUP BY device",
   *   { parameters: ["temperature"] },
   * )
   * ```
   */
  query<Row extends object = Record<string, Json>>(sql: string, options?: QueryOptions): Promise<Row[]>
  /**
   * Rows of one SELECT, one after the other while they arrive. Leaving the loop stops the statement.
   *
   * @example
   * ```ts
   * const result = await client.queryStream<{ time: string; value: number }>("SELECT time, value FROM readings")
   * for await (const { time, value } of result) console.log(time, value)
   * ```
   */
  queryStream<Row extends object = Record<string, Json>>(sql: string, options?: QueryOptions): Promise<QueryStream<Row>>
  /**
   * As {@link BrumeClient.queryStream}, with each row as its JSON text: numbers of any length stay exact, and what only
   * goes on elsewhere is not parsed.
   *
   * @example
   * ```ts
   * for await (const text of await client.queryJson("SELECT * FROM readings")) process.stdout.write(`${text}\n`)
   * ```
   */
  queryJson(sql: string, options?: QueryOptions): Promise<QueryStream<string>>
  /**
   * The answer's bytes as they arrive, e.g. CSV for a file.
   *
   * @example
   * ```ts
   * const { chunks } = await client.queryBytes("SELECT * FROM latest", { format: "csv" })
   * for await (const chunk of chunks) process.stdout.write(chunk)
   * ```
   */
  queryBytes(sql: string, options: QueryOptions & { readonly format: QueryFormat }): Promise<QueryBytes>
  /**
   * The answer as an Arrow IPC stream, for apache-arrow, polars or DuckDB.
   *
   * @example
   * ```ts
   * const table = tableFromIPC(await client.queryArrow("SELECT time, value FROM readings"))
   * ```
   */
  queryArrow(sql: string, options?: QueryOptions): Promise<Uint8Array>
  /** Statements that the node works on. */
  readonly queries: Queries
  /**
   * Devices with their latest values.
   *
   * @example
   * ```ts
   * for await (const { device, latest } of client.devices.list()) console.log(device, latest.length)
   * ```
   */
  readonly devices: Devices
  /**
   * What devices are told to do, and what became of it.
   *
   * @example
   * ```ts
   * const { state, output } = await client.commands.send({ device: "hall/pump", command: "start", input: { speed: 3 } })
   * ```
   */
  readonly commands: CommandRoom
  /**
   * What devices should be, and what they say they are.
   *
   * @example
   * ```ts
   * const { delta } = await client.twins.set("hall/fan", { speed: 3 })
   * ```
   */
  readonly twins: TwinRoom
  /**
   * Readings as they become durable, over connections that may break.
   *
   * @example
   * ```ts
   * const live = client.live({ devices: ["hall-b/#"] }, { onGap: ({ from, to }) => console.warn("gap", from, to) })
   * for await (const reading of live) console.log(reading.device, reading.property, reading.value)
   * ```
   */
  live(filter?: LiveFilter, options?: LiveOptions): LiveSubscription
  /**
   * Alarms that rules and functions raise and clear, and what people do about them.
   *
   * @example
   * ```ts
   * for (const { id, message } of await client.alarms.list({ state: "raised" })) console.log(id, message)
   * ```
   */
  readonly alarms: AlarmRoom
  /**
   * What rules and functions did to the world, and how it ended.
   *
   * @example
   * ```ts
   * for await (const { target, message } of client.effects.list({ state: "in-doubt" })) console.log(target, message)
   * ```
   */
  readonly effects: EffectRoom
  /**
   * Desired state that people write, such as rules and functions.
   *
   * @example
   * ```ts
   * const [{ change }] = await client.documents.apply({
   *   apiVersion: "brume.dev/v1",
   *   kind: "Rule",
   *   metadata: { name: "cold-room-too-warm" },
   *   spec: {
   *     on: { device: "cold/+", property: "temperature" },
   *     when: "value > 8",
   *     actions: [{ alarm: { name: "too-warm" } }],
   *   },
   * })
   * ```
   */
  readonly documents: DocumentRoom
  /**
   * Rules against what is stored, before they are applied.
   *
   * @example
   * ```ts
   * const { fired, firings } = await client.rules.test(rule, { from: new Date(Date.now() - 7 * 86_400_000) })
   * ```
   */
  readonly rules: RuleRoom
  /**
   * Who may do what; needs an admin's token.
   *
   * @example
   * ```ts
   * const { secret } = await client.tokens.create({ name: "dashboard", scopes: ["read"] })
   * ```
   */
  readonly tokens: TokenRoom
  /**
   * Who speaks MQTT with the node; needs an admin's token.
   *
   * @example
   * ```ts
   * for await (const { id, since } of client.clients.list({ connected: false })) console.log(id, "is away since", since)
   * ```
   */
  readonly clients: ClientRoom
  /**
   * What devices sign in with over MQTT, and what each may publish and subscribe; needs an admin's token.
   *
   * @example
   * ```ts
   * const { password } = await client.credentials.create({ username: "greenhouse-1" })
   * ```
   */
  readonly credentials: CredentialRoom
  /**
   * What may not connect over MQTT; needs an admin's token.
   *
   * @example
   * ```ts
   * await client.bans.add({ kind: "client", value: "sensor-17", reason: "sends garbage" })
   * ```
   */
  readonly bans: BanRoom
  /**
   * Functions: called, deployed, listed, and what they say.
   *
   * @example
   * ```ts
   * const { fahrenheit } = await client.functions.invoke<{ fahrenheit: number }>("convert", { celsius: 4.2 })
   * ```
   */
  readonly functions: FunctionRoom
  /**
   * Secrets that functions may read; needs an admin's token.
   *
   * @example
   * ```ts
   * await client.secrets.set("chat-token", "xoxb-…")
   * ```
   */
  readonly secrets: SecretRoom
  /** The node's name, version and store. */
  status(options?: { readonly signal?: AbortSignal }): Promise<NodeStatus>
}

/**
 * Makes a client; connects to nothing yet. Throws `request_invalid` for a URL that cannot be one.
 *
 * @example
 * ```ts
 * import { createClient } from "@brume/sdk"

 *
 * const client = createClient({ url: "http://127.0.0.1:7777", token: process.env.BRUME_TOKEN })
 * await client.writeReadings({ device: "fridge-1", property: "temperature", value: 4.2 })
 * console.log(await client.query("SELECT * FROM latest"))
 * ```
 */
export function createClient(options: ClientOptions): BrumeClient {
  const base = baseOf(options.url)
  const transport: Transport = createTransport({
    base,
    token: options.token,
    // Bound: browsers refuse a fetch that is called on another object.
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    timeoutMs: options.timeoutMs ?? 30_000,
    retry: { maxAttempts: 4, firstDelayMs: 200, maxDelayMs: 5_000, ...options.retry },
  })
  return {
    url: base.href,
    writeReadings: (readings, write) => writeReadings(transport, readings, write),
    writeLines: (input, write) => writeLines(transport, input, write),
    writer: (writer) => createWriter((part, signal) => sendLines(transport, part, signal), writer),
    query: (sql, query = {}) => queryRows(transport, sql, query),
    queryStream: (sql, query = {}) => queryStream(transport, sql, query),
    queryJson: (sql, query = {}) => queryStream(transport, sql, { ...query, parse: (text) => text }),
    queryBytes: (sql, query) => queryBytes(transport, sql, query),
    async queryArrow(sql, query = {}) {
      const { chunks } = await queryBytes(transport, sql, { ...query, format: "arrow" })
      return await collectBytes(chunks)
    },
    queries: createQueries(transport),
    devices: createDevices(transport),
    live: (filter, live) => openLive(livePort(transport, "v1/live"), filter, live),
    alarms: createAlarms(transport, livePort(transport, "v1/live/alarms")),
    effects: createEffects(transport),
    commands: createCommands(transport),
    twins: createTwins(transport),
    documents: createDocuments(transport),
    rules: createRules(transport),
    tokens: createTokens(transport),
    clients: createClients(transport),
    credentials: createCredentials(transport),
    bans: createBans(transport),
    functions: createFunctions(transport),
    secrets: createSecrets(transport),
    status: ({ signal } = {}) => nodeStatus(transport, signal),
  }
}

function baseOf(given: string | URL): URL {
  let url: URL
  try {
    url = new URL(given)
  } catch (error) {
    throw badUrl(String(given), "is not a URL", error)
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw badUrl(url.href, "is neither http: nor https:")
  if (url.username !== "" || url.password !== "") throw badUrl(url.host, "carries a user or password")
  url.search = ""
  url.hash = ""
  if (!url.pathname.endsWith("/")) url.pathname += "/"
  return url
}

function badUrl(url: string, why: string, cause?: unknown): FogError {
  return new FogError("request_invalid", {
    message: `The node's URL ${url} ${why}`,
    hint: "It looks like http://127.0.0.1:7777; the token goes beside it.",
    cause,
  })
}

function livePort(transport: Transport, path: string): LivePort {
  const url = new URL(path, transport.base)
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  return {
    url,
    token: transport.token,
    driver: socketDriver,
    async diagnose() {
      await transport.json({ method: "GET", path: "v1/status", isIdempotent: false })
    },
  }
}
