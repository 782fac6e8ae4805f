/**
 * The disk: all files of one data folder, behind core's `Disk`. Every other room reaches files through it, so that a
 * simulated disk can stand in its place.
 *
 * Invariants
 * - D1 `sync`, `syncFolder` and a durable `write` return only after the system said that the bytes are on the device. A
 *   failed sync is reported and never repeated here: the kernel forgets dirty pages that it failed to write, so that a second sync
 *   would lie.
 * - D2 `replace` leaves the old content or the new one, whatever happens in between.
 * - D3 Nothing outside the data folder is touched: paths are relative, without `..`.
 * - D4 Files are 0600 and folders 0700, less what the umask takes.
 * - D5 One live process holds the lock (lock.ts).
 * - D6 Every failure is a FogError that names the file and the remedy: `store_full`, `store_locked`, `store_not_found`
 *   or `disk_failed`.
 *
 * What it is not: a cache or a queue. Each call goes to the system at once, on libuv's pool; callers bound how many
 * are under way.
 */
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import { access, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { type Disk, type DiskFile, type DiskLock, FogError, type OpenOptions } from "@brume/core"
import { openFolderFile } from "./file.ts"
import { takeLock } from "./lock.ts"
import { attempt, causeCode } from "./refusal.ts"

export interface DiskOptions {
  /** Stands in the lock file, so that a refusal can say who holds the folder. */
  readonly node?: string
}

/** Opens a data folder and creates it when it is missing. Throws `store_not_found` when that cannot be. */
export async function openDisk(folder: string, options: DiskOptions = {}): Promise<Disk> {
  const root = resolve(folder)
  try {
    await makeFolders(root)
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new FogError("store_not_found", {
      message: `Cannot use ${root} as the data folder: ${causeCode(cause)}`,
      hint: "Name a folder that the user who runs Brume may read and write, or one that can be created.",
      cause,
    })
  }
  return new FolderDisk(root, options.node ?? "")
}

/** Bytes that are read at once for a hash. */
const hashPieceBytes = 1 << 20

class FolderDisk implements Disk {
  readonly #root: string
  readonly #node: string
  /** The last `replace` of each path that is under way: two of them would write the same file beside. */
  readonly #replacing = new Map<string, Promise<void>>()

  constructor(root: string, node: string) {
    this.#root = root
    this.#node = node
  }

  absolute(path: string): string {
    return process.platform === "win32" ? this.#system(path).replaceAll("\\", "/") : this.#system(path)
  }

  open(path: string, { create = false, durable = false }: OpenOptions = {}): Promise<DiskFile> {
    const flags = create ? constants.O_RDWR | constants.O_CREAT : constants.O_RDWR
    return openFolderFile(this.#system(path), flags, durable)
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const content = await orMissing(() => attempt("read", this.#system(path), (file) => readFile(file)))
    // A plain array: the `slice` of a Buffer would share its memory, that of its class does not.
    return content === undefined ? undefined : new Uint8Array(content.buffer, content.byteOffset, content.length)
  }

  async replace(path: string, content: Uint8Array): Promise<void> {
    const earlier = this.#replacing.get(path) ?? Promise.resolve()
    const mine = earlier.catch(() => {}).then(() => this.#replaceNow(path, content))
    this.#replacing.set(path, mine)
    try {
      await mine
    } finally {
      if (this.#replacing.get(path) === mine) this.#replacing.delete(path)
    }
  }

  async sync(path: string): Promise<void> {
    const file = await this.open(path)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const target = this.#system(to)
    await attempt("rename", this.#system(from), (file) => rename(file, target))
  }

  async remove(path: string): Promise<void> {
    await attempt("remove", this.#system(path), (file) => rm(file, { force: true }))
  }

  async makeFolder(path: string): Promise<void> {
    await attempt("create folder", this.#system(path), makeFolders)
  }

  async syncFolder(path: string): Promise<void> {
    // Windows cannot sync a folder, and needs no such call: NTFS journals its entries.
    if (process.platform === "win32") return
    await attempt("sync folder", this.#system(path), async (folder) => {
      const handle = await open(folder, constants.O_RDONLY)
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    })
  }

  async list(path: string): Promise<string[]> {
    const names = await orMissing(() => attempt("list", this.#system(path), (folder) => readdir(folder)))
    return (names ?? []).sort()
  }

  async size(path: string): Promise<number | undefined> {
    const found = await orMissing(() => attempt("look at", this.#system(path), (file) => stat(file)))
    return found?.size
  }

  async hash(path: string): Promise<string> {
    const file = await openFolderFile(this.#system(path), constants.O_RDONLY)
    try {
      const hash = createHash("sha256")
      const piece = new Uint8Array(hashPieceBytes)
      for (let position = 0; ; ) {
        const count = await file.read(piece, position)
        if (count === 0) return hash.digest("hex")
        hash.update(piece.subarray(0, count))
        position += count
      }
    } finally {
      await file.close()
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await attempt("measure the free space of", this.#root, (folder) => statfs(folder))
    return bavail * bsize
  }

  lock(path: string): Promise<DiskLock> {
    return takeLock(this.#system(path), this.#node)
  }

  /** D2. The name beside is fixed, so that what a crash leaves is overwritten by the next `replace`. */
  async #replaceNow(path: string, content: Uint8Array): Promise<void> {
    const beside = `${path}.new`
    const file = await openFolderFile(this.#system(beside), constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC)
    try {
      await file.write([content], 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.rename(beside, path)
    await this.syncFolder(folderOf(path))
  }

  /** D3. A path that leaves the folder is a mistake in Brume, not of the user: hence no FogError. */
  #system(path: string): string {
    const parts = path === "" ? [] : path.split("/")
    for (const part of parts) {
      if (part === "" || part === "." || part === ".." || part.includes("\\") || part.includes("\0")) {
        throw new TypeError(`Not a path below the data folder: ${JSON.stringify(path)}`)
      }
    }
    return resolve(this.#root, ...parts)
  }
}

/** Creates a folder and its parents. Node's own recursive mkdir never ends in folders like /proc. */
async function makeFolders(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (cause) {
    const code = causeCode(cause)
    if (code === "EEXIST" && (await stat(folder)).isDirectory()) return
    if (code !== "ENOENT" || dirname(folder) === folder || (await isFolder(dirname(folder)))) throw cause
    await makeFolders(dirname(folder))
    await makeFolders(folder)
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() === true
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")))
}

/** The result, or undefined when the file does not exist. */
async function orMissing<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch (error) {
    const code = causeCode((error as Error).cause)
    if (code === "ENOENT" || code === "ENOTDIR") return undefined
    throw error
  }
}
