import { batchOf, ReadingBatch, SeriesCache } from "@brume/core"
import { expect, test } from "vitest"
import { ask, emptyFolder, latestOf, openOn, store as put, readingsOf } from "../../../../test/rig/open-store.ts"

const numbers = (count: number, first = 0): ReadingBatch =>
  batchOf(
    Array.from({ length: count }, (_, i) => ({
      device: `d${i % 7}`,
      property: "temperature",
      value: first + i,
      time: first + i,
    })),
  )

test("a reading of every kind reads the same from the tables, from a segment and after reopening", async () => {
  await using folder = await emptyFolder()
  const cache = new SeriesCache()
  const batch = new ReadingBatch()
  const plain = cache.get("site/ümlaut 'quoted'", "temperature")
  const tagged = cache.get("site/ümlaut 'quoted'", "temperature", '{"a":"1","b":"\\"x\\""}')
  batch.addNumber(plain, 1_750_000_000_123_456, -12.75)
  batch.addNumber(plain, -62_135_596_800_000_000, Number.MIN_VALUE, 7)
  batch.addNumber(tagged, Number.MAX_SAFE_INTEGER, 1.7976931348623157e308)
  batch.addText(plain, 3, "")
  batch.addText(plain, 4, "line\nbreak\u0000nul 😀")
  batch.addJson(tagged, 5, "true")
  batch.addJson(tagged, 5, '{"deep":[1,{"x":null}]}')
  batch.addBigInteger(plain, 6, "-9223372036854775809123")
  let expected: unknown[]
  {
    await using store = await openOn(folder.disk)
    expected = await put(store, batch)
    expect(await readingsOf(store)).toEqual(expected)
    await store.seal()
    expect(store.stats()).toMatchObject({ tableRows: 0, segmentRows: 8, segmentFiles: 1 })
    expect(await readingsOf(store)).toEqual(expected)
    expect(await readingsOf(store, "latest")).toEqual(latestOf(expected as never))
  }
  await using store = await openOn(folder.disk)
  expect(await readingsOf(store)).toEqual(expected)
  expect(await readingsOf(store, "latest")).toEqual(latestOf(expected as never))
})

test("an empty store answers, before and after a restart", async () => {
  await using folder = await emptyFolder()
  for (let turn = 0; turn < 2; turn++) {
    await using store = await openOn(folder.disk)
    expect(await readingsOf(store)).toEqual([])
    expect(await readingsOf(store, "latest")).toEqual([])
    await store.seal()
  }
})

test("unsealed readings come back from the log, once", async () => {
  await using folder = await emptyFolder()
  const expected: unknown[] = []
  for (let turn = 0; turn < 3; turn++) {
    await using store = await openOn(folder.disk)
    expect(await readingsOf(store)).toEqual(expected)
    expected.push(...(await put(store, numbers(100, turn * 100))))
    if (turn === 1) await store.seal()
    expected.push(...(await put(store, numbers(10, turn * 100 + 50))))
    expect(await readingsOf(store)).toEqual(expected)
    expect(await readingsOf(store, "latest")).toEqual(latestOf(expected as never))
  }
})

test("a value that is no JSON after all spoils no query: sealed, it is a JSON string", async () => {
  await using folder = await emptyFolder()
  await using store = await openOn(folder.disk)
  const batch = new ReadingBatch()
  const series = new SeriesCache().get("d", "p")
  batch.addJson(series, 1, "{not json")
  batch.addJson(series, 2, '{"a":1}')
  await put(store, batch)
  await store.seal()
  const rows = await ask(store, "SELECT json, json->>'$.a' AS a FROM readings ORDER BY time")
  expect(rows).toEqual([
    { json: '"{not json"', a: null },
    { json: '{"a":1}', a: "1" },
  ])
})
