import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { emptyFolder } from "../../../../../test/rig/open-store.ts"
import { openEngine } from "./engine.ts"

const limits = { memoryBytes: 2 ** 26, tempBytes: 2 ** 27 }

test("statements reach the folders of segments and of temporary files, and no other file", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  await writeFile(join(folder.path, "admin-token"), "secret")
  await using engine = await openEngine({ disk: folder.disk, ...limits })
  const session = await engine.session()
  await session.run(`COPY (SELECT 1 AS one) TO '${folder.disk.absolute("segments/a.parquet")}'`)
  expect(await session.rows(`SELECT * FROM '${folder.disk.absolute("segments/a.parquet")}'`)).toEqual([[1]])
  for (const sql of [
    `SELECT * FROM read_text('${folder.disk.absolute("admin-token")}')`,
    `SELECT * FROM read_text('${folder.disk.absolute("segments")}/../admin-token')`,
    "SELECT * FROM read_text('/etc/passwd')",
    `COPY (SELECT 1) TO '${folder.disk.absolute("x.parquet")}'`,
    `ATTACH '${folder.disk.absolute("x.db")}'`,
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET memory_limit = '10GB'",
    "SET threads = 4",
  ]) {
    await expect(session.run(sql), sql).rejects.toThrow()
  }
})

test("now is UTC and has the type of the column time, so that a filter with it prunes", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  await using engine = await openEngine({ disk: folder.disk, ...limits })
  const session = await engine.session()
  const [row] = await session.rows(
    "SELECT typeof(now()), typeof(current_timestamp), abs(epoch(now()) - epoch('2000-01-01'::TIMESTAMP)), current_setting('TimeZone')",
  )
  expect(row?.slice(0, 2)).toEqual(["TIMESTAMP", "TIMESTAMP"])
  expect(Math.abs(Number(row?.[2]) + 946_684_800 - Date.now() / 1000)).toBeLessThan(60)
  expect(row?.[3]).toBe("UTC")
  const file = folder.disk.absolute("segments/a.parquet")
  await session.run(`COPY (SELECT TIMESTAMP '2001-01-01' AS time) TO '${file}'`)
  const [[, plan] = []] = await session.rows(`EXPLAIN SELECT * FROM '${file}' WHERE time > now() - INTERVAL 1 HOUR`)
  expect(plan).toContain("EMPTY_RESULT")
})

test("a transaction that fails leaves nothing, and the session goes on", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  await using engine = await openEngine({ disk: folder.disk, ...limits })
  const session = await engine.session()
  await expect(session.transaction("CREATE TABLE t (a INTEGER)", "SELECT broken")).rejects.toThrow()
  await expect(session.rows("SELECT * FROM t")).rejects.toThrow()
  await session.transaction("CREATE TABLE t (a INTEGER)", "INSERT INTO t VALUES (1)")
  expect(await session.rows("SELECT * FROM t")).toEqual([[1]])
})

test("a session that is stopped ends its statement at once and takes no other", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  await using engine = await openEngine({ disk: folder.disk, ...limits })
  const session = await engine.session()
  const endless = expect(session.rows("SELECT count(*) FROM range(1000000000000)")).rejects.toThrow(/INTERRUPT/i)
  const waiting = expect(session.rows("SELECT 1")).rejects.toMatchObject({ code: "store_closed" })
  // It has begun.
  await new Promise((resolve) => setTimeout(resolve, 20))
  await session.stop()
  await Promise.all([endless, waiting])
  await expect(session.rows("SELECT 1")).rejects.toMatchObject({ code: "store_closed" })
})

test("an interrupted statement fails and the next one runs", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  await using engine = await openEngine({ disk: folder.disk, ...limits })
  const session = await engine.session()
  const endless = session.rows("SELECT count(*) FROM range(1000000000000)")
  const ended = expect(endless).rejects.toThrow(/INTERRUPT/i)
  const timer = setInterval(() => session.interrupt(), 20)
  await ended
  clearInterval(timer)
  expect(await session.rows("SELECT 1")).toEqual([[1]])
})
