/** The suite that every driver of functions/runtimes passes: the contract, what goes wrong, and what keeps code in. */
import { afterAll, describe, expect, test } from "vitest"
import { describeConfinement } from "./confinement.ts"
import { describeFaults } from "./faults.ts"
import { errorOf, TrialBed, type TrialRuntimes } from "./trial-bed.ts"
import type { RuntimeTrials } from "./trials.ts"

export function describeRuntime(trials: RuntimeTrials, open: () => TrialRuntimes): void {
  describe(`functions in ${trials.runtime}`, () => {
    const runtimes = open()
    afterAll(() => runtimes.close())
    describeContract(trials, runtimes)
    describeFaults(trials, runtimes)
    describeConfinement(trials, runtimes)
  })
}

function describeContract(trials: RuntimeTrials, runtimes: TrialRuntimes): void {
  test("an event goes in as JSON and the result comes out as JSON", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    for (const value of [1, 0.1, "text", "grüße, 霧, 🌫", true, null, [], { a: [1, { b: null }] }, "x".repeat(200_000)])
      expect(await bed.call("echo", { value })).toEqual(value)
  })

  test("nothing returned is null", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    expect(await bed.call("nothing")).toBe(null)
  })

  test("calls at once each get their own answer", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    const answers = await Promise.all(Array.from({ length: 500 }, (_, value) => bed.call("echo", { value })))
    expect(answers).toEqual(Array.from({ length: 500 }, (_, value) => value))
  })

  test("a call knows its name, version, key, trigger and deadline", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    const facts = await bed.call("facts", {}, 5_000)
    expect(facts).toMatchObject({ name: "trial", version: 7, key: "a-key", trigger: "direct" })
    const { left } = facts as { left: number }
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(5_000)
  })

  test("code asks the node, with arguments as JSON, and gets its answers", async () => {
    const asked: unknown[] = []
    await using bed = new TrialBed(runtimes, trials, {
      ask: async (operation, args) => {
        asked.push([operation, ...args.filter((arg) => arg !== null && arg !== undefined)])
        return operation === "state.get" ? { n: 1 } : operation === "query" ? [{ seven: 7 }] : null
      },
    })
    const answers = (await bed.call("asks")) as unknown[]
    expect(answers[2]).toEqual([{ seven: 7 }])
    expect(answers[6]).toEqual({ n: 1 })
    expect(asked).toEqual([
      ["publish", "a/b", '{"x":1}', "utf8", expect.objectContaining({ qos: 1 })],
      expect.arrayContaining(["publish", "a/c", "AQI=", "base64"]),
      ["query", "SELECT ?", [7]],
      ["command", "lamp", "on", { level: 3 }, { key: "k" }],
      expect.arrayContaining(["invoke", "other", [1]]),
      ["state.set", "k", { n: 1 }],
      ["state.get", "k"],
      ["state.compareAndSet", "k", 2],
      ["state.delete", "k"],
      ["secrets.get", "mail"],
    ])
  })

  test("what the node refuses is an error in the code, with its code and hint", async () => {
    const { FogError } = await import("@brume/core")
    await using bed = new TrialBed(runtimes, trials, {
      ask: () => Promise.reject(new FogError("forbidden", { message: "Not yours", hint: "Ask for it." })),
    })
    expect(await bed.call("refused")).toEqual(["forbidden", "Not yours", "Ask for it."])
  })

  test("a question that is larger than a frame is refused, and the process goes on", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    const pid = await bed.call("pid")
    expect(await bed.call("largeAsk")).toEqual([
      "function_refused",
      expect.stringMatching(/^ctx\.publish was given 30000\d\d bytes as JSON; at most 2097152 are taken$/),
      "Give it in parts, or keep it elsewhere and give its place.",
    ])
    expect(await bed.call("pid")).toBe(pid)
  })

  test("more questions than may be open at once wait for their turn", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    expect(await bed.call("manyAsks", { count: 3_000 })).toBe(3_000)
  })

  test("a request of the web is answered with status, headers and body", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    const answer = await bed.fetch({
      method: "POST",
      path: "/a/b",
      query: "q=1%202",
      headers: [["x-one", "1"]],
      body: Buffer.from("grüße").toString("base64"),
    })
    const { status, headers, body } = answer as { status: number; headers: [string, string][]; body: string }
    expect(status).toBe(201)
    expect(Object.fromEntries(headers)).toMatchObject({ "x-two": "2", "content-type": "application/json" })
    expect(JSON.parse(Buffer.from(body, "base64").toString())).toEqual({
      method: "POST",
      path: "/a/b",
      query: "1 2",
      header: "1",
      body: "grüße",
      trigger: "http",
    })
    expect(await bed.fetch({ path: "/bytes" })).toMatchObject({ status: 200, body: "AP+A" })
    expect((await errorOf(bed.fetch({ path: "/none" }))).code).toBe("function_failed")
  })

  test("what code says and prints is a line, bounded in length", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    await bed.call("say")
    expect(bed.lines).toContainEqual({ level: "warn", message: "said", fields: { n: 1 }, call: 1, stream: "log" })
    // What is printed comes by another way than the result.
    await expect.poll(() => bed.lines).toContainEqual({ level: "warn", message: "printed", stream: "stderr" })
    const long = bed.lines.find(({ message }) => message.startsWith("xxx"))
    expect(long?.message).toHaveLength(8_193)
  })

  test("lines beyond the rate are dropped, and that is said", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    await bed.call("lines", { count: 5_000 })
    await expect.poll(() => bed.lines.length).toBeGreaterThanOrEqual(1_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await bed.pool.close()
    expect(bed.lines.length).toBeGreaterThanOrEqual(1_000)
    expect(bed.lines.length).toBeLessThan(3_000)
    expect(bed.lines.at(-1)?.message).toMatch(/^\d+ lines were dropped/)
  })

  test("calls wait for code that is slow to load", async () => {
    await using bed = new TrialBed(runtimes, trials, { code: trials.slowStart })
    expect(await Promise.all([1, 2, 3].map((value) => bed.call("any", { value })))).toEqual([1, 2, 3])
  })

  test("a pool that drains lets its calls end and takes no others", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    await bed.pool.ready()
    const running = bed.call("sleep", { ms: 200 })
    const drained = bed.pool.drain(5_000)
    expect((await errorOf(bed.call("echo"))).code).toBe("functions_busy")
    expect(await running).toBe("slept")
    await drained
  })

  test("a pool that closes ends its calls", async () => {
    await using bed = new TrialBed(runtimes, trials, {})
    await bed.pool.ready()
    const running = errorOf(bed.call("sleep", { ms: 5_000 }))
    await bed.pool.close()
    expect(await running).toMatchObject({ code: "function_crashed", message: expect.stringContaining("replaced") })
  })

  test("more processes are started when one is not enough", async () => {
    await using bed = new TrialBed(runtimes, trials, { limits: { instances: 2, concurrency: 1 } })
    await bed.pool.ready()
    const answers = await Promise.all(Array.from({ length: 4 }, () => bed.call("sleep", { ms: 200 })))
    expect(answers).toEqual(Array(4).fill("slept"))
    expect(bed.pool.status().instances).toBe(2)
  })
}
