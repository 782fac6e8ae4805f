import { constants } from "node:fs"
import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describeDisk } from "@brume/testkit"
import { expect, test } from "vitest"
import { openDisk } from "./disk.ts"

async function openFolder() {
  const folder = await mkdtemp(join(tmpdir(), "brume-disk-"))
  return {
    folder,
    disk: await openDisk(folder),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

describeDisk("a folder", openFolder)

test("files and folders are for their owner alone", async (ctx) => {
  if (process.platform === "win32") ctx.skip("Windows has no such modes")
  await using fixture = await openFolder()
  const { disk, folder } = fixture
  await disk.makeFolder("inner")
  await disk.replace("inner/replaced", new Uint8Array(1))
  await (await disk.open("opened", { create: true })).close()
  const modeOf = async (path: string) => (await stat(join(folder, path))).mode & 0o777
  expect(await Promise.all(["inner", "inner/replaced", "opened"].map(modeOf))).toEqual([0o700, 0o600, 0o600])
})

test("Linux syncs durable writes by itself, and only those", async (ctx) => {
  if (process.platform !== "linux") ctx.skip("only Linux shows the flags of an open file")
  await using fixture = await openFolder()
  const { disk, folder } = fixture
  const files = [
    await disk.open("plain", { create: true }),
    await disk.open("durable", { create: true, durable: true }),
  ]
  const synced: string[] = []
  for (const number of await readdir("/proc/self/fd")) {
    const path = await readlink(`/proc/self/fd/${number}`).catch(() => "")
    if (!path.startsWith(folder)) continue
    const [, flags = ""] = /flags:\s*(\d+)/.exec(await readFile(`/proc/self/fdinfo/${number}`, "utf8")) ?? []
    if ((Number.parseInt(flags, 8) & constants.O_DSYNC) !== 0) synced.push(path.slice(folder.length + 1))
  }
  expect(synced).toEqual(["durable"])
  for (const file of files) await file.close()
})

test("what a crash left of a replace is overwritten by the next one", async () => {
  await using fixture = await openFolder()
  const { disk, folder } = fixture
  await writeFile(join(folder, "a.new"), "left by a crash, and longer than what comes")
  await disk.replace("a", new TextEncoder().encode("content"))
  expect(new TextDecoder().decode(await disk.read("a"))).toBe("content")
  expect(await readdir(folder)).toEqual(["a"])
})

test("a data folder that is a file is refused with its path", async () => {
  await using fixture = await openFolder()
  const path = join(fixture.folder, "file")
  await writeFile(path, "")
  await expect(openDisk(path)).rejects.toMatchObject({
    code: "store_not_found",
    message: expect.stringContaining(path),
  })
})

test("a data folder that cannot be created is refused", async (ctx) => {
  if ((await stat("/proc/self").catch(() => undefined)) === undefined) ctx.skip("this system has no /proc")
  await expect(openDisk("/proc/brume")).rejects.toMatchObject({
    code: "store_not_found",
    message: expect.stringContaining("/proc/brume"),
  })
})

test("a full device is told from a broken one", async (ctx) => {
  if ((await stat("/dev/full").catch(() => undefined)) === undefined) ctx.skip("this system has no /dev/full")
  const disk = await openDisk("/dev")
  const file = await disk.open("full")
  await expect(file.write([new Uint8Array(1)], 0)).rejects.toMatchObject({
    code: "store_full",
    message: "Cannot write /dev/full: ENOSPC",
    hint: expect.stringContaining("Free some space"),
  })
  await file.close()
})
