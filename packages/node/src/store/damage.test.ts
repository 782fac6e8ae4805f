/** A2: flipped bits, cut and missing files, a lost manifest. Right rows or reported damage; never wrong rows, never a crash. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Reading } from "@brume/core"
import { SeededRandom, SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import {
  emptyFolder,
  type Folder,
  latestOf,
  openOn,
  store as put,
  readingsOf,
} from "../../../../test/rig/open-store.ts"
import { RandomReadings } from "../../../../test/rig/random-readings.ts"
import { openDisk } from "../disk/disk.ts"
import type { NodeStore } from "./store.ts"

const isLong = process.env.BRUME_LONG !== undefined
const smallLog = { fileBytes: 2 ** 12, maxDelayMs: 0, maxPendingBytes: 2 ** 20 }

interface Original {
  readonly folder: Folder
  readonly readings: readonly Reading[]
}

/** A closed store with several segments; of the early ones the log knows nothing any more. */
async function original(seed = 1): Promise<Original> {
  const folder = await emptyFolder()
  const random = new RandomReadings(new SeededRandom(seed))
  const readings: Reading[] = []
  await using store = await openOn(folder.disk, { log: smallLog })
  for (let i = 0; i < 5; i++) {
    readings.push(...(await put(store, random.batch(150))))
    await store.seal()
  }
  readings.push(...(await put(store, random.batch(30))))
  return { folder, readings }
}

async function copyOf({ folder }: Original): Promise<Folder> {
  const copy = await emptyFolder()
  await cp(folder.path, copy.path, { recursive: true })
  return copy
}

/** The store serves everything but what it reports; what it reports is not there. */
async function expectHonest(store: NodeStore, readings: readonly Reading[], message: string): Promise<Reading[]> {
  const rows = await readingsOf(store)
  const { damaged } = store.stats()
  const isLost = (reading: Reading): boolean =>
    damaged.some(
      ({ epoch, fromSeq, toSeq }) => epoch === reading.epoch && fromSeq <= reading.seq && reading.seq < toSeq,
    )
  expect(rows, message).toEqual(readings.filter((reading) => !isLost(reading)))
  expect(await readingsOf(store, "latest"), message).toEqual(latestOf(rows))
  return rows
}

test("any flipped bit or cut in any file of a segment is found, kept apart and reported", async () => {
  const whole = await original()
  await using _ = whole.folder
  const names = (await readdir(join(whole.folder.path, "segments"))).filter((name) => name.endsWith(".parquet"))
  const random = new SeededRandom(3)
  let losses = 0
  let recovered = 0
  for (let turn = 0; turn < (isLong ? 2_000 : 14); turn++) {
    const name = names[turn % names.length]!
    await using copy = await copyOf(whole)
    const path = join(copy.path, "segments", name)
    const bytes = await readFile(path)
    const at = random.below(bytes.length)
    const cut = random.chance(0.3)
    if (!cut) bytes[at]! ^= 1 << random.below(8)
    await writeFile(path, cut ? bytes.subarray(0, random.chance(0.3) ? 0 : at) : bytes)
    const message = `${name}, ${cut ? "cut" : "flipped"} at ${at}`
    await using store = await openOn(copy.disk)
    const rows = await expectHonest(store, whole.readings, message)
    if (name.includes("latest")) expect(rows.length, message).toBe(whole.readings.length)
    else expect(await copy.disk.list("quarantine"), message).toContain(name)
    if (rows.length < whole.readings.length) losses++
    else recovered++
    for (const { file, quarantined, certainty } of store.stats().damaged) {
      expect(file).toBe(`segments/${name}`)
      expect(quarantined).toBe(`quarantine/${name}`)
      expect(certainty).toBe("acknowledged")
    }
  }
  expect(losses, "some were not in the log any more").toBeGreaterThan(0)
  expect(recovered, "some were").toBeGreaterThan(0)
}, 600_000)

test("damage is remembered, and the store goes on and seals around it", async () => {
  const whole = await original(2)
  await using _ = whole.folder
  const [first] = (await whole.folder.disk.list("segments")).filter((name) => !name.includes("latest"))
  await rm(join(whole.folder.path, "segments", first!))
  const random = new RandomReadings(new SeededRandom(9))
  const readings = [...whole.readings]
  let reported: unknown
  for (let turn = 0; turn < 3; turn++) {
    await using store = await openOn(whole.folder.disk, { log: smallLog })
    await expectHonest(store, readings, `turn ${turn}`)
    expect(store.stats().damaged).toMatchObject([
      { file: `segments/${first}`, quarantined: `quarantine/${first}.missing` },
    ])
    reported ??= store.stats().damaged
    expect(store.stats().damaged).toEqual(reported)
    readings.push(...(await put(store, random.batch(100))))
    await store.seal()
    await expectHonest(store, readings, `turn ${turn}, sealed`)
  }
  // Somebody has dealt with it.
  await rm(join(whole.folder.path, "quarantine", `${first}.missing`))
  for (let turn = 0; turn < 2; turn++) {
    await using store = await openOn(whole.folder.disk, { log: smallLog })
    expect(store.stats().damaged).toEqual([])
    expect((await readingsOf(store)).length).toBeLessThan(readings.length)
  }
})

test("a segment that somebody puts back is served again", async () => {
  const whole = await original(3)
  await using _ = whole.folder
  const [first] = (await whole.folder.disk.list("segments")).filter((name) => !name.includes("latest"))
  const path = join(whole.folder.path, "segments", first!)
  const bytes = await readFile(path)
  await writeFile(path, bytes.subarray(1))
  {
    await using store = await openOn(whole.folder.disk)
    expect((await expectHonest(store, whole.readings, "damaged")).length).toBeLessThan(whole.readings.length)
  }
  await writeFile(path, bytes.subarray(2))
  {
    await using store = await openOn(whole.folder.disk)
    await expectHonest(store, whole.readings, "put back damaged")
    expect(store.stats().damaged).toHaveLength(1)
  }
  await writeFile(path, bytes)
  for (let turn = 0; turn < 2; turn++) {
    await using store = await openOn(whole.folder.disk)
    expect(await expectHonest(store, whole.readings, "put back")).toEqual(whole.readings)
    expect(store.stats().damaged).toEqual([])
  }
})

test("a segment that is damaged while its readings are still in the log loses nothing", async () => {
  await using folder = await emptyFolder()
  const random = new RandomReadings(new SeededRandom(4))
  const readings: Reading[] = []
  {
    await using store = await openOn(folder.disk)
    for (let i = 0; i < 3; i++) {
      readings.push(...(await put(store, random.batch(100))))
      await store.seal()
    }
  }
  const name = (await folder.disk.list("segments"))[1]!
  const path = join(folder.path, "segments", name)
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
  const logger = new SilentLogger()
  {
    // What the log is about to forget is verified in any case.
    const segments = { mergeRows: 1_000_000, retention: {}, verifyBytes: 0 }
    await using store = await openOn(folder.disk, { logger, segments })
    expect(await readingsOf(store)).toEqual(readings)
    expect(store.stats().damaged).toEqual([])
    await store.seal()
    expect(await readingsOf(store)).toEqual(readings)
  }
  expect(logger.messages("error")).toEqual(["segment is damaged and was taken out"])
  await using store = await openOn(folder.disk)
  expect(store.stats().tableRows, "it is sealed again").toBe(0)
  expect(await readingsOf(store)).toEqual(readings)
})

test("without log and manifest the segments are taken up again, each reading once", async () => {
  const whole = await original(5)
  await using _ = whole.folder
  const sealed: Reading[] = []
  {
    await using store = await openOn(whole.folder.disk)
    await store.seal()
    sealed.push(...(await readingsOf(store)))
  }
  // A merge that was under way: its result lies beside what it was made of.
  const before = await copyOf(whole)
  await using __ = before
  await mergeAll(whole.folder)
  await cp(join(before.path, "segments"), join(whole.folder.path, "segments"), { recursive: true })
  await rm(join(whole.folder.path, "log"), { recursive: true })
  await mkdir(join(whole.folder.path, "log"))
  await using store = await openOn(whole.folder.disk)
  expect(await readingsOf(store)).toEqual(sealed)
  expect(await readingsOf(store, "latest")).toEqual(latestOf(sealed))
  const more = await put(store, new RandomReadings(new SeededRandom(6)).batch(50))
  expect(more[0]!.epoch).not.toBe(sealed[0]!.epoch)
  await store.seal()
  const all = [...sealed, ...more].sort((a, b) => (a.epoch === b.epoch ? a.seq - b.seq : a.epoch < b.epoch ? -1 : 1))
  expect(await readingsOf(store)).toEqual(all)
})

test("a log that lost its end gives no sequence twice", async () => {
  await using folder = await emptyFolder()
  const random = new RandomReadings(new SeededRandom(8))
  let sealed: Reading[] = []
  let early = ""
  {
    await using store = await openOn(folder.disk)
    await put(store, random.batch(10))
    early = join(folder.path, "log", (await folder.disk.list("log"))[0]!)
  }
  const log = await readFile(early)
  {
    await using store = await openOn(folder.disk)
    await put(store, random.batch(100))
    await store.seal()
    sealed = await readingsOf(store)
  }
  // As if the file system had taken a day back, but for the folder of segments.
  await writeFile(early, log)
  await using store = await openOn(folder.disk)
  expect(await readingsOf(store), "the segment that the log does not know is taken up").toEqual(sealed)
  const more = await put(store, random.batch(50))
  expect(await readingsOf(store)).toEqual([...sealed, ...more])
  expect(new Set([...sealed, ...more].map(({ epoch, seq }) => `${epoch} ${seq}`)).size).toBe(
    sealed.length + more.length,
  )
})

/** Waits until upkeep has merged. */
async function mergeAll(folder: Folder): Promise<void> {
  const { VirtualClock } = await import("@brume/testkit")
  const clock = new VirtualClock()
  await using store = await openOn(folder.disk, { clock })
  const files = store.stats().segmentFiles
  for (let turn = 0; turn < 5; turn++) {
    await clock.run(1_000)
    await store.seal()
  }
  expect(store.stats().segmentFiles).toBeLessThan(files)
}

test("segments of another life are kept when a file of the folder is not Brume's", async () => {
  const whole = await original(7)
  await using _ = whole.folder
  await writeFile(join(whole.folder.path, "segments", "notes.txt"), "mine")
  await writeFile(join(whole.folder.path, "segments", `${"0".repeat(16)}-x.parquet.tmp`), "left over")
  const logger = new SilentLogger()
  await using store = await openOn(whole.folder.disk, { logger })
  expect(await readingsOf(store)).toEqual(whole.readings)
  const names = await whole.folder.disk.list("segments")
  expect(names).toContain("notes.txt")
  expect(names.filter((name) => name.endsWith(".tmp"))).toEqual([])
  expect(logger.messages("warn")).toContain("a file in the folder of segments is not Brume's")
})

test("a damaged node.json is written anew, one of a newer version is refused", async () => {
  await using folder = await emptyFolder()
  for (const content of ["", "{", '{"format":"1"}', "\u0000\u0000\u0000"]) {
    await writeFile(join(folder.path, "node.json"), content)
    const disk = await openDisk(folder.path)
    await (await openOn(disk)).close()
    expect(JSON.parse(await readFile(join(folder.path, "node.json"), "utf8"))).toMatchObject({
      format: 1,
      node: "gateway-1",
    })
    expect(await readFile(join(folder.path, "quarantine", "node.json"), "utf8")).toBe(content)
  }
  await writeFile(join(folder.path, "node.json"), '{"format":2,"node":"gateway-1","created":"2030-01-01"}')
  await expect(openOn(folder.disk)).rejects.toMatchObject({ code: "store_version" })
  await writeFile(join(folder.path, "node.json"), "{}")
  await (await openOn(folder.disk)).close()
})
