import { FogError } from "@brume/core"
import { expect, test } from "vitest"
import { json, problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { reading, storingNode, until, valuesOf, writerOf } from "../../../../test/rig/storing-node.ts"

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

test("what no node accepts is refused by add itself", async () => {
  await using node = await storingNode()
  await using writer = writerOf(node)
  expect(() => writer.add(reading(Number.NaN))).toThrow("NaN")
  expect(writer.stats().buffered).toBe(0)
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

test("readings of several values count each value", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { accepted: 2, seq: 0, epoch: "e" }))
  await using writer = writerOf(node, { maxDelayMs: 60_000 })
  void writer.add({ device: "d", values: { a: 1, b: 2 } })
  expect(writer.stats().buffered).toBe(2)
  await writer.flush()
  expect(writer.stats()).toMatchObject({ written: 2, buffered: 0 })
})
