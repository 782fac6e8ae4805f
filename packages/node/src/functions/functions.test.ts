/** The room of functions over a store in memory, with code that a test hands in. */
import { FogError, type FunctionInfo, ReadingBatch, Series } from "@brume/core"
import { MemoryDisk, nullMetrics, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { type FakeCode, fakeRuntimes } from "../../../../test/rig/fake-runtimes.ts"
import { documentOf } from "../../../../test/rig/functions.ts"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { type OpenedFunctions, openFunctions } from "./functions.ts"
import type { NodeMessage } from "./services/ports.ts"

/** What survives a restart, and the world around. */
class Machine {
  readonly store = new MemoryStore()
  readonly disk = new MemoryDisk()
  readonly clock = new VirtualClock()
  readonly random = new SeededRandom(1)
  readonly logger = new SilentLogger()
  readonly runtimes = fakeRuntimes()
  readonly published: (NodeMessage & { readonly text: string })[] = []
  readonly commands: unknown[] = []
  /** What the next messages meet. */
  publishing: Error | undefined

  async start(): Promise<OpenedFunctions> {
    const { store, disk, clock, random, logger, runtimes } = this
    const everySecond = { next: (afterUs: number) => (Math.floor(afterUs / 1e6) + 1) * 1e6 }
    const functions = await openFunctions({
      ...{ store, disk, clock, random, logger, runtimes, metrics: nullMetrics },
      timetables: { parse: (text) => (text === "* * * * * *" ? everySecond : "has one field") },
    })
    functions.begin({
      publish: async (message, records) => {
        if (this.publishing !== undefined) throw this.publishing
        store.put(records)
        this.published.push({ ...message, text: Buffer.from(message.payload).toString() })
      },
      query: async () => ({ id: "q", contentType: "application/json", body: rows() }),
      command: async (request) => {
        this.commands.push(request)
        const made = { attempts: 1, created: 0, deadline: 0, retries: 0, state: "done" } as const
        return {
          id: "c-1",
          device: request.device,
          command: request.command,
          input: null,
          source: request.source,
          ...made,
        }
      },
    })
    await settled()
    return functions
  }

  /** Deploys what the test wrote. */
  async deploy(functions: OpenedFunctions, name: string, code: FakeCode, spec: object = {}): Promise<void> {
    const text = `${name} ${this.runtimes.code.size}`
    this.runtimes.code.set(text, code)
    await functions.deploy(name, { document: documentOf(name, { spec }), files: { "bundle.cjs": text } })
  }

  /** A message of a client; resolves when its commit is durable. */
  async send(functions: OpenedFunctions, topic: string, payload: string, qos: 0 | 1 | 2 = 1): Promise<void> {
    const taken = functions.topics.on(topic)?.({ topic, payload: Buffer.from(payload), qos, retain: false })
    if (taken === undefined) return
    this.store.put(taken.records)
    taken.end(undefined)
    await settled()
  }

  deliveries(): string[] {
    return [...this.store.entries("effect")].map(([key]) => key)
  }
}

async function* rows(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('{"rows":[{"a":1}]}')
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
const counts = ({ waiting, deadLetters, dropped }: FunctionInfo) => ({ waiting, deadLetters, dropped })

test("an event of QoS 1 is in the log until the function has taken it; one of QoS 0 never is", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  let finish: () => void = () => {}
  const seen: unknown[] = []
  const code: FakeCode = async ({ event, key }) => {
    seen.push([event, key])
    await new Promise<void>((resolve) => {
      finish = resolve
    })
  }
  await machine.deploy(functions, "take", code, { triggers: [{ topic: "in/#" }] })
  await machine.send(functions, "in/a", '{"n":1}')
  expect(machine.deliveries()).toHaveLength(1)
  expect(seen).toEqual([
    [{ type: "message", topic: "in/a", payload: { n: 1 }, time: expect.any(String) }, expect.stringMatching(/^take\//)],
  ])
  finish()
  await settled()
  expect(machine.deliveries()).toEqual([])
  await machine.send(functions, "in/b", "text", 0)
  expect(machine.deliveries()).toEqual([])
  expect(seen).toHaveLength(2)
})

test("what a killed node had not finished comes again with the same key, and publishes nothing twice", async () => {
  const machine = new Machine()
  const keys: string[] = []
  let hangs = true
  const code: FakeCode = async ({ key, ask }) => {
    keys.push(key)
    await ask("publish", "out", "same", "utf8", { qos: 1 })
    if (hangs) await new Promise(() => {})
  }
  const first = await machine.start()
  await machine.deploy(first, "work", code, { triggers: [{ topic: "in" }] })
  await machine.send(first, "in", "1")
  expect(machine.published.map(({ text }) => text)).toEqual(["same"])
  hangs = false
  const second = await machine.start()
  await settled()
  expect(keys).toHaveLength(2)
  expect(keys[0]).toBe(keys[1])
  expect(machine.published).toHaveLength(1)
  expect(machine.deliveries()).toEqual([])
  expect(counts(second.describe("work"))).toEqual({ waiting: 0, deadLetters: 0, dropped: 0 })
})

test("retries pause and grow; then a dead letter tells the reason, in the commit that ends the delivery", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  let attempts = 0
  const code: FakeCode = () => {
    attempts++
    throw new FogError("function_failed", { message: "no" })
  }
  await machine.deploy(functions, "fail", code, { triggers: [{ topic: "in" }], retries: 3 })
  await machine.send(functions, "in", "x")
  for (const [pauseMs, expected] of [
    [199, 1],
    [1, 2],
    [399, 2],
    [1, 3],
    [800, 4],
  ] as const) {
    machine.clock.advance(pauseMs)
    await settled()
    expect(attempts).toBe(expected)
  }
  expect(machine.published.map(({ topic }) => topic)).toEqual(["brume/dead-letter/fail"])
  expect(JSON.parse(machine.published[0]!.text)).toMatchObject({ attempts: 4, error: { code: "function_failed" } })
  expect(machine.deliveries()).toEqual([])
  expect(counts(functions.describe("fail"))).toEqual({ waiting: 0, deadLetters: 1, dropped: 0 })
})

test("while the function rests events wait, which is no attempt", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  let calls = 0
  await machine.deploy(functions, "rest", () => void calls++, { triggers: [{ topic: "in" }], retries: 0 })
  machine.runtimes.state = "parked"
  await machine.send(functions, "in", "x")
  for (let second = 0; second < 5; second++) machine.clock.advance(1_000)
  await settled()
  expect(counts(functions.describe("rest"))).toEqual({ waiting: 1, deadLetters: 0, dropped: 0 })
  machine.runtimes.state = "ready"
  machine.clock.advance(1_000)
  await settled()
  expect(calls).toBe(1)
})

test("a batch is called when it is full, or when its first event has waited long enough", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  const sizes: number[] = []
  const code: FakeCode = ({ event }) => void sizes.push((event as unknown[]).length)
  const triggers = [{ topic: "in", batch: { size: 3, waitMs: 500 } }]
  await machine.deploy(functions, "batch", code, { triggers })
  for (let n = 0; n < 4; n++) await machine.send(functions, "in", `${n}`)
  expect(sizes).toEqual([3])
  machine.clock.advance(500)
  await settled()
  expect(sizes).toEqual([3, 1])
  expect(machine.deliveries()).toEqual([])
})

test("a batch of large events is called before it is more than a process takes", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  const sizes: number[] = []
  const code: FakeCode = ({ event }) => void sizes.push((event as unknown[]).length)
  await machine.deploy(functions, "batch", code, { triggers: [{ topic: "in", batch: { size: 100, waitMs: 500 } }] })
  for (let n = 0; n < 5; n++) await machine.send(functions, "in", "x".repeat(1_500_000))
  machine.clock.advance(500)
  await settled()
  expect(sizes).toEqual([2, 2, 1])
})

test("readings of one commit are few deliveries where batches are wanted; a refused commit leaves nothing", async () => {
  const machine = new Machine()
  const first = await machine.start()
  const sizes: number[] = []
  const code: FakeCode = ({ event }) => void sizes.push((event as unknown[]).length)
  const triggers = [{ device: "#", property: "t", batch: { size: 4, waitMs: 500 } }]
  await machine.deploy(first, "batch", code, { triggers })
  const commit = (functions: OpenedFunctions, count: number, isRefused = false): void => {
    const batch = new ReadingBatch()
    const series = ["a", "b"].map((device) => new Series(device, "t"))
    for (let n = 0; n < count; n++) batch.addNumber(series[n % 2]!, 1e15 + n, n)
    const planned = functions.readings.evaluate(batch, machine.store.nextSeq)!
    if (isRefused) planned.refused()
    else {
      machine.store.put(planned.records)
      planned.durable()
    }
  }
  commit(first, 6)
  expect(machine.deliveries()).toHaveLength(2)
  commit(first, 5, true)
  await settled()
  expect([sizes, first.describe("batch").waiting]).toEqual([[4], 2])
  // It ends now: what had not been called is called after the start, in one call with what comes then.
  sizes.length = 0
  await first.close()
  const second = await machine.start()
  commit(second, 1)
  machine.clock.advance(500)
  await settled()
  expect([sizes, machine.deliveries(), second.describe("batch").waiting]).toEqual([[3], [], 0])
})

test("events beyond the limit find no room, which is told once and counted", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  const large = "x".repeat(1_000_000)
  await machine.deploy(functions, "slow", () => new Promise(() => {}), { triggers: [{ topic: "in" }] })
  for (let n = 0; n < 40; n++) {
    const taken = functions.topics.on("in")?.({ topic: "in", payload: Buffer.from(large), qos: 0, retain: false })
    taken?.end(undefined)
  }
  const { waiting, dropped } = functions.describe("slow")
  expect(waiting + dropped).toBe(40)
  expect(waiting).toBe(33)
  expect(machine.logger.messages("warn").filter((message) => message.includes("no room"))).toHaveLength(1)
})

test("readings and schedules call, and no longer when the version in force has no such trigger", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  const events: unknown[] = []
  const code: FakeCode = ({ event }) => void events.push(event)
  const triggers = [{ device: "cold/+", property: "temperature" }, { schedule: "* * * * * *" }]
  await machine.deploy(functions, "see", code, { triggers })
  const write = async (device: string): Promise<void> => {
    const batch = new ReadingBatch()
    batch.addNumber(new Series(device, "temperature"), 1e15, 4.5)
    const planned = functions.readings.evaluate(batch, machine.store.nextSeq)
    await machine.store.append(batch, planned?.records).durable
    planned?.durable()
    await settled()
  }
  await write("cold/1")
  await write("warm/1")
  machine.clock.advance(1_000)
  await settled()
  expect(events).toMatchObject([
    { type: "reading", device: "cold/1", value: 4.5, tags: {} },
    { type: "schedule", time: "2025-01-01T00:00:01.000000Z" },
  ])
  await machine.deploy(functions, "see", code)
  await write("cold/1")
  machine.clock.advance(5_000)
  await settled()
  expect(events).toHaveLength(2)
})
