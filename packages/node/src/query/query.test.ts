import { type Counter, FogError, isFogError, type Metrics, type QueryAnswer } from "@brume/core"
import { VirtualClock } from "@brume/testkit"
import { DuckDBInstance } from "@duckdb/node-api"
import { describe, expect, test } from "vitest"
import { collected, failure, openQueryRig, type QueryRig } from "../../../../test/rig/query.ts"

/** Statements that would run for ever. */
const endless = "SELECT sum(i) FROM range(1000000000000) r(i)"
const endlessRows = "SELECT a.seq, b.seq AS other FROM readings a, readings b, readings c, readings d"

const wide = { limits: { maxRows: 100_000_000, maxBytes: 2 ** 40 } }

/** Waits until nothing of any statement is left. */
async function idle(rig: QueryRig): Promise<void> {
  await expect.poll(() => [rig.query.running(), rig.pins()]).toEqual([[], 0])
}

async function running(rig: QueryRig, count = 1): Promise<void> {
  await expect.poll(() => rig.query.running().filter(({ state }) => state === "running").length).toBe(count)
}

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

describe("time", () => {
  test("a statement that runs too long is stopped, and the limit is named", async () => {
    await using rig = await openQueryRig()
    const error = await failure(rig.text({ sql: endless, timeoutMs: 50 }))
    expect(error).toMatchObject({ code: "query_timeout", message: expect.stringContaining("50 ms") })
    await idle(rig)
  })

  test("the limit counts while the caller reads slowly, so that nobody keeps a slot for ever", async () => {
    const clock = new VirtualClock()
    await using rig = await openQueryRig({ ...wide, clock })
    const answer = await rig.query.answer({ sql: endlessRows, format: "csv", timeoutMs: 5_000 })
    const pieces = answer.body[Symbol.asyncIterator]()
    expect((await pieces.next()).done).toBe(false)
    expect(rig.pins()).toBe(1)
    clock.advance(4_999)
    expect((await pieces.next()).done).toBe(false)
    await expect
      .poll(() => {
        clock.advance(20)
        return [rig.query.running(), rig.pins()]
      })
      .toEqual([[], 0])
    // What was encoded before the stop is still there; then comes the reason.
    const error = await failure(
      (async () => {
        while ((await pieces.next()).done !== true);
      })(),
    )
    expect(error).toMatchObject({ code: "query_timeout" })
  })

  test("a statement that waits too long for its turn was never refused by itself", async () => {
    await using rig = await openQueryRig({ limits: { maxRunning: 1 } })
    const first = failure(rig.text(endless))
    await running(rig)
    expect(await failure(rig.text({ sql: "SELECT 1", timeoutMs: 30 }))).toMatchObject({
      code: "query_busy",
      message: expect.stringContaining("30 ms"),
    })
    rig.query.cancel(rig.query.running()[0]!.id)
    await first
  })

  test("a request may lower a limit, not raise it", async () => {
    await using rig = await openQueryRig({ limits: { timeoutMs: 1_000, maxRows: 10 } })
    for (const wrong of [0, -1, 1.5, 1_001, Number.NaN]) {
      expect(await failure(rig.text({ sql: "SELECT 1", timeoutMs: wrong }))).toMatchObject({
        code: "query_invalid",
        message: expect.stringContaining("from 1 to 1000"),
      })
    }
    expect(await failure(rig.text({ sql: "SELECT 1", maxRows: 11 }))).toMatchObject({ code: "query_invalid" })
  })
})

describe("everything that runs away can be stopped", () => {
  test.each([
    endless,
    endlessRows,
    "SELECT count(*) FROM readings a, readings b, readings c WHERE a.seq * b.seq + c.seq = -1",
    "SELECT max(t) FROM generate_series(TIMESTAMP '0001-01-01', TIMESTAMP '9999-01-01', INTERVAL 1 MICROSECOND) g(t)",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
    "SELECT a.device FROM readings a, readings b, readings c ORDER BY a.value * b.value * c.value LIMIT 10",
    "SELECT count(DISTINCT a.seq * b.seq + c.seq) FROM readings a, readings b, readings c",
    "SELECT count(*) FROM readings a, readings b, readings c WHERE regexp_matches(repeat(a.device, 100) || b.seq || c.seq, '(a|aa|b|-)+$')",
    "SELECT sum(list_sum(list_transform(range(1000), lambda x: x * a.seq))) FROM readings a, readings b",
    "SELECT mode(a.value) OVER (ORDER BY a.time ROWS 100000 PRECEDING) FROM readings a, readings b",
    "EXPLAIN ANALYZE SELECT count(*) FROM readings a, readings b, readings c, readings d",
    "SUMMARIZE SELECT a.* FROM readings a, readings b, readings c",
  ])("%s", async (sql) => {
    await using rig = await openQueryRig(wide)
    const ended = failure(rig.text(sql))
    await running(rig)
    await expect.poll(rig.pins).toBe(1)
    expect(rig.query.cancel(rig.query.running()[0]!.id)).toBe(true)
    // Some of them may meet the memory limit first.
    const error = await ended
    expect(isFogError(error) && ["query_cancelled", "query_memory"].includes(error.code), String(error)).toBe(true)
    await idle(rig)
    expect((await rig.json("SELECT 1 AS one")).rows).toEqual([{ one: 1 }])
  })
})

describe("turns", () => {
  test("so many run, so many wait, and the next is told", async () => {
    await using rig = await openQueryRig({ limits: { maxRunning: 2, maxWaiting: 1 } })
    const ended = [failure(rig.text(endless)), failure(rig.text(endless)), failure(rig.text(endless))]
    await running(rig, 2)
    await expect.poll(() => rig.query.running().filter(({ state }) => state === "waiting").length).toBe(1)
    const error = await failure(rig.text("SELECT 1"))
    expect(error).toMatchObject({ code: "query_busy", message: expect.stringContaining("1 statements wait") })
    for (const { id } of rig.query.running()) rig.query.cancel(id)
    for (const end of ended) expect(await end).toMatchObject({ code: "query_cancelled" })
    await idle(rig)
  })

  test("whoever waits longest comes next", async () => {
    await using rig = await openQueryRig({ limits: { maxRunning: 1 } })
    const first = failure(rig.text(endless))
    await running(rig)
    const order: number[] = []
    const others = [1, 2, 3].map(async (number) => {
      await rig.text(`SELECT ${number}`)
      order.push(number)
    })
    await expect.poll(() => rig.query.running().length).toBe(4)
    rig.query.cancel(rig.query.running()[0]!.id)
    await Promise.all([first, ...others])
    expect(order).toEqual([1, 2, 3])
  })

  test("a statement that is refused takes no turn", async () => {
    await using rig = await openQueryRig({ limits: { maxRunning: 1, maxWaiting: 0 } })
    const first = failure(rig.text(endless))
    await running(rig)
    expect(await failure(rig.text("SELECT * FROM hidden"))).toMatchObject({ code: "query_refused" })
    expect(await failure(rig.text("SELECT 1"))).toMatchObject({ code: "query_busy" })
    rig.query.cancel(rig.query.running()[0]!.id)
    await first
  })

  test("lookups of the node have slots of their own", async () => {
    await using rig = await openQueryRig({ limits: { maxRunning: 2 } })
    const ended = Array.from({ length: 6 }, () => failure(rig.text(endless)))
    await running(rig, 2)
    expect(await rig.query.rows("SELECT count(*) AS n FROM latest")).toEqual([{ n: 20 }])
    for (const { id } of rig.query.running()) rig.query.cancel(id)
    await Promise.all(ended)
  })
})

describe("memory", () => {
  test("a statement that needs too much is told the limit, and others go on", async () => {
    await using rig = await openQueryRig({ memory: "64MB" })
    const error = await failure(rig.text("SELECT list(a.seq) FROM readings a, readings b, readings c"))
    expect(error).toMatchObject({ code: "query_memory", message: expect.stringContaining("61.0 MiB") })
    expect(error.message).not.toMatch(/SET|memory_limit/)
    expect((await rig.json("SELECT count(*) AS n FROM readings")).rows).toEqual([{ n: 2_000 }])
  })

  test("when the process holds too much, the newest statement goes first", async () => {
    const MiB = 2 ** 20
    let residentBytes = 100 * MiB
    const limits = { maxResidentBytes: 300 * MiB }
    await using rig = await openQueryRig({ residentBytes: () => residentBytes, limits })
    const older = failure(rig.text(endless))
    await running(rig, 1)
    const newer = failure(rig.text(endless))
    await running(rig, 2)
    residentBytes = 301 * MiB
    expect(await newer).toMatchObject({ code: "query_memory", message: expect.stringContaining(`${300 * MiB} is the limit`) })
    residentBytes = 299 * MiB
    await running(rig, 1)
    rig.query.cancel(rig.query.running()[0]!.id)
    expect(await older).toMatchObject({ code: "query_cancelled" })
    expect(rig.logger.messages("warn")).toHaveLength(1)
  })

  test("no statement is blamed for what the process held before it", async () => {
    const residentBytes = () => 2 ** 40
    await using rig = await openQueryRig({ residentBytes, limits: { maxResidentBytes: 1 } })
    expect(await failure(rig.text({ sql: endless, timeoutMs: 300 }))).toMatchObject({ code: "query_timeout" })
  })
})

describe("size of an answer", () => {
  test("as many rows as the limit are fine, one more is an error with a status of its own", async () => {
    await using rig = await openQueryRig({ limits: { maxRows: 50 } })
    expect((await rig.json("SELECT seq FROM readings LIMIT 50")).rowCount).toBe(50)
    const error = await failure(rig.query.answer({ sql: "SELECT seq FROM readings LIMIT 51", format: "json" }))
    expect(error).toMatchObject({
      code: "query_too_many_rows",
      message: expect.stringContaining("50 rows"),
      hint: expect.stringContaining("LIMIT"),
    })
    expect(await failure(rig.text({ sql: "SELECT seq FROM readings LIMIT 9", maxRows: 8 }))).toMatchObject({
      code: "query_too_many_rows",
      details: { maxRows: 8 },
    })
  })

  test("what goes wrong after the first piece breaks the answer off", async () => {
    await using rig = await openQueryRig({ limits: { maxRows: 200_000 } })
    const answer = await rig.query.answer({ sql: endlessRows, format: "json" })
    expect(await failure(collected(answer))).toMatchObject({ code: "query_too_many_rows" })
    await idle(rig)
  })

  test("an answer has as many bytes as the limit at most", async () => {
    await using rig = await openQueryRig({ limits: { maxBytes: 10_000 } })
    expect((await rig.json("SELECT device FROM readings LIMIT 100")).rowCount).toBe(100)
    expect(await failure(rig.text("SELECT * FROM readings"))).toMatchObject({
      code: "query_too_large",
      details: { maxBytes: 10_000 },
    })
  })

  test("a large answer comes in pieces, and no faster than it is read", async () => {
    await using rig = await openQueryRig(wide)
    const answer = await rig.query.answer({ sql: endlessRows, format: "csv" })
    const pieces = answer.body[Symbol.asyncIterator]()
    let bytes = 0
    for (let count = 0; count < 40; count++) {
      const { value } = await pieces.next()
      expect((value as Uint8Array).length).toBeLessThan(1_000_000)
      bytes += (value as Uint8Array).length
    }
    expect(bytes).toBeGreaterThan(2_000_000)
    await pieces.return!()
    await idle(rig)
  })
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

describe("cancelling", () => {
  test("stops a statement that runs, and one that waits", async () => {
    await using rig = await openQueryRig({ limits: { maxRunning: 1 } })
    const ended = [failure(rig.text(endless)), failure(rig.text("SELECT 1"))]
    await running(rig)
    await expect.poll(() => rig.query.running().length).toBe(2)
    const [runs, waits] = rig.query.running()
    expect(runs).toMatchObject({ sql: endless, state: "running", started: expect.any(Number) })
    expect(waits).toMatchObject({ sql: "SELECT 1", state: "waiting" })
    expect(rig.query.cancel(waits!.id)).toBe(true)
    expect(await ended[1]).toMatchObject({ code: "query_cancelled" })
    expect(rig.query.cancel(runs!.id)).toBe(true)
    expect(await ended[0]).toMatchObject({ code: "query_cancelled" })
    await idle(rig)
    expect(rig.query.cancel(runs!.id)).toBe(false)
  })

  test("an aborted request stops its statement, before it began too", async () => {
    await using rig = await openQueryRig()
    const abort = new AbortController()
    const ended = failure(rig.text({ sql: endless, signal: abort.signal }))
    await running(rig)
    abort.abort()
    expect(await ended).toMatchObject({ code: "query_cancelled" })
    expect(await failure(rig.text({ sql: "SELECT 1", signal: abort.signal }))).toMatchObject({
      code: "query_cancelled",
    })
    await idle(rig)
  })

  test("in the middle of an answer, the reader hears of it", async () => {
    await using rig = await openQueryRig(wide)
    const answer = await rig.query.answer({ sql: endlessRows, format: "csv" })
    const reading = failure(collected(answer))
    expect(rig.query.cancel(answer.id)).toBe(true)
    expect(await reading).toMatchObject({ code: "query_cancelled" })
    await idle(rig)
  })

  test("whoever stops reading cancels", async () => {
    await using rig = await openQueryRig(wide)
    for (const pieces of [0, 1, 30]) {
      const answer = await rig.query.answer({ sql: endlessRows, format: "json" })
      let read = 0
      for await (const _ of answer.body) if (++read >= pieces) break
      await idle(rig)
    }
  })
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
  await using rig = await openQueryRig()
  const { openQuery } = await import("./query.ts")
  const { systemClock } = await import("../ambient/system-clock.ts")
  const { nullMetrics, SeededRandom, SilentLogger } = await import("@brume/testkit")
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
  expect(rig.logger.entries).toEqual([])
})

describe("closing", () => {
  test("ends what runs and waits, refuses what comes, and can be repeated", async () => {
    const rig = await openQueryRig({ ...wide, limits: { ...wide.limits, maxRunning: 2 } })
    const ended = [failure(rig.text(endless)), failure(rig.text(endless)), failure(rig.text("SELECT 1"))]
    await running(rig, 2)
    await Promise.all([rig.query.close(), rig.query.close()])
    for (const end of ended) expect(await end).toMatchObject({ code: "store_closed" })
    expect(await failure(rig.text("SELECT 1"))).toMatchObject({ code: "store_closed" })
    expect(await failure(rig.query.rows("SELECT 1"))).toMatchObject({ code: "store_closed" })
    expect([rig.query.running(), rig.pins()]).toEqual([[], 0])
    await rig[Symbol.asyncDispose]()
  })

  test("breaks off an answer that nobody reads", async () => {
    const rig = await openQueryRig(wide)
    const answer: QueryAnswer = await rig.query.answer({ sql: endlessRows, format: "json" })
    await rig.query.close()
    expect(rig.pins()).toBe(0)
    expect(await failure(collected(answer))).toMatchObject({ code: "store_closed" })
    await rig[Symbol.asyncDispose]()
  })
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
