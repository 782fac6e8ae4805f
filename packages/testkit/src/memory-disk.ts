/** A disk in memory that knows what a power cut would leave. */
import { createHash } from "node:crypto"
import { type Disk, type DiskFile, type DiskLock, FogError, type OpenOptions } from "@brume/core"
import { folderOf, type MemoryFile, MemoryFiles, type Unsynced } from "./memory-files.ts"
import type { SeededRandom } from "./seeded-random.ts"
import { Turnstile } from "./turnstile.ts"

/** What a new memory disk can hold; only {@link MemoryDisk.freeBytes} knows of it. */
const capacityBytes = 2 ** 40

export class MemoryDisk implements Disk {
  readonly #files: MemoryFiles
  readonly #replacing = new Turnstile()
  #locked = false
  #failingSync: string | undefined

  constructor(files: MemoryFiles = new MemoryFiles()) {
    this.#files = files
  }

  /** The disk after a power cut: what was synced, and of the rest what chance decides. This one goes on unharmed. */
  crash(random: SeededRandom): MemoryDisk {
    return this.after({ random })
  }

  /** The disk after its process or its machine died. */
  after(unsynced: Unsynced): MemoryDisk {
    return new MemoryDisk(this.#files.after(unsynced))
  }

  /** An independent disk with the same content, all of it durable. */
  copy(): MemoryDisk {
    return this.after("kept")
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    return [...this.#files.files()].map(([path]) => path).sort()
  }

  folders(): string[] {
    return [...this.#files.folders()].sort()
  }

  /** A copy of a file's content. Throws when the file is missing. */
  contentOf(path: string): Uint8Array {
    return this.#existing("read", path).content.slice()
  }

  /** Places durable content past the contract: damage, or what another program wrote. Creates file and folders. */
  overwrite(path: string, content: Uint8Array): void {
    this.#files.makeFolder(folderOf(path))
    const file = this.#files.create(path)
    file.change({ size: 0 })
    file.change({ position: 0, bytes: content.slice() })
    file.endSync(file.beginSync())
    for (let folder = folderOf(path); ; folder = folderOf(folder)) {
      this.#files.endFolderSync(folder, this.#files.beginFolderSync())
      if (folder === "") return
    }
  }

  /**
   * The next sync of a file whose path contains this fails, and the system forgets what it did not write: readers still
   * see it, but only what is written again can become durable.
   */
  failNextSync(path: string): void {
    this.#failingSync = path
  }

  absolute(path: string): string {
    return `/memory/${path}`
  }

  async open(path: string, { create = false, durable = false }: OpenOptions = {}): Promise<DiskFile> {
    const opened = await this.#open(path, create)
    return durable ? durably(opened) : opened
  }

  async #open(path: string, create: boolean): Promise<DiskFile> {
    await turn()
    if (!create) return this.#opened(path, this.#existing("open", path))
    if (!this.#files.hasFolder(folderOf(path))) throw refused("open", path, "ENOENT")
    if (this.#files.hasFolder(path)) throw refused("open", path, "EISDIR")
    return this.#opened(path, this.#files.create(path))
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    await turn()
    if (this.#files.hasFolder(path)) throw refused("read", path, "EISDIR")
    return this.#files.file(path)?.content.slice()
  }

  replace(path: string, content: Uint8Array): Promise<void> {
    return this.#replacing.pass(path, () => this.#replaceNow(path, content))
  }

  async sync(path: string): Promise<void> {
    const file = await this.open(path)
    await file.sync()
    await file.close()
  }

  async rename(from: string, to: string): Promise<void> {
    await turn()
    this.#existing("rename", from)
    if (!this.#files.hasFolder(folderOf(to))) throw refused("rename", from, "ENOENT")
    this.#files.rename(from, to)
  }

  async remove(path: string): Promise<void> {
    await turn()
    this.#files.remove(path)
  }

  async makeFolder(path: string): Promise<void> {
    await turn()
    if (this.#files.file(path) !== undefined) throw refused("create folder", path, "EEXIST")
    this.#files.makeFolder(path)
  }

  async syncFolder(path: string): Promise<void> {
    const covered = this.#files.beginFolderSync()
    await turn()
    if (!this.#files.hasFolder(path)) throw refused("sync folder", path, "ENOENT")
    this.#files.endFolderSync(path, covered)
  }

  async list(path: string): Promise<string[]> {
    await turn()
    return this.#files.list(path)
  }

  async size(path: string): Promise<number | undefined> {
    await turn()
    return this.#files.file(path)?.content.length
  }

  async hash(path: string): Promise<string> {
    await turn()
    return createHash("sha256").update(this.#existing("read", path).content).digest("hex")
  }

  async freeBytes(): Promise<number> {
    await turn()
    let used = 0
    for (const [, content] of this.#files.files()) used += content.length
    return capacityBytes - used
  }

  async lock(path: string): Promise<DiskLock> {
    await turn()
    if (this.#locked) throw new FogError("store_locked", { message: `Cannot lock ${path}: it is locked` })
    this.#locked = true
    let released = false
    return {
      release: async () => {
        if (!released) this.#locked = false
        released = true
      },
    }
  }

  #opened(path: string, file: MemoryFile): DiskFile {
    return new OpenMemoryFile(path, file, () => {
      if (this.#failingSync === undefined || !path.includes(this.#failingSync)) return false
      this.#failingSync = undefined
      return true
    })
  }

  async #replaceNow(path: string, content: Uint8Array): Promise<void> {
    const beside = `${path}.new`
    const file = await this.open(beside, { create: true })
    await file.truncate(0)
    await file.write([content], 0)
    await file.sync()
    await file.close()
    await this.rename(beside, path)
    await this.syncFolder(folderOf(path))
  }

  #existing(what: string, path: string): MemoryFile {
    const file = this.#files.file(path)
    if (file === undefined) throw refused(what, path, "ENOENT")
    return file
  }
}

class OpenMemoryFile implements DiskFile {
  readonly #path: string
  readonly #file: MemoryFile
  readonly #syncFails: () => boolean
  #closed = false

  constructor(path: string, file: MemoryFile, syncFails: () => boolean) {
    this.#path = path
    this.#file = file
    this.#syncFails = syncFails
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    this.#mustBeOpen("write")
    const given = joined(buffers)
    await turn()
    // A real disk reads the buffers at some time before it answers; changing them meanwhile would write a mixture.
    if (!equal(given, joined(buffers))) throw new Error(`A buffer changed while it was written to ${this.#path}`)
    this.#file.change({ position, bytes: given })
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    this.#mustBeOpen("read")
    await turn()
    const part = this.#file.content.subarray(position, position + buffer.length)
    buffer.set(part)
    return part.length
  }

  async sync(): Promise<void> {
    this.#mustBeOpen("sync")
    const covered = this.#file.beginSync()
    await turn()
    if (this.#syncFails()) {
      this.#file.forgetUnsynced()
      throw refused("sync", this.#path, "EIO")
    }
    this.#file.endSync(covered)
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#mustBeOpen("truncate")
    await turn()
    this.#file.change({ size: sizeBytes })
  }

  async size(): Promise<number> {
    this.#mustBeOpen("look at")
    await turn()
    return this.#file.content.length
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #mustBeOpen(what: string): void {
    if (this.#closed) throw refused(what, this.#path, "EBADF")
  }
}

/** The same file, whose writes end with a sync. */
function durably(file: DiskFile): DiskFile {
  return {
    write: async (buffers, position) => {
      await file.write(buffers, position)
      await file.sync()
    },
    read: (buffer, position) => file.read(buffer, position),
    sync: () => file.sync(),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    size: () => file.size(),
    close: () => file.close(),
  }
}

/** The error that a real disk makes of a system's error. */
export function refused(what: string, path: string, systemError: string): FogError {
  const isFull = systemError === "ENOSPC" || systemError === "EDQUOT"
  return new FogError(isFull ? "store_full" : "disk_failed", {
    message: `Cannot ${what} ${path}: ${systemError}`,
    cause: Object.assign(new Error(`${systemError}: ${what} ${path}`), { code: systemError }),
    details: { path, systemError },
  })
}

function joined(buffers: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0))
  let at = 0
  for (const buffer of buffers) {
    all.set(buffer, at)
    at += buffer.length
  }
  return all
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** What is asynchronous on a real disk is so here too, so that nobody comes to rely on the contrary. */
async function turn(): Promise<void> {
  await Promise.resolve()
}
