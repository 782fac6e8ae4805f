import { FogError } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { json, problem, type ScriptedNode, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { createClient } from "../client.ts"
import type { WriterStorage } from "./storage.ts"
import type { WriterOptions } from "./writer.ts"

const retry = { firstDelayMs: 2, maxDelayMs: 10 }
const reading = (value: number) => ({ device: "d", property: "p", value, time: value })
const valuesOf = (body: string): number[] =>
  body.split("\n").map((line) => (JSON.parse(line) as { value: number }).value)
const until = async (what: string, check: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 2_000; turn++) {
    if (check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`never: ${what}`)
}

interface StoringNode extends ScriptedNode {
  readonly stored: number[]
  /** Keys that came with different bodies. */
  conflicts(): string[]
}

/** A node that keeps what it acknowledged, each key once, like the real one. */
async function storingNode(): Promise<StoringNode> {
  const stored: number[] = []
  const keys = new Set<string>()
  const node = await scriptedNode(({ headers, body }, response) => {
    const key = String(headers["idempotency-key"])
    const values = valuesOf(body)
    if (!keys.has(key)) stored.push(...values)
    keys.add(key)
    json(response, { accepted: values.length, seq: 0, epoch: "e" })
  })
  const conflicts = (): string[] => {
    const bodies = new Map<string, string>()
    return node.requests.flatMap(({ headers, body }) => {
      const key = String(headers["idempotency-key"])
      const before = bodies.get(key) ?? body
      bodies.set(key, body)
      return before === body ? [] : [key]
    })
  }
  return Object.assign(node, { stored, conflicts })
}

function memoryStorage(): WriterStorage & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>()
  return {
    texts,
    keys: async () => [...texts.keys()],
    get: async (key) => texts.get(key),
    set: async (key, text) => void texts.set(key, text),
    remove: async (key) => void texts.delete(key),
  }
}

const writerOf = (node: { readonly url: string }, options: WriterOptions = {}) =>
  createClient({ url: node.url }).writer({ retry, maxDelayMs: 5, ...options })

test("readings leave in batches of the given size and in order", async () => {
  await using node = await storingNode()
  const writer = writerOf(node, { maxBatch: 10, maxDelayMs: 60_000 })
  for (let value = 0; value < 25; value++) void writer.add(reading(value))
  await writer.flush()
  expect(node.requests.map(({ body }) => valuesOf(body).length)).toEqual([10, 10, 5])
  expect(node.stored).toEqual(Array.from({ length: 25 }, (_, value) => value))
  expect(writer.stats()).toEqual({ buffered: 0, written: 25, rejected: 0, dropped: 0, failures: 0 })
  await writer.close()
})

test("a lone reading leaves after the longest delay without a flush", async () => {
  await using node = await storingNode()
  await using writer = writerOf(node)
  void writer.add(reading(1))
  await until("the reading is stored", () => node.stored.length === 1)
})

test("readings without a time get the time of add, as they may arrive much later", async () => {
  await using node = await storingNode()
  await using writer = writerOf(node)
  const before = Date.now()
  void writer.add({ device: "d", property: "p", value: 1 })
  await writer.flush()
  const { time } = JSON.parse(node.requests[0]?.body ?? "") as { time: number }
  expect(time).toBeGreaterThanOrEqual(before)
  expect(time).toBeLessThanOrEqual(Date.now())
})

test("a retry after a lost answer carries the same key, so that nothing is stored twice", async () => {
  await using node = await storingNode()
  const store = node.answer
  let lost = 2
  node.answer = async (request, response) => {
    if (lost-- <= 0) return store(request, response)
    // It is stored, but its answer never arrives.
    await store(request, Object.assign(Object.create(response), { writeHead: () => response, end: () => response }))
    response.destroy()
  }
  await using writer = writerOf(node)
  void writer.add(reading(7))
  await writer.flush()
  expect(node.stored).toEqual([7])
  expect(node.requests).toHaveLength(3)
  expect(new Set(node.requests.map(({ headers }) => headers["idempotency-key"])).size).toBe(1)
  expect(writer.stats()).toMatchObject({ written: 1, failures: 2 })
})

test("what is added while the node is away arrives, in order, when it is back", async () => {
  await using node = await storingNode()
  const errors: string[] = []
  await using writer = writerOf(node, { maxBatch: 3, onError: (error) => errors.push(error.code) })
  void writer.add(reading(0))
  await writer.flush()
  await node.vanish()
  for (let value = 1; value < 10; value++) void writer.add(reading(value))
  await until("it noticed", () => errors.length > 1)
  expect(writer.stats().buffered).toBe(9)
  await node.open()
  await writer.flush()
  expect(node.stored).toEqual(Array.from({ length: 10 }, (_, value) => value))
  expect(new Set(errors)).toEqual(new Set(["node_unreachable"]))
})

test.each(["unauthenticated", "forbidden", "store_full", "store_closed", "too_many_attempts"])(
  "%s does not cost a reading: the writer waits until it is mended",
  async (code) => {
    await using node = await storingNode()
    const store = node.answer
    node.answer = (_request, response) => problem(response, 503, { code })
    let failures = 0
    await using writer = writerOf(node, {
      onError: () => {
        if (++failures === 3) node.answer = store
      },
    })
    void writer.add(reading(1))
    await writer.flush()
    expect(node.stored).toEqual([1])
  },
)

/** Refuses every request that holds a reading of these, naming the lines or not. */
function refusing(node: ScriptedNode, bad: ReadonlySet<number>, isNaming: boolean): void {
  const store = node.answer
  node.answer = (request, response) => {
    const values = valuesOf(request.body)
    const mistakes = values.flatMap((value, index) => (bad.has(value) ? [{ at: `line ${index + 1}: value` }] : []))
    if (mistakes.length === 0) return store(request, response)
    const details = isNaming ? { details: { mistakes, count: mistakes.length } } : {}
    problem(response, 400, { code: "readings_invalid", ...details })
  }
}

test("poison readings go to onRejected, and every other reading of their batch is stored once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat({ max: 39 }), { maxLength: 40 }), fc.boolean(), async (bad, isNaming) => {
      await using node = await storingNode()
      refusing(node, new Set(bad), isNaming)
      const rejected: number[] = []
      await using writer = writerOf(node, {
        maxBatch: 16,
        onRejected: (error, lines) => {
          expect(error.code).toBe("readings_invalid")
          rejected.push(...lines.flatMap(valuesOf))
        },
      })
      for (let value = 0; value < 40; value++) void writer.add(reading(value))
      await writer.flush()
      const all = Array.from({ length: 40 }, (_, value) => value)
      expect(node.stored.sort((a, b) => a - b)).toEqual(all.filter((value) => !bad.includes(value)))
      expect(rejected.sort((a, b) => a - b)).toEqual(all.filter((value) => bad.includes(value)))
      expect(writer.stats()).toMatchObject({ written: 40 - bad.length, rejected: bad.length, buffered: 0 })
      expect(node.conflicts()).toEqual([])
    }),
    { numRuns: 25 },
  )
})

test("a token that is limited to devices costs the readings of other devices alone", async () => {
  await using node = await storingNode()
  const store = node.answer
  node.answer = (request, response) => {
    const device = ["b", "c"].find((name) => request.body.includes(`"device":"${name}"`))
    if (device === undefined) return store(request, response)
    problem(response, 403, { code: "forbidden", details: { device } })
  }
  const rejected: string[] = []
  await using writer = writerOf(node, { onRejected: (_error, lines) => rejected.push(...lines) })
  for (const [value, device] of ["a", "b", "a", "c", "b", "a"].entries()) {
    void writer.add({ device, property: "p", value })
  }
  await writer.flush()
  expect(node.stored).toEqual([0, 2, 5])
  expect(rejected.flatMap(valuesOf)).toEqual([1, 4, 3])
})

test("a batch that always breaks the node is given up after five attempts, and the rest goes on", async () => {
  await using node = await storingNode()
  const store = node.answer
  node.answer = (request, response) =>
    valuesOf(request.body).includes(1) ? problem(response, 500, { code: "internal" }) : store(request, response)
  const rejected: string[] = []
  await using writer = writerOf(node, { maxBatch: 1, onRejected: (error) => rejected.push(error.code) })
  void writer.add(reading(1))
  void writer.add(reading(2))
  await writer.flush()
  expect(node.stored).toEqual([2])
  expect(rejected).toEqual(["internal"])
})

test("what no node accepts is refused by add itself", async () => {
  await using node = await storingNode()
  await using writer = writerOf(node)
  expect(() => writer.add(reading(Number.NaN))).toThrow("NaN")
  expect(writer.stats().buffered).toBe(0)
})

test("a full buffer that blocks hands out a promise until there is room", async () => {
  await using node = await scriptedNode()
  await node.vanish()
  await using writer = writerOf(node, { maxBatch: 2, maxBufferedReadings: 4 })
  for (let value = 0; value < 4; value++) expect(writer.add(reading(value))).toBeUndefined()
  let isIn = false
  const waiting = writer.add(reading(4))?.then(() => {
    isIn = true
  })
  expect(waiting).toBeInstanceOf(Promise)
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(isIn).toBe(false)
  node.answer = ({ body }, response) => json(response, { accepted: valuesOf(body).length, seq: 0, epoch: "e" })
  await node.open()
  await waiting
  await writer.flush()
  expect(writer.stats()).toMatchObject({ written: 5, buffered: 0 })
})

test("not even waiting adds are without a limit", async () => {
  await using node = await scriptedNode()
  await node.vanish()
  const writer = writerOf(node, { maxBufferedReadings: 2 })
  const waiting: (Promise<void> | undefined)[] = []
  for (let value = 0; value < 1_002; value++) waiting.push(writer.add(reading(value)))
  expect(() => writer.add(reading(0))).toThrow(expect.objectContaining({ code: "writer_full" }))
  const ends = Promise.allSettled(waiting)
  await expect(writer.close({ timeoutMs: 5 })).rejects.toMatchObject({ code: "node_unreachable" })
  expect((await ends).filter(({ status }) => status === "rejected")).toHaveLength(1_000)
})

test("a full buffer that drops loses the oldest, counts them, and keeps the newest", async () => {
  await using node = await storingNode()
  await node.vanish()
  let told = 0
  await using writer = writerOf(node, {
    maxBatch: 5,
    maxBufferedReadings: 20,
    whenFull: "drop-oldest",
    onDropped: (readings) => {
      told += readings
    },
  })
  for (let value = 0; value < 100; value++) {
    expect(writer.add(reading(value))).toBeUndefined()
    expect(writer.stats().buffered).toBeLessThanOrEqual(20)
  }
  const { dropped, buffered } = writer.stats()
  expect(dropped + buffered).toBe(100)
  expect(told).toBe(dropped)
  await node.open()
  await writer.flush()
  expect(node.stored).toHaveLength(buffered)
  expect(node.stored.slice(-10)).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99])
})

test("the batch that is being sent is not dropped, so that nothing is both stored and counted as dropped", async () => {
  await using node = await storingNode()
  const store = node.answer
  let goOn = (): void => {}
  node.answer = async (request, response) => {
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
    await store(request, response)
  }
  await using writer = writerOf(node, { maxBatch: 5, maxBufferedReadings: 20, whenFull: "drop-oldest" })
  for (let value = 0; value < 5; value++) void writer.add(reading(value))
  await until("the first batch is on its way", () => node.requests.length === 1)
  for (let value = 5; value < 100; value++) void writer.add(reading(value))
  node.answer = store
  goOn()
  await writer.flush()
  expect(node.stored.slice(0, 5)).toEqual([0, 1, 2, 3, 4])
  expect(node.stored).toHaveLength(100 - writer.stats().dropped)
})

test("a full buffer that rejects throws and keeps what it has", async () => {
  await using node = await storingNode()
  await node.vanish()
  await using writer = writerOf(node, { maxBufferedReadings: 2, whenFull: "reject" })
  void writer.add(reading(1))
  void writer.add(reading(2))
  expect(() => writer.add(reading(3))).toThrow(expect.objectContaining({ code: "writer_full" }))
  await node.open()
  await writer.flush()
  expect(node.stored).toEqual([1, 2])
})

test("close sends what is held and takes nothing more", async () => {
  await using node = await storingNode()
  const writer = writerOf(node, { maxDelayMs: 60_000 })
  void writer.add(reading(1))
  const closed = writer.close()
  expect(() => writer.add(reading(2))).toThrow(expect.objectContaining({ code: "writer_closed" }))
  await closed
  await writer.close()
  expect(node.stored).toEqual([1])
})

test("close without a storage says how many readings it could not send, and why; they can still be taken out", async () => {
  await using node = await scriptedNode()
  await node.vanish()
  const writer = writerOf(node)
  void writer.add(reading(1))
  void writer.add(reading(2))
  const error: unknown = await writer.close({ timeoutMs: 50 }).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(FogError)
  expect(error).toMatchObject({ code: "node_unreachable", details: { unsent: 2 } })
  expect((error as FogError).message).toContain("2 readings are still unsent")
  expect(writer.unsent().flatMap(valuesOf)).toEqual([1, 2])
})

test("flush has a time limit of its own and the writer goes on afterwards", async () => {
  await using node = await storingNode()
  await node.vanish()
  await using writer = writerOf(node)
  void writer.add(reading(1))
  await expect(writer.flush({ timeoutMs: 20 })).rejects.toMatchObject({ code: "node_unreachable" })
  await node.open()
  await writer.flush()
  expect(node.stored).toEqual([1])
})

test("with a storage, unsent batches survive the end of the application under their keys", async () => {
  await using node = await storingNode()
  const store = node.answer
  const storage = memoryStorage()
  node.answer = async (request, response) => {
    await store(request, Object.assign(Object.create(response), { writeHead: () => response, end: () => response }))
    response.destroy()
  }
  const first = writerOf(node, { maxBatch: 2, storage })
  for (let value = 0; value < 5; value++) void first.add(reading(value))
  await until("the first batch has arrived", () => node.requests.length > 0)
  await first.close({ timeoutMs: 50 })
  expect(storage.texts.size).toBe(3)
  expect(node.stored).toEqual([0, 1])

  node.answer = store
  await using second = writerOf(node, { maxBatch: 2, storage })
  void second.add(reading(5))
  await second.flush()
  // The first batch had arrived although its answer was lost: its key keeps it from being stored twice.
  expect(node.stored).toEqual([0, 1, 2, 3, 4, 5])
  expect(storage.texts.size).toBe(0)
})

test("a batch is in storage before its first attempt", async () => {
  await using node = await storingNode()
  const store = node.answer
  const storage = memoryStorage()
  const kept: number[] = []
  node.answer = (request, response) => {
    kept.push(storage.texts.size)
    return store(request, response)
  }
  const set = async (key: string, text: string): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    await storage.set(key, text)
  }
  await using writer = writerOf(node, { storage: { ...storage, set } })
  void writer.add(reading(1))
  await writer.flush()
  expect(kept).toEqual([1])
})

test("batches of earlier lives leave in the order of their age", async () => {
  await using node = await storingNode()
  const storage = memoryStorage()
  for (const [when, value] of [
    ["3", 3],
    ["1", 1],
    ["2", 2],
  ] as const) {
    storage.texts.set(`000000000000000${when}-0000000000-1-k${when}`, `${JSON.stringify(reading(value))}\n`)
  }
  await using writer = writerOf(node, { storage })
  await writer.flush()
  await until("all are stored", () => node.stored.length === 3)
  expect(node.stored).toEqual([1, 2, 3])
  expect(node.requests.map(({ headers }) => headers["idempotency-key"])).toEqual(["k1", "k2", "k3"])
})

test("with a storage, a long backlog leaves memory and still arrives in order", async () => {
  await using node = await storingNode()
  const storage = memoryStorage()
  await node.vanish()
  await using writer = writerOf(node, { maxBatch: 10, maxBufferedReadings: 1_000, storage })
  for (let value = 0; value < 500; value++) void writer.add(reading(value))
  await until("all batches are stored", () => storage.texts.size === 50)
  await until("their lines left memory", () => writer.unsent().length <= 50)
  expect(writer.stats().buffered).toBe(500)
  await node.open()
  await writer.flush()
  expect(node.stored).toEqual(Array.from({ length: 500 }, (_, value) => value))
  expect(storage.texts.size).toBe(0)
})

test.each(["", '{"value":1}', "not at all\n"])(
  "a stored batch that was damaged (%j) is set aside and told",
  async (text) => {
    await using node = await storingNode()
    const storage = memoryStorage()
    const key = "0000000000000001-0000000000-3-abc"
    storage.texts.set(key, text)
    storage.texts.set("somebody else's", "text")
    const told: string[] = []
    await using writer = writerOf(node, { storage, onError: (error) => told.push(error.code) })
    void writer.add(reading(9))
    await writer.flush()
    expect(node.stored).toEqual([9])
    expect(told).toEqual(["store_damaged"])
    expect(writer.stats()).toMatchObject({ written: 1, rejected: 3 })
    expect(storage.texts.get(`damaged-${key}`)).toBe(text)
    expect(storage.texts.has("somebody else's")).toBe(true)
  },
)

test("a storage that fails to keep a batch is told, and the batch is sent from memory", async () => {
  await using node = await storingNode()
  const told: string[] = []
  const storage = { ...memoryStorage(), set: () => Promise.reject(new Error("no space")) }
  await using writer = writerOf(node, { storage, onError: (error) => told.push(error.message) })
  void writer.add(reading(1))
  await writer.flush()
  expect(node.stored).toEqual([1])
  expect(told).toEqual(["The writer's storage failed to keep a batch: no space"])
})

test("readings of several values count each value", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { accepted: 2, seq: 0, epoch: "e" }))
  await using writer = writerOf(node, { maxDelayMs: 60_000 })
  void writer.add({ device: "d", values: { a: 1, b: 2 } })
  expect(writer.stats().buffered).toBe(2)
  await writer.flush()
  expect(writer.stats()).toMatchObject({ written: 2, buffered: 0 })
})
