import { batchOf, type KeyedRecord, quality, type Reading } from "@brume/core"
import { MemoryDisk, simulatedAmbient } from "@brume/testkit"
import { expect, test } from "vitest"
import { type Log, openLog } from "./log.ts"

function rig(disk = new MemoryDisk()) {
  const ambient = simulatedAmbient()
  const limits = { fileBytes: 4096, maxDelayMs: 0, maxPendingBytes: 1 << 20, minFreeBytes: 0 }
  return { ...ambient, disk, options: { ...ambient, ...limits, disk, node: "fog-1" } }
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : new TextDecoder().decode(value))
const state = (key: string, value?: string): KeyedRecord => ({
  kind: "state",
  key,
  value: value === undefined ? undefined : bytes(value),
})

async function readingsOf(log: Log, fromSeq = 0): Promise<Reading[]> {
  const all: Reading[] = []
  await log.replay(fromSeq, (batch, firstSeq) => {
    for (let row = 0; row < batch.length; row++) all.push(batch.readingAt(row, { ...log, firstSeq }))
  })
  return all
}

const valuesOf = async (log: Log, fromSeq = 0) => (await readingsOf(log, fromSeq)).map((reading) => reading.value)

test("readings take one sequence each, records too, and all come back after a restart", async () => {
  const { options } = rig()
  const log = await openLog(options)
  const first = log.append(
    batchOf([
      { device: "a", value: 1 },
      { device: "b", text: "x", tags: '{"t":"1"}' },
    ]),
    [state("k", "v")],
  )
  const second = log.put([state("l", "w")])
  const third = log.append(batchOf([{ device: "a", value: 3 }]))
  expect([first.seq, second.seq, third.seq, log.nextSeq, log.durableSeq]).toEqual([0, 3, 4, 5, 0])
  await third.durable
  expect(log.durableSeq).toBe(5)
  const before = await readingsOf(log)
  expect(before.map(({ seq, device, value, text, tags }) => [seq, device, value, text, tags])).toEqual([
    [0, "a", 1, null, "{}"],
    [1, "b", null, "x", '{"t":"1"}'],
    [4, "a", 3, null, "{}"],
  ])
  await log.close()
  const again = await openLog(options)
  expect([again.epoch, again.nextSeq, again.durableSeq, again.firstSeq]).toEqual([log.epoch, 5, 5, 0])
  expect(await readingsOf(again)).toEqual(before)
  expect([text(again.get("state", "k")), text(again.get("state", "l"))]).toEqual(["v", "w"])
  expect(again.damaged).toEqual([])
  await again.close()
})

test("everything that arrives in one breath shares a promise, a write and a sync", async () => {
  const { options, disk } = rig()
  const log = await openLog(options)
  const sizeBefore = log.stats().bytes
  const appended = Array.from({ length: 100 }, (_, i) => log.append(batchOf([{ value: i }])))
  expect(new Set(appended.map((one) => one.durable)).size).toBe(1)
  await appended[0]!.durable
  expect(log.stats().bytes).toBeGreaterThan(sizeBefore)
  expect(log.durableSeq).toBe(100)
  // What is acknowledged is what was synced.
  const left = await openLog({ ...options, disk: disk.after("dropped") })
  expect(await valuesOf(left)).toHaveLength(100)
})

test("what arrives while a group is written waits for the next", async () => {
  const { options } = rig()
  const log = await openLog(options)
  const first = log.append(batchOf([{ value: 1 }]))
  await Promise.resolve()
  await Promise.resolve()
  const second = log.append(batchOf([{ value: 2 }]))
  expect(second.durable).not.toBe(first.durable)
  const order: string[] = []
  await Promise.all([first.durable.then(() => order.push("first")), second.durable.then(() => order.push("second"))])
  expect(order).toEqual(["first", "second"])
})

test("put values are seen at once, removals too", async () => {
  const { options } = rig()
  const log = await openLog(options)
  log.put([state("a", "1"), state("b", "2")])
  expect(text(log.get("state", "a"))).toBe("1")
  log.put([state("a"), state("b", "3"), { kind: "document", key: "b", value: bytes("other kind") }])
  expect(log.get("state", "a")).toBeUndefined()
  expect([...log.entries("state")].map(([key, value]) => [key, text(value)])).toEqual([["b", "3"]])
  expect(log.durableSeq).toBe(0)
  await log.close()
  const again = await openLog(options)
  expect([...again.entries("state")].map(([key, value]) => [key, text(value)])).toEqual([["b", "3"]])
  expect(text(again.get("document", "b"))).toBe("other kind")
})

test("a value that its owner changes after the put stays as it was put", async () => {
  const { options } = rig()
  const log = await openLog(options)
  const value = bytes("before")
  log.put([{ kind: "state", key: "k", value }])
  value.fill(0)
  expect(text(log.get("state", "k"))).toBe("before")
})

test("appending nothing resolves when what came before is durable", async () => {
  const { options } = rig()
  const log = await openLog(options)
  await log.append(batchOf([])).durable
  expect(log.nextSeq).toBe(0)
  const first = log.append(batchOf([{ value: 1 }]))
  expect(log.put([]).durable).toBe(first.durable)
  const records = log.append(batchOf([]), [state("k", "v")])
  expect(records.seq).toBe(1)
})

test("listeners hear of each batch after its sync, in order, until they unsubscribe", async () => {
  const { options } = rig()
  const log = await openLog(options)
  const heard: (string | number)[] = []
  log.onDurable(() => {
    throw new Error("a listener's own mistake")
  })
  const end = log.onDurable((batch, firstSeq) => heard.push(firstSeq, batch.length, log.durableSeq))
  const first = log.append(batchOf([{ value: 1 }, { value: 2 }]), [state("k", "v")])
  log.append(batchOf([{ value: 3 }]))
  void first.durable.then(() => heard.push("acknowledged"))
  expect(heard).toEqual([])
  await first.durable
  expect(heard).toEqual([0, 2, 4, 3, 1, 4, "acknowledged"])
  end()
  await log.append(batchOf([{ value: 4 }])).durable
  expect(heard).toHaveLength(7)
})

test("replay begins at the batch that holds the sequence", async () => {
  const { options } = rig()
  const log = await openLog(options)
  for (let i = 0; i < 40; i++) await log.append(batchOf([{ value: i }, { value: -i }, { value: i / 2 }])).durable
  expect(log.stats().files).toBeGreaterThan(1)
  const seqs: number[] = []
  await log.replay(61, async (_, firstSeq) => {
    await Promise.resolve()
    seqs.push(firstSeq)
  })
  expect(seqs[0]).toBe(60)
  expect(seqs).toHaveLength(20)
  expect(await valuesOf(log, 120)).toEqual([])
})

test("a visitor's failure ends the replay", async () => {
  const { options } = rig()
  const log = await openLog(options)
  await log.append(batchOf([{ value: 1 }])).durable
  await expect(log.replay(0, () => Promise.reject(new Error("enough")))).rejects.toThrow("enough")
})

test("records larger than what is read at once come back", async () => {
  const { options } = rig()
  const log = await openLog({ ...options, maxPendingBytes: 2 ** 27 })
  const long = "é".repeat(2.5 * 2 ** 20)
  for (let i = 0; i < 2; i++) log.append(batchOf([{ value: i }, { text: long }]), [state(`k${i}`, long)])
  await log.close()
  const again = await openLog(options)
  expect((await readingsOf(again)).map(({ value, text }) => value ?? text === long)).toEqual([0, true, 1, true])
  expect(text(again.get("state", "k1")) === long).toBe(true)
})

test("a full file is followed by another, and both are read", async () => {
  const { options, disk } = rig()
  const log = await openLog(options)
  for (let i = 0; i < 100; i++) await log.append(batchOf([{ value: i }])).durable
  expect(log.stats().files).toBe(disk.paths().length)
  expect(log.stats().files).toBeGreaterThan(3)
  await log.close()
  const again = await openLog(options)
  expect(await valuesOf(again)).toEqual(Array.from({ length: 100 }, (_, i) => i))
})

test("trimming removes what two snapshots cover and the caller does not need", async () => {
  const { options, disk } = rig()
  const log = await openLog(options)
  const fill = async (from: number) => {
    for (let i = from; i < from + 100; i++)
      await log.append(batchOf([{ value: i }]), [state(`k${i % 7}`, `${i}`)]).durable
  }
  await fill(0)
  await log.snapshot()
  await log.trim(1000)
  expect(log.firstSeq).toBe(0)
  await fill(100)
  await log.snapshot()
  await log.trim(150)
  expect(log.firstSeq).toBeGreaterThan(0)
  expect(log.firstSeq).toBeLessThanOrEqual(150)
  await log.trim(1000)
  // The older snapshot covers 200 sequences.
  expect(log.firstSeq).toBeGreaterThan(150)
  expect(log.firstSeq).toBeLessThanOrEqual(200)
  await fill(200)
  await log.snapshot()
  await log.snapshot()
  expect(disk.paths().filter((path) => path.endsWith(".snapshot"))).toHaveLength(2)
  await log.trim(Number.MAX_SAFE_INTEGER)
  await log.close()

  const again = await openLog(options)
  expect(again.damaged).toEqual([])
  expect(again.firstSeq).toBe(log.firstSeq)
  expect(again.nextSeq).toBe(600)
  expect([...again.entries("state")].map(([key, value]) => `${key}=${text(value)}`).sort()).toEqual(
    [0, 1, 2, 3, 4, 5, 6].map((k) => `k${k}=${[294, 295, 296, 297, 298, 299, 293][k]}`),
  )
  const values = await valuesOf(again, again.firstSeq)
  expect(values.at(-1)).toBe(299)
  expect(values).toHaveLength(Math.floor((600 - again.firstSeq + 1) / 2))
})

test("trimming spares what a replay is about to read", async () => {
  const { options } = rig()
  const log = await openLog(options)
  for (let i = 0; i < 100; i++) await log.append(batchOf([{ value: i }]), [state("k", `${i}`)]).durable
  await log.snapshot()
  log.put([state("l", "1")])
  await log.snapshot()
  let seen = 0
  await log.replay(0, async () => {
    if (seen++ === 0) await log.trim(1000)
  })
  expect(seen).toBe(100)
  await log.trim(1000)
  expect(log.firstSeq).toBeGreaterThan(0)
})

test("a snapshot waits for what it holds to be durable", async () => {
  const { options, disk } = rig()
  const log = await openLog(options)
  log.put([state("k", "v")])
  await log.snapshot()
  const again = await openLog({ ...options, disk: disk.after("dropped") })
  expect(text(again.get("state", "k"))).toBe("v")
  expect(again.nextSeq).toBe(1)
})

test("beyond the limit of what may wait, appending is refused and changes nothing", async () => {
  const { options } = rig()
  const log = await openLog({ ...options, maxPendingBytes: 10_000 })
  const batch = () => batchOf(Array.from({ length: 100 }, (_, i) => ({ value: i })))
  let accepted = 0
  const refused = () => {
    for (;;) {
      log.append(batch(), [state(`k${accepted}`, "v")])
      accepted++
    }
  }
  expect(refused).toThrow(expect.objectContaining({ code: "store_busy", hint: expect.any(String) }))
  expect(accepted).toBeGreaterThan(3)
  expect(accepted).toBeLessThan(10)
  expect(log.nextSeq).toBe(accepted * 101)
  expect(log.get("state", `k${accepted}`)).toBeUndefined()
  await log.put([]).durable
  expect(log.append(batch()).seq).toBe(accepted * 101)
})

test("a batch that cannot be encoded is refused and changes nothing", async () => {
  const { options } = rig()
  const log = await openLog(options)
  log.append(batchOf([{ value: 1 }]), [state("k", "v")])
  const broken = { kind: "no such kind", key: "x", value: bytes("") } as unknown as KeyedRecord
  const huge = batchOf([{ text: "x".repeat(30 * 2 ** 20) }])
  expect(() => log.append(huge, [state("k", "w")])).toThrow(expect.objectContaining({ code: "payload_too_large" }))
  expect(() => log.append(batchOf([{ value: 2 }]), [state("k", "w"), broken])).toThrow()
  expect([log.nextSeq, text(log.get("state", "k"))]).toEqual([2, "v"])
  await log.append(batchOf([{ value: 3 }])).durable
  await log.close()
  const again = await openLog(options)
  expect(await valuesOf(again)).toEqual([1, 3])
  expect(text(again.get("state", "k"))).toBe("v")
})

test("with a delay, a group waits for more, but not longer, and not when closing", async () => {
  const { options, clock } = rig()
  const log = await openLog({ ...options, maxDelayMs: 50 })
  const first = log.append(batchOf([{ value: 1 }]))
  await clock.run(30)
  const second = log.append(batchOf([{ value: 2 }]))
  expect(second.durable).toBe(first.durable)
  expect(log.durableSeq).toBe(0)
  await clock.run(25)
  expect(log.durableSeq).toBe(2)
  log.append(batchOf([{ value: 3 }]))
  await log.close()
  expect(log.durableSeq).toBe(3)
})

test("with a delay, a large group goes at once", async () => {
  const { options, clock } = rig()
  const log = await openLog({ ...options, maxDelayMs: 1000, maxPendingBytes: 10_000 })
  log.append(batchOf([{ value: 1 }]))
  await clock.run(1)
  log.append(batchOf(Array.from({ length: 500 }, () => ({ value: 1 }))))
  await clock.run(1)
  expect(log.durableSeq).toBe(501)
})

test("a closed log takes nothing, and closing again is fine", async () => {
  const { options } = rig()
  const log = await openLog(options)
  const last = log.append(batchOf([{ value: 1 }]))
  await Promise.all([log.close(), log.close()])
  await last.durable
  expect(() => log.append(batchOf([{ value: 1 }]))).toThrow(expect.objectContaining({ code: "store_closed" }))
  expect(() => log.put([state("k", "v")])).toThrow(expect.objectContaining({ code: "store_closed" }))
  await log.close()
})

test("received follows the clock, never goes back, and survives a restart", async () => {
  const { options, clock } = rig()
  const log = await openLog(options)
  const now = clock.now()
  await log.append(batchOf([{ value: 1 }])).durable
  clock.jump(now - 1_000_000)
  await log.append(batchOf([{ value: 2 }])).durable
  clock.jump(0)
  await log.append(batchOf([{ value: 3, quality: quality.deviceMarked }])).durable
  await log.close()
  clock.jump(now - 2 * 3_600_000_000)
  const again = await openLog(options)
  await again.append(batchOf([{ value: 4 }])).durable
  clock.jump(now + 1_000_000)
  await again.append(batchOf([{ value: 5 }])).durable
  clock.jump(Date.UTC(3000, 0, 1) * 1000)
  await again.append(batchOf([{ value: 6 }])).durable
  const { nodeClock, deviceMarked } = quality
  expect((await readingsOf(again)).map(({ received, quality }) => [received - now, quality])).toEqual([
    [0, 0],
    [0, 0],
    [0, nodeClock | deviceMarked],
    [0, nodeClock],
    [1_000_000, 0],
    [1_000_000, nodeClock],
  ])
})

test("the time floor survives the trimming of the readings that set it", async () => {
  const { options, clock } = rig()
  const log = await openLog(options)
  const now = clock.now()
  await log.append(batchOf(Array.from({ length: 500 }, () => ({ value: 1 })))).durable
  await log.put([state("k", "1")]).durable
  await log.snapshot()
  await log.put([state("k", "2")]).durable
  await log.snapshot()
  await log.trim(1000)
  expect(log.firstSeq).toBe(500)
  await log.close()
  clock.jump(1_000_000)
  const again = await openLog(options)
  await again.append(batchOf([{ value: 2 }])).durable
  expect((await readingsOf(again)).map(({ received, quality }) => [received, quality])).toEqual([
    [now, quality.nodeClock],
  ])
})

test("a clock that was never set flags readings and still orders them", async () => {
  const { options, clock } = rig()
  clock.jump(5_000_000)
  const log = await openLog(options)
  await log.append(batchOf([{ value: 1 }])).durable
  clock.jump(6_000_000)
  await log.append(batchOf([{ value: 1 }])).durable
  expect((await readingsOf(log)).map(({ received, quality }) => [received, quality])).toEqual([
    [5_000_000, quality.nodeClock],
    [6_000_000, quality.nodeClock],
  ])
})

test("a node with a new name goes on with its log", async () => {
  const { options } = rig()
  const log = await openLog(options)
  await log.append(batchOf([{ value: 1 }])).durable
  await log.close()
  const again = await openLog({ ...options, node: "fog-2" })
  await again.append(batchOf([{ value: 2 }])).durable
  expect([again.epoch, again.nextSeq, await valuesOf(again)]).toEqual([log.epoch, 2, [1, 2]])
})

test("another node's newer log is set aside", async () => {
  const { options, disk } = rig()
  const log = await openLog(options)
  await log.append(batchOf([{ value: 1 }])).durable
  await log.close()
  const other = rig()
  const foreign = await openLog({ ...other.options, ...simulatedAmbient(5), node: "fog-2" })
  await foreign.append(batchOf([{ value: 666 }])).durable
  await foreign.close()
  for (const path of other.disk.paths()) disk.overwrite(path, other.disk.contentOf(path))
  const again = await openLog(options)
  expect([again.epoch, await valuesOf(again)]).toEqual([log.epoch, [1]])
  expect(disk.paths()).toEqual(
    expect.arrayContaining(other.disk.paths().map((path) => path.replace("log/", "quarantine/"))),
  )
})

test("two logs in empty folders have different epochs", async () => {
  const first = await openLog(rig().options)
  const second = await openLog({ ...rig().options, random: simulatedAmbient(2).random })
  expect(first.epoch).toMatch(/^[0-9a-f]{16}$/)
  expect(second.epoch).not.toBe(first.epoch)
})

test("files that are none of the log's are left alone", async () => {
  const { options, disk, logger } = rig()
  await (await openLog(options)).close()
  disk.overwrite("log/notes.txt", bytes("mine"))
  await (await openLog(options)).close()
  expect(text(disk.contentOf("log/notes.txt"))).toBe("mine")
  expect(logger.messages("warn")).toEqual(["Ignoring a file that is none of the log's"])
})
