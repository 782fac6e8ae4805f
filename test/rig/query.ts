/** The room of SQL on a small DuckDB of its own: sandboxed like a node's, with the two views over a few tables. */
import type { Query, QueryAnswer, QueryRequest } from "@brume/core"
import { nullMetrics, SeededRandom, SilentLogger } from "@brume/testkit"
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"
import { expect } from "vitest"
import { systemClock } from "../../packages/node/src/ambient/system-clock.ts"
import { type Checked, createCheck } from "../../packages/node/src/query/check/check.ts"
import { openQuery, type QueryOptions } from "../../packages/node/src/query/query.ts"

export interface QueryRig extends AsyncDisposable {
  readonly query: Query
  readonly logger: SilentLogger
  /** Pins that are held now. */
  readonly pins: () => number
  /** Runs a statement without the room, e.g. as a test's own view of the tables. */
  readonly raw: DuckDBConnection
  text(request: string | (Partial<QueryRequest> & { readonly sql: string })): Promise<string>
  json(request: string | (Partial<QueryRequest> & { readonly sql: string })): Promise<JsonAnswer>
  bytes(request: Partial<QueryRequest> & { readonly sql: string }): Promise<Buffer>
}

export interface JsonAnswer {
  readonly id: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly Record<string, unknown>[]
  readonly rowCount: number
}

export interface QueryRigOptions extends Partial<Omit<QueryOptions, "source">> {
  /** Rows of `readings`: ten devices, two properties, one reading a second each. */
  readonly rows?: number
  /** When they begin, in SQL. */
  readonly start?: string
  /** Statements to run before the settings are locked. */
  readonly before?: readonly string[]
  readonly memory?: string
  readonly applied?: () => Promise<void>
}

export async function openSandbox(options: QueryRigOptions = {}) {
  const { rows = 2_000, start = "TIMESTAMP '2025-01-01'", before = [], memory = "256MB" } = options
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: memory,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  })
  const raw = await instance.connect()
  for (const sql of [
    "SET GLOBAL TimeZone = 'UTC'",
    "CREATE MACRO now() AS current_localtimestamp()",
    "CREATE MACRO get_current_timestamp() AS current_localtimestamp()",
    readingsTable(rows, start),
    "CREATE TABLE hidden AS SELECT 'secret of the house' AS secret",
    "CREATE VIEW readings AS SELECT * FROM hot_1",
    `CREATE VIEW latest AS SELECT * EXCLUDE (place) FROM (
      SELECT *, row_number() OVER (PARTITION BY device, property, tags ORDER BY time DESC, seq DESC) AS place FROM readings
    ) WHERE place = 1`,
    ...before,
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
  ]) {
    await raw.run(sql)
  }
  return { instance, raw }
}

function readingsTable(rows: number, start: string): string {
  return `CREATE TABLE hot_1 AS SELECT
    ${start} + to_seconds(n // 20) + to_microseconds(n % 20) AS time,
    ${start} + to_seconds(n // 20) + to_milliseconds(20) AS received,
    'cold-room-' || (n % 10) AS device,
    CASE WHEN n % 20 < 10 THEN 'temperature' ELSE 'door' END AS property,
    CASE WHEN n % 20 < 10 THEN round(4 + 2 * sin(n / 500.0), 2) END::DOUBLE AS value,
    CASE WHEN n % 20 >= 10 AND n % 3 = 0 THEN 'open' WHEN n % 20 >= 10 THEN 'closed' END::VARCHAR AS text,
    CASE WHEN n % 20 = 19 THEN ('{"opened":' || n || '}')::JSON END AS json,
    ('{"hall":"' || (n % 2) || '"}')::JSON AS tags,
    0::UTINYINT AS quality, 'gateway-1' AS node, '5f0c6b1d2e3a4958' AS epoch, n::BIGINT AS seq
    FROM range(${rows}) steps(n)`
}

export async function openQueryRig(options: QueryRigOptions = {}): Promise<QueryRig> {
  const { instance, raw } = await openSandbox(options)
  const logger = new SilentLogger()
  let pins = 0
  const query = openQuery({
    source: {
      connect: () => instance.connect(),
      pin: async () => {
        pins++
        return { release: () => void pins-- }
      },
      applied: options.applied ?? (async () => {}),
    },
    clock: options.clock ?? systemClock(),
    random: options.random ?? new SeededRandom(1),
    logger: options.logger ?? logger,
    metrics: options.metrics ?? nullMetrics,
    ...(options.residentBytes === undefined ? {} : { residentBytes: options.residentBytes }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  })
  const bytes = async (request: Partial<QueryRequest> & { readonly sql: string }) =>
    Buffer.concat(await collected(await query.answer({ format: "json", ...request })))
  const text: QueryRig["text"] = async (request) =>
    (await bytes(typeof request === "string" ? { sql: request } : request)).toString("utf8")
  return {
    query,
    logger,
    pins: () => pins,
    raw,
    bytes,
    text,
    json: async (request) => JSON.parse(await text(request)) as JsonAnswer,
    async [Symbol.asyncDispose]() {
      await query.close()
      raw.closeSync()
      instance.closeSync()
    },
  }
}

export async function collected(answer: QueryAnswer): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = []
  for await (const piece of answer.body) pieces.push(piece)
  return pieces
}

/** Waits until nothing of any statement is left. */
export async function idle(rig: QueryRig): Promise<void> {
  await expect.poll(() => [rig.query.running(), rig.pins()], { timeout: 10_000 }).toEqual([[], 0])
}

/** Waits until so many statements run. */
export async function running(rig: QueryRig, count = 1): Promise<void> {
  const states = () => rig.query.running().filter(({ state }) => state === "running")
  await expect.poll(() => states().length, { timeout: 10_000 }).toBe(count)
}

/** The check of statements, with DuckDB's parser behind a connection. */
export async function checkOf(connection: DuckDBConnection, parsed: () => void = () => {}) {
  const prepared = await connection.prepare("SELECT json_serialize_sql($1::VARCHAR)")
  const check = createCheck()
  return (sql: string): Promise<Checked> =>
    check(sql, async (text) => {
      parsed()
      prepared.bindVarchar(1, text)
      return String((await prepared.runAndReadAll()).getRows()[0]![0])
    })
}

/** The error of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<Error & { code?: string; hint?: string }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error("It went well, but should have failed")
}
