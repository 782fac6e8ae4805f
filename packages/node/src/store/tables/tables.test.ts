import { batchOf, isFogError, type ReadingBatch } from "@brume/core"
import { FaultyDisk, nullMetrics, SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { ask, emptyFolder, openOn } from "../../../../../test/rig/open-store.ts"
import { Catalog } from "./catalog.ts"
import { openEngine } from "./engine.ts"
import { Tables } from "./tables.ts"

const numbers = (count: number): ReadingBatch =>
  batchOf(Array.from({ length: count }, (_, i) => ({ device: `d${i % 10}`, value: i, time: i })))

test("without memory nothing is lost: readings wait, and are all there when there is some", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  const memoryBytes = 2 ** 25
  await using engine = await openEngine({ disk: folder.disk, memoryBytes, tempBytes: 2 ** 20 })
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const catalog = new Catalog(folder.disk, await engine.session())
  const limits = { sealRows: 1_000_000, sealAgeMs: 3_600_000, applyIntervalMs: 100, memoryBytes }
  const options = {
    engine,
    catalog,
    clock,
    logger,
    metrics: nullMetrics,
    node: "n",
    epoch: "e",
    ...limits,
    onDue: () => {},
  }
  const tables = await Tables.open(options, 0)
  const session = await engine.session()
  const count = async (): Promise<unknown> =>
    (await session.rows("SELECT count(*), count(DISTINCT seq) FROM readings"))[0]
  await session.run("CREATE TEMP TABLE hog AS SELECT range AS a, hash(range) AS b FROM range(10)")
  const grow = async (): Promise<void> => {
    for (;;) await session.run("INSERT INTO hog SELECT range, hash(range) FROM range(20000)")
  }
  await expect(grow()).rejects.toThrow(/memory/i)
  let seq = 0
  const offer = (rows: number): void => {
    tables.offer(numbers(rows), seq)
    seq += rows
  }
  for (let i = 0; i < 40 && logger.messages("warn").length === 0; i++) {
    offer(5_000)
    await clock.run(1_000)
  }
  expect(logger.messages("warn"), "said once").toEqual(["tables have no memory for new readings; trying again"])
  expect(tables.appliedSeq).toBeLessThan(seq)
  offer(5_000)
  await clock.run(60_000)
  expect(logger.messages("warn")).toHaveLength(1)
  await session.run("DROP TABLE hog")
  const hasCaughtUp = async (): Promise<boolean> => {
    await clock.run(1_000)
    return tables.appliedSeq === undefined
  }
  await expect.poll(hasCaughtUp, { timeout: 20_000 }).toBe(true)
  expect(await count()).toEqual([BigInt(seq), BigInt(seq)])
  offer(100)
  await tables.applied()
  expect(await count()).toEqual([BigInt(seq), BigInt(seq)])
  tables.close()
})

test("when nothing can be sealed, the tables fill up and the store refuses instead of growing", async () => {
  await using folder = await emptyFolder()
  const disk = new FaultyDisk(folder.disk)
  const clock = new VirtualClock()
  const tables = { sealRows: 50_000, sealAgeMs: 3_600_000, applyIntervalMs: 100, memoryBytes: 2 ** 28 }
  await using store = await openOn(disk, { clock, tables })
  disk.fail({ operation: "rename", path: "segments", forever: true })
  let accepted = 0
  let refusal: unknown
  while (refusal === undefined && accepted < 2_000_000) {
    try {
      const { durable } = store.append(numbers(20_000))
      accepted += 20_000
      await durable
      await clock.run(1_000)
    } catch (error) {
      refusal = error
    }
  }
  expect(isFogError(refusal, "store_busy")).toBe(true)
  expect(store.stats().tableRows).toBeLessThanOrEqual(4 * 50_000 + 16_384)
  expect(accepted).toBeLessThan(800_000)
  disk.heal()
  await store.seal()
  const [row] = await ask(store, "SELECT count(*) AS count, count(DISTINCT seq) AS seqs FROM readings")
  expect(row).toEqual({ count: accepted, seqs: accepted })
}, 60_000)
