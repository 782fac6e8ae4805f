/** A writer's storage in a folder: one file per batch. Node.js only; loads nothing elsewhere. */
import { FogError } from "@brume/core"
import { systemCode } from "../problem.ts"
import type { WriterStorage } from "./storage.ts"

type FileSystem = typeof import("node:fs/promises")

const ending = ".batch"

/**
 * Opens a folder (made when missing, readable by its owner alone) for the batches of one writer.
 * Throws `disk_failed` where there are no files, as in a browser.
 *
 * @example
 * ```ts
 * const storage = await openFolderStorage("./unsent")
 * const writer = client.writer({ storage })
 * ```
 */
export async function openFolderStorage(folder: string): Promise<WriterStorage> {
  // Asked of the process instead of imported: bundlers for browsers would otherwise stumble over the import.
  const files: FileSystem | undefined = globalThis.process?.getBuiltinModule?.("node:fs/promises")
  if (files === undefined) {
    throw new FogError("disk_failed", {
      message: `Cannot open folder ${folder}: there are no files here`,
      hint: "Outside Node.js, give the writer a storage of your own, e.g. over IndexedDB.",
    })
  }
  const fs = files
  const pathOf = (key: string): string => `${folder}/${encodeURIComponent(key)}${ending}`
  await guarded(folder, () => fs.mkdir(folder, { recursive: true, mode: 0o700 }))

  return {
    keys: () =>
      guarded(folder, async () => {
        const names = await fs.readdir(folder)
        return names
          .filter((name) => name.endsWith(ending))
          .map((name) => decodeURIComponent(name.slice(0, -ending.length)))
      }),
    get: (key) => guarded(pathOf(key), () => readIfThere(fs, pathOf(key))),
    set: (key, text) =>
      guarded(pathOf(key), async () => {
        const beside = `${pathOf(key)}.new`
        const file = await fs.open(beside, "w", 0o600)
        try {
          await file.writeFile(text)
          await file.sync()
        } finally {
          await file.close()
        }
        await fs.rename(beside, pathOf(key))
        await syncFolder(fs, folder)
      }),
    remove: (key) => guarded(pathOf(key), () => fs.rm(pathOf(key), { force: true })),
  }
}

async function readIfThere(fs: FileSystem, path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, "utf8")
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined
    throw error
  }
}

async function syncFolder(fs: FileSystem, folder: string): Promise<void> {
  // Windows cannot open a folder; its file system journals renames by itself.
  if (process.platform === "win32") return
  const handle = await fs.open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function guarded<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const isFull = ["ENOSPC", "EDQUOT"].includes(systemCode(error) ?? "")
    throw new FogError(isFull ? "store_full" : "disk_failed", {
      message: `Cannot keep unsent readings at ${path}: ${(error as Error).message}`,
      hint: isFull ? "Free some space, or give the writer another folder." : "Check the folder and its permissions.",
      cause: error,
    })
  }
}
