import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { openFolderStorage } from "./folder-storage.ts"

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "brume-sdk-"))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return join(path, "unsent")
}

test("texts are kept over a reopening, replaced and removed", async () => {
  const path = await folder()
  const storage = await openFolderStorage(path)
  expect(await storage.get("a/b")).toBeUndefined()
  await storage.set("a/b", "one")
  await storage.set("a/b", "two é")
  await storage.set("c", "")
  const again = await openFolderStorage(path)
  expect((await again.keys()).sort()).toEqual(["a/b", "c"])
  expect(await again.get("a/b")).toBe("two é")
  await again.remove("a/b")
  await again.remove("a/b")
  expect(await again.keys()).toEqual(["c"])
})

test("nobody but the owner can read it", async (ctx) => {
  if (process.platform === "win32") ctx.skip("Windows has no such permissions")
  const path = await folder()
  const storage = await openFolderStorage(path)
  await storage.set("k", "text")
  expect((await stat(path)).mode & 0o777).toBe(0o700)
  for (const name of await readdir(path)) expect((await stat(join(path, name))).mode & 0o777).toBe(0o600)
})

test("a file that was being written when the machine stopped is not a batch", async () => {
  const path = await folder()
  const storage = await openFolderStorage(path)
  await writeFile(join(path, "k.batch.new"), "half")
  await writeFile(join(path, "notes.txt"), "")
  expect(await storage.keys()).toEqual([])
})

test("a folder that cannot be made is named", async () => {
  const path = await folder()
  await writeFile(path, "a file")
  await expect(openFolderStorage(path)).rejects.toMatchObject({
    code: "disk_failed",
    message: expect.stringContaining(path),
  })
})
