import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { SeededRandom, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { emptyFolder, openOn, store as put, readingsOf } from "../../../../../test/rig/open-store.ts"
import { RandomReadings } from "../../../../../test/rig/random-readings.ts"

test("what the budget does not reach at the start is verified in the background, and again every hour", async () => {
  await using folder = await emptyFolder()
  const random = new RandomReadings(new SeededRandom(1))
  const log = { fileBytes: 2 ** 12, maxDelayMs: 0, maxPendingBytes: 2 ** 20 }
  const rows: number[] = []
  {
    await using store = await openOn(folder.disk, { log })
    for (let i = 0; i < 3; i++) {
      rows.push((await put(store, random.batch(100))).length)
      await store.seal()
    }
    for (let i = 0; i < 3; i++) {
      rows.push((await put(store, random.batch(10))).length)
      await store.seal()
    }
  }
  const names = (await folder.disk.list("segments")).filter((name) => !name.includes("latest"))
  const spoil = async (name: string): Promise<void> => {
    const path = join(folder.path, "segments", name)
    const bytes = await folder.disk.read(`segments/${name}`)
    bytes![40]! ^= 1
    await writeFile(path, bytes!)
  }
  await spoil(names[0]!)
  const clock = new VirtualClock()
  const hashed: string[] = []
  const disk = new Proxy(folder.disk, {
    get: (target, name) =>
      name === "hash"
        ? (path: string) => {
            hashed.push(path.slice("segments/".length))
            return target.hash(path)
          }
        : Reflect.get(target, name).bind(target),
  })
  const segments = { mergeRows: 1, retention: {}, verifyBytes: 1 }
  await using store = await openOn(disk, { clock, log, segments })
  await store.pin()
  expect(store.stats().damaged, "the budget is too small for any").toEqual([])
  const until = (isDone: () => boolean, stepMs: number) =>
    expect
      .poll(
        async () => {
          await clock.run(stepMs)
          return isDone()
        },
        { timeout: 20_000 },
      )
      .toBe(true)
  await until(() => names.every((name) => hashed.includes(name)), 250)
  await until(() => store.stats().damaged.length === 1, 250)
  expect(store.stats().damaged).toMatchObject([{ file: `segments/${names[0]}`, fromSeq: 0 }])
  expect(await readingsOf(store)).toHaveLength(rows.slice(1).reduce((sum, count) => sum + count, 0))
  await spoil(names[1]!)
  // One file an hour, since the budget is smaller than any.
  await until(() => store.stats().damaged.length === 2, 3_600_000)
  expect(store.stats().damaged).toMatchObject([{ file: `segments/${names[0]}` }, { file: `segments/${names[1]}` }])
})
