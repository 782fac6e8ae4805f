/** What code does wrong, by mistake or on purpose: the caller learns why, and the next call works. */
import { describe, expect, test } from "vitest"
import { errorOf, TrialBed, type TrialRuntimes } from "./trial-bed.ts"
import type { RuntimeTrials } from "./trials.ts"

export function describeFaults(trials: RuntimeTrials, runtimes: TrialRuntimes): void {
  const open = (limits = {}): TrialBed => new TrialBed(runtimes, trials, { limits })
  /** The same process still works. */
  const expectWell = async (bed: TrialBed): Promise<void> => {
    expect(await bed.call("echo", { value: "well" })).toBe("well")
  }

  describe("errors of one call", () => {
    test("what is thrown is named, with the author's file and line", async () => {
      await using bed = open()
      const error = await bed.error("throw")
      expect(error).toMatchObject({ code: "function_failed", message: expect.stringContaining("thrown on purpose") })
      expect(error.details).toMatchObject({ name: "TypeError", stack: expect.stringMatching(trials.thrownAt) })
      expect(JSON.stringify(error.details)).not.toContain("runner.")
      expect((await bed.error("reject")).message).toContain("rejected on purpose")
      await expectWell(bed)
      expect(bed.pool.status().crashes).toBe(0)
    })

    test.each(["throwNothing", "throwStrange", "cycle", "noJson"])("%s", async (action) => {
      await using bed = open()
      expect((await bed.error(action)).code).toBe("function_failed")
      await expectWell(bed)
    })

    test("a result that nests deep is refused, wherever that is noticed", async () => {
      await using bed = open()
      expect(JSON.stringify(await bed.call("deep", { levels: 400 }))).toHaveLength(801)
      for (const levels of [600, 5_000, 100_000]) {
        const error = await bed.error("deep", { levels })
        expect(error.code).toBe("function_failed")
      }
      await expectWell(bed)
    })

    test("a result is as large as the limit allows, and no larger", async () => {
      await using bed = open({ outputBytes: 100_000 })
      expect(await bed.call("large", { bytes: 99_998 })).toHaveLength(99_998)
      for (const bytes of [99_999, 10_000_000])
        expect(await bed.error("large", { bytes })).toMatchObject({
          code: "function_failed",
          message: expect.stringContaining("the limit is 100000"),
        })
      await expectWell(bed)
    })

    test("an event that is too large or nests too deep is refused before it is sent", async () => {
      await using bed = open()
      expect((await bed.error("echo", { value: "x".repeat(17_000_000) })).code).toBe("payload_too_large")
      let value: unknown = 1
      for (let level = 0; level < 3_000; level++) value = [value]
      expect((await bed.error("echo", { value })).code).toBe("payload_too_large")
      await expectWell(bed)
    })
  })

  describe("code that cannot be loaded", () => {
    test("a syntax error is told to callers and to whoever waits, and parks the function", async () => {
      await using bed = new TrialBed(runtimes, trials, { code: trials.syntaxError })
      const ready = errorOf(bed.pool.ready())
      expect(await bed.error("any")).toMatchObject({ message: expect.stringMatching(trials.syntaxErrorSays) })
      expect((await ready).code).toBe("function_failed")
      await expect.poll(() => bed.pool.status().state, { timeout: 8_000 }).toBe("parked")
      expect(await bed.error("any")).toMatchObject({
        code: "function_parked",
        message: expect.stringMatching(trials.syntaxErrorSays),
      })
    })

    test("an error while loading, and code without a handler", async () => {
      await using thrown = new TrialBed(runtimes, trials, { code: trials.throwsAtLoad })
      expect(await thrown.error("any")).toMatchObject({ message: expect.stringContaining("not today") })
      await using bare = new TrialBed(runtimes, trials, { code: trials.noHandler })
      expect(await bare.error("any")).toMatchObject({ message: expect.stringContaining("handler") })
    })

    test("code that ends its process, and code that never ends loading", async () => {
      await using ends = new TrialBed(runtimes, trials, { code: trials.exitsAtLoad })
      expect(await ends.error("any")).toMatchObject({
        code: "function_parked",
        message: expect.stringContaining("ended its process with code 5"),
      })
      await using hangs = new TrialBed(runtimes, trials, { code: trials.hangsAtLoad, limits: { timeMs: 300 } })
      expect(await errorOf(hangs.pool.ready())).toMatchObject({
        code: "function_parked",
        message: expect.stringContaining("not loaded within 300 ms"),
      })
    })
  })

  describe("time", () => {
    test("an endless loop ends with its time, what it said before is kept, and the next call works", async () => {
      await using bed = open({ timeMs: 400 })
      await bed.pool.ready()
      expect((await bed.error("sayAndLoop")).code).toBe("function_timeout")
      await expectWell(bed)
      expect(bed.lines.map(({ message }) => message)).toContain("before the loop")
    })

    test("calls beside an endless loop are told why they ended, or are made elsewhere", async () => {
      await using bed = open({ timeMs: 400 })
      await bed.pool.ready()
      const beside = bed.call("sleep", { ms: 300 })
      const outcome = beside.then(
        (value) => value,
        (error: Error) => error.message,
      )
      const loop = bed.error("loop")
      const behind = bed.call("echo", { value: 1 }).then(
        (value) => value,
        (error: Error) => error.message,
      )
      expect((await loop).code).toBe("function_timeout")
      const why = expect.stringMatching(/ran longer than 400 ms|did not answer within/)
      expect([await outcome, await behind]).toEqual(trials.isInterleaved ? [why, why] : ["slept", 1])
    })

    test("a caller who waits less long is told so, and the process goes on", async () => {
      await using bed = open()
      const before = await bed.call("pid")
      expect((await bed.error("sleep", { ms: 400 }, 100)).code).toBe("function_timeout")
      expect(await bed.call("pid")).toBe(before)
      expect(bed.pool.status().crashes).toBe(0)
    })

    test("a call that only waits too long does not end its neighbours", async () => {
      await using bed = open({ timeMs: 500 })
      await bed.pool.ready()
      const late = bed.error("sleep", { ms: 3_000 })
      await new Promise((resolve) => setTimeout(resolve, 300))
      const neighbour = bed.call("sleep", { ms: 400 })
      expect((await late).code).toBe("function_timeout")
      expect(await neighbour).toBe("slept")
    })
  })

  describe("memory", () => {
    test.each(["heapBomb", "bufferBomb", "textBomb"])(
      "%s ends with the limit named, and the next call works",
      async (action) => {
        await using bed = open()
        const error = await bed.error(action)
        if (error.code !== "function_failed") {
          expect(error).toMatchObject({ code: "function_crashed", hint: expect.stringContaining("memoryMiB") })
          expect(error.message).toContain("memory limit of 128 MiB")
        } else expect(error.message, "a text has a longest length too").toContain("string length")
        await expectWell(bed)
      },
    )
  })

  describe("floods", () => {
    test.each(["floodOutput", "floodLog"])("%s is stopped with the reason", async (action) => {
      await using bed = open()
      expect(await bed.error(action)).toMatchObject({
        code: "function_crashed",
        message: expect.stringContaining("floods its log"),
      })
      expect(bed.lines.reduce((sum, { message }) => sum + message.length, 0)).toBeLessThan(5_000_000)
      await expectWell(bed)
    })
  })

  describe("the protocol", () => {
    test.each([
      "garbage",
      "oversized",
      "noMessage",
      "halfMessage",
      "strangeAnswer",
      "strangeKind",
      "hugeFrame",
      "askFlood",
    ])("%s is stopped as a breach", async (action) => {
      const answers: (() => void)[] = []
      await using bed = new TrialBed(runtimes, trials, {
        ask: () => new Promise((resolve) => answers.push(() => resolve(1))),
      })
      expect(await bed.error(action)).toMatchObject({
        code: "function_crashed",
        message: expect.stringContaining("breaks the protocol"),
      })
      for (const answer of answers) answer()
      await expectWell(bed)
    })
  })

  test("other functions do not notice", async () => {
    await using well = open()
    const before = await well.call("pid")
    const misdeeds = ["loop", "bufferBomb", "floodOutput", "garbage", "exit"]
    const beds = misdeeds.map(() => open({ timeMs: 2_000 }))
    const ends = misdeeds.map((action, place) => beds[place]!.error(action))
    let isOver = false
    const over = Promise.all(ends).finally(() => {
      isOver = true
    })
    for (let value = 0; !isOver; value++) {
      expect(await well.call("echo", { value })).toBe(value)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect((await over).map(({ code }) => code)).toEqual(["function_timeout", ...Array(4).fill("function_crashed")])
    expect(await well.call("pid")).toBe(before)
    await Promise.all(beds.map((bed) => bed.pool.close()))
  })

  describe("endings", () => {
    test("a process that is killed, that ends itself, or throws outside of its calls is replaced", async () => {
      await using bed = open()
      expect(await bed.error("kill")).toMatchObject({
        code: "function_crashed",
        message: expect.stringContaining("killed"),
      })
      await expectWell(bed)
      expect(await bed.error("exit")).toMatchObject({ message: expect.stringContaining("with code 3") })
      await expectWell(bed)
      expect((await bed.error("later")).code).toBe("function_crashed")
      await expectWell(bed)
      expect(bed.pool.status()).toMatchObject({ state: "ready", crashes: 3 })
    })

    test("five crashes in ten seconds park the function until it is resumed", async () => {
      await using bed = open()
      const ends = []
      for (let crash = 0; crash < 5; crash++) ends.push((await bed.error("exit")).code)
      expect(ends).toEqual(Array(5).fill("function_crashed"))
      expect(bed.pool.status()).toMatchObject({
        state: "parked",
        crashes: 5,
        lastError: expect.stringContaining("code 3"),
      })
      expect((await bed.error("echo")).code).toBe("function_parked")
      bed.pool.resume()
      await expectWell(bed)
      expect(bed.pool.status().state).toBe("ready")
    })
  })
}
