import { batchOf, type KeyedRecord } from "@brume/core"
import { FaultyDisk, MemoryDisk, simulatedAmbient } from "@brume/testkit"
import { expect, test } from "vitest"
import { type Log, openLog } from "./log.ts"

async function openRig(change: { readonly minFreeBytes?: number; readonly fileBytes?: number } = {}) {
  const below = new MemoryDisk()
  const disk = new FaultyDisk(below)
  const ambient = simulatedAmbient()
  const limits = { fileBytes: 1 << 20, maxDelayMs: 0, maxPendingBytes: 1 << 20, minFreeBytes: 0, ...change }
  const options = { ...ambient, ...limits, disk, node: "fog-1" }
  return { ...ambient, below, disk, options, log: await openLog(options) }
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : new TextDecoder().decode(value))
const state = (key: string, value?: string): KeyedRecord => ({
  kind: "state",
  key,
  value: value === undefined ? undefined : bytes(value),
})
const one = (value: number) => batchOf([{ value }])
const code = (expected: string) => expect.objectContaining({ code: expected })

async function valuesOf(log: Log): Promise<number[]> {
  const all: number[] = []
  await log.replay(0, (batch) => {
    for (let row = 0; row < batch.length; row++) all.push(batch.value[row]!)
  })
  return all
}

test("without room a group is refused whole, and so is what was gathered behind it", async () => {
  const { log, disk, options, below } = await openRig()
  await log.append(one(1), [state("k", "durable")]).durable
  disk.limitRoom(100)
  const refused = log.append(one(2), [state("k", "lost"), state("l", "lost"), state("k", "lost too")])
  await Promise.resolve()
  await Promise.resolve()
  const behind = log.put([state("k", "behind"), state("k")])
  expect(behind.durable).not.toBe(refused.durable)
  expect(log.get("state", "k")).toBeUndefined()
  await expect(refused.durable).rejects.toMatchObject({ code: "store_full" })
  await expect(behind.durable).rejects.toMatchObject({ code: "store_full" })
  expect([text(log.get("state", "k")), log.get("state", "l")]).toEqual(["durable", undefined])
  expect([log.state, log.nextSeq, log.durableSeq]).toEqual(["full", 2, 2])
  expect(() => log.append(one(3))).toThrow(expect.objectContaining({ code: "store_full", hint: expect.any(String) }))
  for (const image of [below.copy(), below.after("dropped")]) {
    const again = await openLog({ ...options, disk: image })
    expect(await valuesOf(again)).toEqual([1])
    expect(again.damaged).toEqual([])
  }
})

test("the log accepts again by itself when there is room, and says so once", async () => {
  const { log, disk, clock, logger } = await openRig()
  disk.limitRoom(10)
  await expect(log.append(one(1)).durable).rejects.toThrow(code("store_full"))
  for (let i = 0; i < 5; i++) {
    await clock.run(10_000)
    expect(log.state).toBe("full")
  }
  disk.heal()
  await clock.run(30_000)
  expect(log.state).toBe("accepting")
  await log.append(one(2)).durable
  expect(await valuesOf(log)).toEqual([2])
  expect(logger.messages("warn")).toEqual(["The disk is full: readings are refused"])
  expect(logger.messages("info")).toContain("The disk has room again: readings are accepted")
  expect(clock.pending).toBe(0)
})

test("a disk that is full when the next file is due keeps the log whole", async () => {
  const { log, disk, clock, options, below } = await openRig({ fileBytes: 400 })
  await log.append(batchOf(Array.from({ length: 30 }, (_, i) => ({ value: i })))).durable
  for (const room of [0, 30, 70, 90]) {
    disk.limitRoom(room)
    await expect(log.put([state("k", "lost")]).durable).rejects.toThrow(code("store_full"))
    const again = await openLog({ ...options, disk: below.copy() })
    expect((await valuesOf(again)).length).toBe(30)
    expect(again.damaged).toEqual([])
  }
  disk.heal()
  await clock.run(60_000)
  await log.append(one(30)).durable
  await log.close()
  const again = await openLog({ ...options, disk: below.copy() })
  expect(await valuesOf(again)).toEqual(Array.from({ length: 31 }, (_, i) => i))
  expect([again.damaged, again.nextSeq, again.stats().files]).toEqual([[], 31, 2])
})

test("below the reserve readings are refused and keyed records are not", async () => {
  const { log, disk, clock } = await openRig({ minFreeBytes: 1000 })
  disk.pretendFree(999)
  await clock.run(2000)
  await log.append(one(1)).durable
  await clock.run(1)
  expect(log.state).toBe("full")
  expect(() => log.append(one(2))).toThrow(code("store_full"))
  await log.put([state("k", "v")]).durable
  disk.pretendFree(1000)
  await clock.run(1000)
  expect(log.state).toBe("accepting")
  await log.append(one(2)).durable
})

test("a disk that is below its reserve at the start is known at the start", async () => {
  const { options, disk } = await openRig()
  disk.pretendFree(5)
  const log = await openLog({ ...options, minFreeBytes: 6 })
  expect(log.state).toBe("full")
})

test("free space is asked for at most once a second, or every few MB", async () => {
  const { log, disk, clock } = await openRig({ minFreeBytes: 1 })
  let asked = 0
  const ask = disk.freeBytes.bind(disk)
  disk.freeBytes = () => {
    asked++
    return ask()
  }
  for (let i = 0; i < 50; i++) await log.append(one(i)).durable
  expect(asked).toBe(0)
  await clock.run(1000)
  for (let i = 0; i < 50; i++) await log.append(one(i)).durable
  expect(asked).toBe(1)
})

test("when free space cannot be told, readings are accepted", async () => {
  const { log, disk, clock, logger } = await openRig({ minFreeBytes: 1000 })
  disk.fail({ operation: "freeBytes", forever: true })
  await clock.run(2000)
  await log.append(one(1)).durable
  await clock.run(1)
  expect(log.state).toBe("accepting")
  expect(logger.messages("warn")).toEqual(["Cannot tell how much space is free"])
})

test.each(["write", "sync"] as const)(
  "a failing %s ends the log: what waits is refused, keyed values go back",
  async (operation) => {
    const { log, disk, options, below } = await openRig()
    await log.append(one(1), [state("k", "durable")]).durable
    disk.fail({ operation, path: ".log" })
    const failed = log.append(one(2), [state("k", "lost")])
    await Promise.resolve()
    await Promise.resolve()
    const behind = log.put([state("k", "behind")])
    const refusal = { code: "store_closed", hint: "Check the disk, then restart the node.", cause: code("disk_failed") }
    await expect(failed.durable).rejects.toMatchObject(refusal)
    await expect(behind.durable).rejects.toMatchObject(refusal)
    expect([log.state, text(log.get("state", "k")), log.durableSeq]).toEqual(["failed", "durable", 2])
    expect(() => log.append(one(3))).toThrow(code("store_closed"))
    expect(() => log.put([state("k", "v")])).toThrow(code("store_closed"))
    await expect(log.snapshot()).resolves.toBeUndefined()
    await log.close()
    const again = await openLog({ ...options, disk: below.copy() })
    expect([await valuesOf(again), text(again.get("state", "k")), again.damaged]).toEqual([[1], "durable", []])
  },
)

test("a failing sync is not tried again", async () => {
  const { log, disk } = await openRig()
  disk.fail({ operation: "sync", path: ".log" })
  const failed = log.append(one(1))
  disk.fail({ operation: "sync" })
  await expect(failed.durable).rejects.toThrow(code("store_closed"))
  await log.close()
  expect(disk.planned).toBe(1)
})

test("bytes that the kernel dropped after a failed sync are not trusted after a restart", async () => {
  const { log, disk, below, options } = await openRig()
  await log.append(one(1)).durable
  disk.fail({ operation: "truncate", forever: true })
  below.failNextSync(".log")
  await expect(log.append(one(2)).durable).rejects.toThrow(code("store_closed"))
  // The process restarts on the running machine: the page cache still shows the second group.
  disk.heal()
  const again = await openLog(options)
  const shown = await valuesOf(again)
  await again.append(one(3)).durable
  // Then the power fails.
  const last = await openLog({ ...options, disk: below.after("dropped") })
  expect(await valuesOf(last)).toEqual([...shown, 3])
  expect(last.damaged).toEqual([])
})

test("want of room that only the sync finds refuses the group for good, and the log goes on", async () => {
  const { log, disk, below, options } = await openRig()
  await log.append(one(1)).durable
  disk.fail({ operation: "sync", path: ".log", systemError: "ENOSPC" })
  await expect(log.append(one(2), [state("k", "lost")]).durable).rejects.toThrow(code("store_full"))
  expect(text(log.get("state", "k"))).toBeUndefined()
  for (const unsynced of ["kept", "dropped"] as const) {
    const image = await openLog({ ...options, disk: below.after(unsynced) })
    expect([await valuesOf(image), text(image.get("state", "k"))]).toEqual([[1], undefined])
  }
  await log.put([state("k", "next")]).durable
  const again = await openLog({ ...options, disk: below.after("dropped") })
  expect([await valuesOf(again), text(again.get("state", "k")), again.damaged]).toEqual([[1], "next", []])
})

test("a cut after want of room that cannot be made durable ends the log", async () => {
  const { log, disk } = await openRig()
  disk.limitRoom(10)
  disk.fail({ operation: "sync", path: ".log" })
  await expect(log.append(one(1)).durable).rejects.toThrow(code("store_closed"))
  expect(log.state).toBe("failed")
})

test("a failing truncation after a full disk ends the log", async () => {
  const { log, disk } = await openRig()
  disk.limitRoom(10)
  disk.fail({ operation: "truncate", path: ".log" })
  await expect(log.append(one(1)).durable).rejects.toThrow(code("store_closed"))
  expect(log.state).toBe("failed")
})

test("a snapshot without room leaves the log and the older snapshots as they were", async () => {
  const { log, disk, below } = await openRig()
  await log.put([state("k", "1")]).durable
  await log.snapshot()
  await log.put([state("k", "x".repeat(1000))]).durable
  disk.limitRoom(500)
  await expect(log.snapshot()).rejects.toThrow(code("store_full"))
  disk.heal()
  expect(below.paths().filter((path) => path.endsWith(".snapshot"))).toHaveLength(1)
  await log.snapshot()
  expect(below.paths().filter((path) => path.includes("snapshot"))).toHaveLength(2)
})

test.each(["open", "read", "list", "makeFolder", "syncFolder"] as const)(
  "a failing %s while opening is told, and harms nothing",
  async (operation) => {
    const { log, disk, options, below } = await openRig()
    await log.append(one(1)).durable
    await log.close()
    const before = below.paths().map((path) => [path, Buffer.from(below.contentOf(path)).toString("hex")])
    disk.fail({ operation })
    await expect(openLog(options)).rejects.toThrow(code("disk_failed"))
    expect(below.paths().map((path) => [path, Buffer.from(below.contentOf(path)).toString("hex")])).toEqual(before)
    expect(await valuesOf(await openLog(options))).toEqual([1])
  },
)

test("a slow disk gathers larger groups instead of more of them", async () => {
  const { log, disk, clock } = await openRig()
  disk.delay("sync", clock, 100)
  const groups = new Set<Promise<void>>()
  for (let i = 0; i < 20; i++) {
    groups.add(log.append(one(i)).durable)
    await clock.run(10)
  }
  expect(groups.size).toBeLessThanOrEqual(4)
  await clock.run(300)
  await Promise.all(groups)
  expect(log.durableSeq).toBe(20)
})
