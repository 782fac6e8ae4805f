import { isFogError, type QueryAnswer } from "@brume/core"
import { SeededRandom } from "@brume/testkit"
import { describe, expect, test } from "vitest"
import { collected, failure, idle, openQueryRig, running } from "../../../../test/rig/query.ts"

/** Runs until it is stopped. */
const endless = "SELECT sum(i) FROM range(1000000000000) r(i)"
/** Gives rows until it is stopped. */
const endlessRows = "SELECT a.seq, b.seq AS other FROM readings a, readings b, readings c, readings d"
const wide = { limits: { maxRows: 100_000_000, maxBytes: 2 ** 40 } }

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

test("statements that end at any moment, in any way, leave nothing behind", async () => {
  const random = new SeededRandom(11)
  await using rig = await openQueryRig({
    limits: { maxRows: 3_000, maxBytes: 200_000, maxRunning: 3, maxWaiting: 1_000 },
  })
  const statements = [
    "SELECT 1",
    endless,
    endlessRows,
    "SELECT * FROM readings",
    "SELECT list(a.seq) FROM readings a, range(1100) b",
    "SELECT CASE WHEN seq = 1990 THEN 'x' ELSE '1' END::INT AS n, device FROM readings",
    "SELECT device, seq FROM readings ORDER BY value",
    "SELECT error('no') FROM readings",
    "SELECT nothing FROM readings",
  ]
  const endings = Array.from({ length: 150 }, async () => {
    const sql = random.pick(statements)
    const timeoutMs = 1 + random.below(600)
    const pieces = random.below(4)
    const format = random.pick(["json", "csv", "arrow"] as const)
    try {
      const answer = await rig.query.answer({ sql, format, timeoutMs })
      let read = 0
      for await (const _ of answer.body) if (++read > pieces) break
    } catch (error) {
      if (!isFogError(error) || error.code === "internal") throw error
    }
  })
  const cancelling = (async () => {
    while (rig.query.running().length > 0) {
      const { id } = random.pick(rig.query.running())
      if (random.chance(0.3)) rig.query.cancel(id)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  await Promise.all([...endings, cancelling])
  await idle(rig)
  expect(rig.logger.messages("error")).toEqual([])
  expect((await rig.json("SELECT 1 AS one")).rows).toEqual([{ one: 1 }])
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
