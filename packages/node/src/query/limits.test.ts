import { VirtualClock } from "@brume/testkit"
import { describe, expect, test } from "vitest"
import { collected, failure, idle, openQueryRig, running } from "../../../../test/rig/query.ts"

/** Runs until it is stopped. */
const endless = "SELECT sum(i) FROM range(1000000000000) r(i)"
/** Gives rows until it is stopped. */
const endlessRows = "SELECT a.seq, b.seq AS other FROM readings a, readings b, readings c, readings d"
const wide = { limits: { maxRows: 100_000_000, maxBytes: 2 ** 40 } }

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
    const mebibyte = 2 ** 20
    let residentBytes = 100 * mebibyte
    const limits = { maxResidentBytes: 300 * mebibyte }
    await using rig = await openQueryRig({ residentBytes: () => residentBytes, limits })
    const older = failure(rig.text(endless))
    await running(rig, 1)
    const newer = failure(rig.text(endless))
    await running(rig, 2)
    residentBytes = 301 * mebibyte
    expect(await newer).toMatchObject({
      code: "query_memory",
      message: expect.stringContaining(`${300 * mebibyte} is the limit`),
    })
    residentBytes = 299 * mebibyte
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

  test("lists, maps and texts that are too large to be shown are errors, not seconds of silence", async () => {
    await using rig = await openQueryRig()
    for (const sql of [
      "SELECT list(a.seq) FROM readings a, range(1100) b",
      "SELECT {'inside': [list(a.seq)]} FROM readings a, range(1100) b",
      "SELECT histogram(a.seq + b.range * 2000) FROM readings a, range(1100) b",
      "SELECT string_agg(a.device, ',') FROM readings a, range(1600) b",
    ]) {
      expect(await failure(rig.text(sql)), sql).toMatchObject({ code: "query_too_large" })
    }
    await idle(rig)
    expect((await rig.json("SELECT len(list(seq)) AS n FROM readings")).rows).toEqual([{ n: 2_000 }])
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
