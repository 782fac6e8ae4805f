/** Sealing, merging, retention and a full disk, as a running node does them. */
import type { Reading } from "@brume/core"
import { batchOf, isFogError } from "@brume/core"
import { FaultyDisk, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { ask, emptyFolder, latestOf, openOn, store as put, readingsOf } from "../../../../test/rig/open-store.ts"
import { RandomReadings } from "../../../../test/rig/random-readings.ts"
import type { NodeStore, StoreOptions } from "./store.ts"

const segments = (retention: StoreOptions["segments"]["retention"] = {}, mergeRows = 1_000_000) => ({
  mergeRows,
  retention,
  verifyBytes: 2 ** 30,
})

const segmentFiles = (names: readonly string[]): string[] => names.filter((name) => !name.includes("latest"))

/** Lets upkeep look, and waits until what it began is done: jobs are done one after the other. */
async function settle(store: NodeStore, clock: VirtualClock, durationMs = 1_000): Promise<void> {
  clock.advance(durationMs)
  await store.seal()
}

test("a generation is sealed by rows, by age and by the bytes of its payloads", async () => {
  await using folder = await emptyFolder()
  const clock = new VirtualClock()
  const tables = { sealRows: 100, sealAgeMs: 60_000, applyIntervalMs: 100, memoryBytes: 2 ** 26 }
  await using store = await openOn(folder.disk, { clock, tables })
  const readings = (count: number, text = "x") => batchOf(Array.from({ length: count }, () => ({ text })))
  await put(store, readings(99))
  await store.applied()
  expect(store.stats()).toMatchObject({ tableRows: 99, segmentRows: 0 })
  await put(store, readings(1))
  await store.applied()
  await clock.run(0)
  await store.seal()
  expect(store.stats(), "100 rows").toMatchObject({ tableRows: 0, segmentFiles: 1 })
  await put(store, readings(1))
  await store.applied()
  clock.advance(59_000)
  await expect.poll(() => store.stats().segmentFiles).toBe(1)
  clock.advance(1_000)
  await expect.poll(() => store.stats().segmentFiles, { message: "a minute" }).toBe(2)
  for (let i = 0; i < 3; i++) {
    await put(store, readings(8, "x".repeat(2 ** 20)))
    await store.applied()
  }
  await expect.poll(() => store.stats().segmentFiles, { message: "a third of the memory" }).toBe(3)
})

test("small segments are merged into one with the same rows, and the log forgets what is sealed", async () => {
  await using folder = await emptyFolder()
  const clock = new VirtualClock()
  const random = new RandomReadings(new SeededRandom(1))
  const log = { fileBytes: 2 ** 12, maxDelayMs: 0, maxPendingBytes: 2 ** 20 }
  const all: Reading[] = []
  {
    await using store = await openOn(folder.disk, { clock, log })
    for (let i = 0; i < 12; i++) {
      all.push(...(await put(store, random.batch(100))))
      await store.seal()
    }
    expect(store.stats().segmentFiles).toBe(12)
    for (let i = 0; i < 4; i++) await settle(store, clock)
    const { segmentFiles: files, segmentRows, logFiles } = store.stats()
    expect(files).toBeLessThanOrEqual(4)
    expect(segmentRows).toBe(all.length)
    expect(logFiles).toBeLessThanOrEqual(3)
    expect(segmentFiles(await folder.disk.list("segments"))).toHaveLength(files)
    expect(await readingsOf(store)).toEqual(all)
  }
  await using store = await openOn(folder.disk)
  expect(await readingsOf(store)).toEqual(all)
  expect(await readingsOf(store, "latest")).toEqual(latestOf(all))
})

test("a merge gives way when readings come faster than both can be done, and is done later", async () => {
  await using folder = await emptyFolder()
  const numbers = (count: number, first: number) =>
    batchOf(Array.from({ length: count }, (_, i) => ({ device: `d${i % 500}`, value: first + i, time: first + i })))
  {
    await using store = await openOn(folder.disk)
    for (let i = 0; i < 5; i++) {
      await put(store, numbers(80_000, i * 80_000))
      await store.seal()
    }
  }
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const tables = { sealRows: 20_000, sealAgeMs: 3_600_000, applyIntervalMs: 100, memoryBytes: 2 ** 28 }
  await using store = await openOn(folder.disk, { clock, logger, tables })
  await store.pin()
  const flood = numbers(70_000, 400_000)
  clock.advance(1_000)
  await store.append(flood).durable
  await store.applied()
  const outcome = (): string | undefined => {
    // Readings that go on coming ask again and again: DuckDB may miss an interrupt between two statements.
    clock.advance(1_000)
    return logger.messages("debug").find((message) => message.includes("merge"))
  }
  await expect.poll(outcome, { interval: 5, timeout: 20_000 }).toBe("a merge gave way to sealing")
  await store.seal()
  expect(logger.messages("warn")).toEqual([])
  await settle(store, clock)
  expect(logger.messages("debug")).toContain("merged segments")
  expect(await ask(store, "SELECT count(*) AS rows, count(DISTINCT seq) AS seqs FROM readings")).toEqual([
    { rows: 470_000, seqs: 470_000 },
  ])
})

test("nothing is merged while the disk has no room for the result", async () => {
  await using folder = await emptyFolder()
  const disk = new FaultyDisk(folder.disk)
  const clock = new VirtualClock()
  const random = new RandomReadings(new SeededRandom(9))
  await using store = await openOn(disk, { clock, minFreeBytes: 2 ** 20 })
  disk.pretendFree(2 ** 20 + 1_000)
  for (let i = 0; i < 4; i++) {
    await put(store, random.batch(50))
    await store.seal()
  }
  await settle(store, clock)
  expect(store.stats().segmentFiles).toBe(4)
  disk.pretendFree(2 ** 30)
  await settle(store, clock)
  expect(store.stats().segmentFiles).toBe(1)
})

test("a segment, sealed or merged, is in the order of its series and says what it is", async () => {
  await using folder = await emptyFolder()
  const clock = new VirtualClock()
  const random = new RandomReadings(new SeededRandom(2))
  await using store = await openOn(folder.disk, { clock })
  for (let i = 0; i < 5; i++) {
    await put(store, random.batch(3_000))
    await store.seal()
  }
  const sealed = segmentFiles(await folder.disk.list("segments"))
  for (const name of sealed) await expectOrdered(store, folder.disk.absolute(`segments/${name}`))
  await settle(store, clock)
  const merged = segmentFiles(await folder.disk.list("segments"))
  expect(merged.length).toBeLessThan(sealed.length)
  for (const name of merged) await expectOrdered(store, folder.disk.absolute(`segments/${name}`))
})

async function expectOrdered(store: NodeStore, path: string): Promise<void> {
  const outOfOrder = await ask(
    store,
    `SELECT count(*) AS rows FROM (
      SELECT (device, property, tags, time, seq) AS here,
        lag((device, property, tags, time, seq)) OVER (ORDER BY file_row_number) AS before
      FROM read_parquet('${path}', file_row_number = true)
    ) WHERE before > here`,
  )
  expect(outOfOrder).toEqual([{ rows: 0 }])
  const [metadata] = await ask(
    store,
    `SELECT decode(value) AS text FROM parquet_kv_metadata('${path}') WHERE decode(key) = 'brume'`,
  )
  const [, from, to] = /-(\d+)-(\d+)\.parquet$/.exec(path) ?? []
  const ranges = [[Number(from), Number(to)]]
  expect(JSON.parse(String(metadata?.text))).toEqual({ format: 1, node: "gateway-1", epoch: store.epoch, ranges })
}

test("files that a statement began with stay until it lets go of them", async () => {
  await using folder = await emptyFolder()
  const clock = new VirtualClock()
  const random = new RandomReadings(new SeededRandom(3))
  await using store = await openOn(folder.disk, { clock })
  for (let i = 0; i < 5; i++) {
    await put(store, random.batch(50))
    await store.seal()
  }
  const before = segmentFiles(await folder.disk.list("segments"))
  const pins = [await store.pin(), await store.pin()]
  await settle(store, clock)
  expect(store.stats().segmentFiles).toBeLessThan(before.length)
  const later = await store.pin()
  expect(await folder.disk.list("segments")).toEqual(expect.arrayContaining(before))
  pins[0]?.release()
  pins[0]?.release()
  expect(await folder.disk.list("segments")).toEqual(expect.arrayContaining(before))
  pins[1]?.release()
  await expect
    .poll(async () => segmentFiles(await folder.disk.list("segments")).length)
    .toBe(store.stats().segmentFiles)
  later.release()
})

test("readings are dropped by age and by bytes, oldest first, and latest values follow", async () => {
  await using folder = await emptyFolder()
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const at = (device: string, value: number) => batchOf([{ device, value, time: value }])
  await using store = await openOn(folder.disk, { clock, logger, segments: segments({ maxAgeMs: 3_600_000 }, 2) })
  // "silent" reports once; "back" reported a late reading early, and its newest by time is the oldest by arrival.
  const first = [...(await put(store, at("silent", 1))), ...(await put(store, at("back", 100)))]
  await store.seal()
  clock.advance(1_800_000)
  await settle(store, clock)
  const second = [...(await put(store, at("back", 50))), ...(await put(store, at("alive", 60)))]
  await store.seal()
  expect(await readingsOf(store, "latest")).toEqual(latestOf([...first, ...second]))
  clock.advance(1_900_000)
  await settle(store, clock, 10_000)
  expect(await readingsOf(store)).toEqual(second)
  expect(await readingsOf(store, "latest"), "silent is forgotten, back falls back").toEqual(latestOf(second))
  expect(logger.messages("info")).toContain("dropped readings by retention")
  clock.advance(3_600_000)
  await settle(store, clock, 10_000)
  expect(await readingsOf(store)).toEqual([])
  expect(await readingsOf(store, "latest")).toEqual([])
  expect(await folder.disk.list("segments")).toEqual([])
})

test("a limit of bytes keeps the newest, also after a restart", async () => {
  await using folder = await emptyFolder()
  const clock = new VirtualClock()
  const random = new RandomReadings(new SeededRandom(5))
  const options = { clock, segments: segments({ maxBytes: 40_000 }) }
  const all: Reading[] = []
  let kept: Reading[] = []
  {
    await using store = await openOn(folder.disk, options)
    for (let i = 0; i < 12; i++) {
      all.push(...(await put(store, random.batch(300))))
      await store.seal()
      clock.advance(60_000)
      await store.seal()
    }
    kept = await readingsOf(store)
    expect(store.stats().segmentBytes).toBeLessThan(45_000)
    expect(kept.length).toBeGreaterThan(0)
    expect(kept.length).toBeLessThan(all.length)
    expect(kept).toEqual(all.slice(-kept.length))
  }
  await using store = await openOn(folder.disk, options)
  expect(await readingsOf(store)).toEqual(kept)
  expect(await readingsOf(store, "latest")).toEqual(latestOf(kept))
})

test("a full disk drops the oldest segments where that is the policy, and says so", async () => {
  await using folder = await emptyFolder()
  const disk = new FaultyDisk(folder.disk)
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const random = new RandomReadings(new SeededRandom(6))
  disk.pretendFree(2 ** 30)
  await using store = await openOn(disk, {
    clock,
    logger,
    minFreeBytes: 2 ** 14,
    whenFull: "drop-oldest",
    segments: segments({}, 10),
  })
  const batches: Reading[][] = []
  for (let i = 0; i < 4; i++) {
    batches.push(await put(store, random.batch(200)))
    await store.seal()
    clock.advance(1_000)
  }
  // A little too few: one segment is enough.
  disk.pretendFree(2 ** 14 - 10)
  await settle(store, clock, 10_000)
  disk.pretendFree(2 ** 30)
  const rows = await readingsOf(store)
  expect(rows.length).toBe(batches.slice(1).flat().length)
  expect(batches.flat().slice(-rows.length)).toEqual(rows)
  expect(logger.messages("warn").filter((message) => message.includes("disk is full"))).toHaveLength(1)
  expect(store.stats().state).toBe("accepting")
  const more = await put(store, random.batch(10))
  expect(await readingsOf(store)).toEqual([...rows, ...more])
})

test("where the policy is to refuse, a full disk refuses readings and deletes none", async () => {
  await using folder = await emptyFolder()
  const disk = new FaultyDisk(folder.disk)
  const clock = new VirtualClock()
  const random = new RandomReadings(new SeededRandom(7))
  disk.pretendFree(2 ** 30)
  await using store = await openOn(disk, { clock, minFreeBytes: 2 ** 20 })
  const readings = await put(store, random.batch(100))
  await store.seal()
  disk.pretendFree(0)
  await clock.run(30_000)
  await expect
    .poll(() => {
      try {
        store.append(random.batch(1))
        clock.advance(2_000)
        return "accepted"
      } catch (error) {
        return isFogError(error, "store_full") ? "store_full" : error
      }
    })
    .toBe("store_full")
  expect(store.stats().state).toBe("full")
  await settle(store, clock, 10_000)
  expect((await readingsOf(store)).slice(0, readings.length)).toEqual(readings)
})

test("sealing that fails is tried again, and queries see everything meanwhile", async () => {
  await using folder = await emptyFolder()
  const disk = new FaultyDisk(folder.disk)
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const random = new RandomReadings(new SeededRandom(8))
  await using store = await openOn(disk, { clock, logger })
  const all = await put(store, random.batch(100))
  for (const operation of ["sync", "rename", "syncFolder"] as const) {
    disk.fail({ operation, path: "segments" })
    await expect(store.seal()).rejects.toSatisfy((error) => isFogError(error, "disk_failed"))
    all.push(...(await put(store, random.batch(100))))
    expect(await readingsOf(store), operation).toEqual(all)
  }
  disk.fail({ operation: "rename", path: "latest" })
  await expect(store.seal()).rejects.toSatisfy((error) => isFogError(error, "disk_failed"))
  expect(await readingsOf(store)).toEqual(all)
  expect(logger.messages("warn")).toHaveLength(4)
  // What came while it failed is in the next generation.
  await store.seal()
  expect(store.stats()).toMatchObject({ tableRows: 0, segmentFiles: 2, segmentRows: all.length })
  expect(await readingsOf(store)).toEqual(all)
  const names = await folder.disk.list("segments")
  expect(names.filter((name) => name.endsWith(".tmp"))).toEqual([])
})
