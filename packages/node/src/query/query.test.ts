import { type Counter, FogError, type Metrics } from "@brume/core"
import { nullMetrics, SeededRandom, SilentLogger } from "@brume/testkit"
import { DuckDBInstance } from "@duckdb/node-api"
import { describe, expect, test } from "vitest"
import { collected, failure, idle, openQueryRig, type QueryRig, running } from "../../../../test/rig/query.ts"
import { systemClock } from "../ambient/system-clock.ts"
import { openQuery } from "./query.ts"

/** Runs until it is stopped. */
const endless = "SELECT sum(i) FROM range(1000000000000) r(i)"
/** Gives rows until it is stopped. */
const endlessRows = "SELECT a.seq, b.seq AS other FROM readings a, readings b, readings c, readings d"
const wide = { limits: { maxRows: 100_000_000, maxBytes: 2 ** 40 } }

test("an answer in JSON has a row per line", async () => {
  await using rig = await openQueryRig()
  const text = await rig.text("SELECT device, time, value, tags FROM readings ORDER BY seq LIMIT 2")
  expect(text.split("\n")).toEqual([
    expect.stringMatching(/^\{"id":"q-[0-9a-f]{16}","columns":\[.*\],"rows":\[$/),
    '{"device":"cold-room-0","time":"2025-01-01T00:00:00.000000Z","value":4,"tags":{"hall":"0"}},',
    '{"device":"cold-room-1","time":"2025-01-01T00:00:00.000001Z","value":4,"tags":{"hall":"1"}}',
    '],"rowCount":2}',
    "",
  ])
  await idle(rig)
})

test("a statement waits until everything durable is visible, and holds a pin from then on", async () => {
  let apply = () => {}
  const applied = new Promise<void>((resolve) => {
    apply = resolve
  })
  await using rig = await openQueryRig({ applied: () => applied })
  const answer = rig.json("SELECT 1 AS one")
  await running(rig)
  expect(rig.pins()).toBe(0)
  apply()
  expect((await answer).rows).toEqual([{ one: 1 }])
})

test("a result that fails far behind its first rows is an error, not a short answer", async () => {
  await using rig = await openQueryRig({ rows: 400_000, limits: { maxRows: 1_000_000 } })
  const sql = "SELECT CASE WHEN seq = 390000 THEN 'x' ELSE '1' END::INT AS n, device FROM readings"
  const answer = await rig.query.answer({ sql, format: "json" })
  expect(await failure(collected(answer))).toMatchObject({
    code: "query_invalid",
    message: expect.stringContaining("Could not convert string 'x' to INT32"),
  })
  await idle(rig)
})

describe("parameters", () => {
  const one = async (rig: QueryRig, sql: string, ...parameters: (string | number | boolean | null)[]) =>
    Object.values((await rig.json({ sql, parameters })).rows[0]!)[0]

  test("take their place with the type that fits", async () => {
    await using rig = await openQueryRig()
    expect(await one(rig, "SELECT count(*) FROM readings WHERE device = $1 AND value IS NOT NULL", "cold-room-3")).toBe(
      100,
    )
    expect(await one(rig, "SELECT count(*) FROM readings WHERE time < $1", "2025-01-01T00:00:10Z")).toBe(200)
    expect(await one(rig, "SELECT count(*) FROM readings WHERE value > $1", 5.99)).toBeGreaterThan(0)
    expect(await one(rig, "SELECT count(*) FROM (FROM readings LIMIT $1)", 7)).toBe(7)
    expect(await one(rig, "SELECT typeof($1)", 5)).toBe("INTEGER")
    expect(await one(rig, "SELECT typeof($1)", 5_000_000_000)).toBe("BIGINT")
    expect(await one(rig, "SELECT typeof($1)", 0.5)).toBe("DOUBLE")
    expect(await one(rig, "SELECT $1 || $2", "ü'; DROP TABLE hot_1; --", "雾")).toBe("ü'; DROP TABLE hot_1; --雾")
    expect(await one(rig, "SELECT $1 AND $2", true, false)).toBe(false)
    expect(await one(rig, "SELECT $1::INT", null)).toBeNull()
    expect(await one(rig, "SELECT $1::HUGEINT + 1", "9007199254740993")).toBe("9007199254740994")
    expect(await one(rig, "SELECT count(*) FROM readings WHERE device LIKE $1", "%-3")).toBe(200)
  })

  test("that do not fit are errors that name them", async () => {
    await using rig = await openQueryRig()
    const ask = (sql: string, ...parameters: (string | number | boolean | null)[]) =>
      failure(rig.text({ sql, parameters }))
    expect(await ask("SELECT $1")).toMatchObject({
      code: "query_invalid",
      message: expect.stringContaining("0 values"),
    })
    expect(await ask("SELECT 1", 1)).toMatchObject({
      code: "query_invalid",
      message: expect.stringContaining("0 param"),
    })
    expect(await ask("SELECT $1", Number.NaN)).toMatchObject({ message: expect.stringContaining("$1 is NaN") })
    expect(await ask("SELECT $1", "a\u0000b")).toMatchObject({ message: expect.stringContaining("U+0000") })
    expect(await ask("SELECT $1", "x".repeat(70_000))).toMatchObject({ message: expect.stringContaining("70000") })
    expect(await ask("SELECT $1::INT", "x")).toMatchObject({ code: "query_invalid" })
    expect(await ask("SELECT device LIKE $1 FROM readings", "%a%a%a%a%")).toMatchObject({ code: "query_refused" })
    await idle(rig)
  })
})

describe("lookups", () => {
  test("give plain values: times as numbers, large integers and nested values as texts", async () => {
    await using rig = await openQueryRig()
    const sql = `SELECT TIMESTAMP '2025-01-01' AS t, TIMESTAMPTZ '2025-01-01 00:00:00Z' AS tz, 5::BIGINT AS small,
      9007199254740993 AS large, 1.5::DOUBLE AS d, 'NaN'::DOUBLE AS nan, 2.50::DECIMAL(5, 2) AS dec, true AS b,
      '{"a":1}'::JSON AS j, [1, 2] AS l, NULL AS n, $1 AS p`
    expect(await rig.query.rows(sql, ["x"])).toEqual([
      {
        t: 1_735_689_600_000_000,
        tz: 1_735_689_600_000_000,
        small: 5,
        large: "9007199254740993",
        d: 1.5,
        nan: null,
        dec: "2.50",
        b: true,
        j: '{"a":1}',
        l: "[1,2]",
        n: null,
        p: "x",
      },
    ])
    await expect.poll(rig.pins).toBe(0)
  })

  test("may read what users may not, and fail with a reason", async () => {
    await using rig = await openQueryRig()
    expect(await rig.query.rows("SELECT secret FROM hidden")).toEqual([{ secret: "secret of the house" }])
    expect(await failure(rig.query.rows("SELECT nothing FROM hidden"))).toMatchObject({ code: "query_invalid" })
    expect(await failure(rig.query.rows("SELECT 1 FROM range(200000)"))).toMatchObject({ code: "internal" })
  })
})

describe("errors", () => {
  test("are DuckDB's words without its internals, with the place", async () => {
    await using rig = await openQueryRig()
    const error = await failure(rig.text("SELECT time,\n  valu FROM readings"))
    expect(error).toMatchObject({
      code: "query_invalid",
      message: expect.stringMatching(
        /^The statement cannot be run: Referenced column "valu" not found.*\(line 2, column 3\)$/,
      ),
      details: { line: 2, column: 3 },
    })
    for (const sql of [
      "SELECT sum(device) FROM readings",
      "SELECT device + 1 FROM readings",
      "SELECT device::INT FROM readings",
      "SELECT * FROM readings r JOIN latest l ON r.foo = l.foo",
      "SELECT value FROM readings GROUP BY device",
      "SELECT error('my own')",
      "SELECT (SELECT seq FROM readings)",
      `SELECT 1${" + 1".repeat(1_200)}`,
    ]) {
      const { code, message } = await failure(rig.text(sql))
      expect([sql, code]).toEqual([sql, "query_invalid"])
      expect(message).not.toMatch(/LINE \d|\n|hot_1|hidden|\bSET\b|Error:/)
    }
    expect(rig.logger.entries).toEqual([])
  })

  test("leave the connection as good as new", async () => {
    await using rig = await openQueryRig({ limits: { maxRunning: 1 } })
    for (let round = 0; round < 20; round++) {
      await failure(rig.text("SELECT error('no')"))
      await failure(rig.text({ sql: endless, timeoutMs: 5 }))
      expect((await rig.json(`SELECT ${round} AS n`)).rows).toEqual([{ n: round }])
    }
    expect(rig.logger.messages("error")).toEqual([])
  })

  test("of the store reach the caller and leave nothing behind", async () => {
    const fault = new FogError("store_closed", { message: "The log failed" })
    await using rig = await openQueryRig({ applied: () => Promise.reject(fault) })
    expect(await failure(rig.text("SELECT 1"))).toBe(fault)
    expect(await failure(rig.query.rows("SELECT 1"))).toBe(fault)
    await idle(rig)
  })
})

test("without its sandbox, DuckDB runs nothing", async () => {
  const instance = await DuckDBInstance.create(":memory:")
  const logger = new SilentLogger()
  const query = openQuery({
    source: { connect: () => instance.connect(), pin: async () => ({ release() {} }), applied: async () => {} },
    clock: systemClock(),
    random: new SeededRandom(1),
    metrics: nullMetrics,
    logger,
  })
  const error = await failure(query.answer({ sql: "SELECT 1", format: "json" }))
  expect(error).toMatchObject({ code: "internal", message: expect.stringContaining("enable_external_access") })
  expect(logger.messages("error")).toHaveLength(1)
  await query.close()
  instance.closeSync()
})

test("what happens is counted by how it ended", async () => {
  const totals = new Map<string, number>()
  const counter = (name: string): Counter => ({
    add: (value, labels = {}) => {
      const key = [name, ...Object.values(labels)].join(" ")
      totals.set(key, (totals.get(key) ?? 0) + value)
    },
  })
  const gauges = new Map<string, () => number>()
  const metrics: Metrics = {
    counter,
    gauge: (name, _help, read) => void gauges.set(name, read),
    gauges: () => {},
    histogram: (name) => ({ observe: (value) => counter(name).add(value >= 0 ? 1 : Number.NaN) }),
  }
  await using rig = await openQueryRig({ ...wide, metrics, limits: { ...wide.limits, maxRunning: 1 } })
  await rig.text("SELECT seq FROM readings LIMIT 7")
  await failure(rig.text("SELECT * FROM hidden"))
  await failure(rig.text("SELECT FROM"))
  await failure(rig.text({ sql: endless, timeoutMs: 20 }))
  for await (const _ of (await rig.query.answer({ sql: endlessRows, format: "csv" })).body) break
  await idle(rig)
  expect(Object.fromEntries(totals)).toEqual({
    brume_query_rows_total: 7,
    "brume_query_statements_total ok": 1,
    "brume_query_statements_total refused": 1,
    "brume_query_statements_total invalid": 1,
    "brume_query_statements_total timeout": 1,
    "brume_query_statements_total cancelled": 1,
    brume_query_duration_seconds: 5,
  })
  const first = failure(rig.text(endless))
  const second = failure(rig.text("SELECT 1"))
  await running(rig)
  await expect.poll(() => gauges.get("brume_query_waiting")!()).toBe(1)
  expect(gauges.get("brume_query_running")!()).toBe(1)
  for (const { id } of rig.query.running()) rig.query.cancel(id)
  await Promise.all([first, second])
})
