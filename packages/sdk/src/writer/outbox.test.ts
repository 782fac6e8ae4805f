import { expect, test } from "vitest"
import { memoryStorage, reading, storingNode, until, writerOf } from "../../../../test/rig/storing-node.ts"

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
