import { expect, test } from "vitest"
import { emptyFolder } from "../../../../../test/rig/open-store.ts"
import { Catalog } from "../tables/catalog.ts"
import { openEngine } from "../tables/engine.ts"
import { archiveOf } from "./archive.ts"
import type { SegmentEntry } from "./manifest.ts"

const hourUs = 3_600_000_000

const entryOf = (hour: number, rows: number, maxTime = hour * hourUs): SegmentEntry => ({
  name: `h${hour}`,
  node: "n",
  epoch: "e",
  ranges: [[hour, hour + 1]],
  rows,
  bytes: 1,
  sha256: "",
  minTime: 0,
  maxTime,
  minReceived: 0,
  maxReceived: hour * hourUs,
})

test("what is older than a day before the newest goes to the archive, when it is much", () => {
  const segments = [entryOf(1, 8e6), entryOf(2, 8e6), entryOf(20, 8e6), entryOf(30, 1)]
  expect(archiveOf(segments)).toEqual({ names: ["h1", "h2"], maxTime: 2 * hourUs })
  expect(archiveOf(segments.slice(1)), "8 million rows").toBeUndefined()
  expect(archiveOf([])).toBeUndefined()
  const ahead = entryOf(21, 1, 1e15)
  expect(archiveOf([...segments.slice(0, 3), ahead]), "a clock that is ahead ages nothing").toBeUndefined()
  expect(archiveOf([entryOf(1, 8e6, 1e15), ...segments.slice(1)])).toBeUndefined()
})

test("a query for recent times does not look at the archive, and others see it", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  await using engine = await openEngine({ disk: folder.disk, memoryBytes: 2 ** 27, tempBytes: 2 ** 27 })
  const session = await engine.session()
  for (const [name, time] of [
    ["old", "2020-01-01 00:00:00.000001"],
    ["new", "2020-02-01"],
  ]) {
    await session.run(`COPY (SELECT TIMESTAMP '${time}' AS time, TIMESTAMP '2020-01-01' AS received, 'd' AS device, 'p' AS property,
      1.0::DOUBLE AS value, NULL::VARCHAR AS text, NULL::JSON AS json, '{}'::JSON AS tags, 0::UTINYINT AS quality,
      'n' AS node, 'e' AS epoch, 1::BIGINT AS seq) TO '${folder.disk.absolute(`segments/${name}.parquet`)}'`)
  }
  const catalog = new Catalog(folder.disk, await engine.session())
  const archive = { segments: ["segments/old.parquet"], maxTime: 1_577_836_800_000_001 }
  await catalog.change({ edit: (sources) => ({ ...sources, segments: ["segments/new.parquet"], archive }) })
  expect(await session.rows("SELECT count(*) FROM readings")).toEqual([[2n]])
  expect(await session.rows("SELECT count(*) FROM readings WHERE time > '2019-12-31'")).toEqual([[2n]])
  const plan = async (time: string): Promise<string> =>
    String((await session.rows(`EXPLAIN SELECT * FROM readings WHERE device = 'd' AND time > ${time}`))[0]?.[1])
  const scans = (text: string): number => text.split("Function:").length - 1
  expect(scans(await plan("'2019-12-31'"))).toBe(2)
  expect(scans(await plan("'2020-01-15'"))).toBe(1)
  expect(scans(await plan("now() - INTERVAL 1 HOUR")), "the new one is known to be too old by its own statistics").toBe(
    0,
  )
})
