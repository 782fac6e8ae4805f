import { expect, test } from "vitest"
import { json, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { reading, storingNode, until, valuesOf, writerOf } from "../../../../test/rig/storing-node.ts"

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
