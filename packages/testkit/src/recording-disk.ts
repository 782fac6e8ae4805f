/**
 * A disk that remembers every change, so that a test can look at the files as they would be had the power failed after
 * any of them. Begin with an empty folder: what was there before is not in the images.
 */
import type { Disk, DiskFile, DiskLock, OpenOptions } from "@brume/core"
import { MemoryDisk } from "./memory-disk.ts"
import { folderOf, type MemoryFile, MemoryFiles, type Unsynced } from "./memory-files.ts"
import { Turnstile } from "./turnstile.ts"

type Operation = (replay: Replay) => void

interface Replay {
  readonly files: MemoryFiles
  /** Files by the number of the recorder, whatever they are called now. */
  readonly byNumber: Map<number, MemoryFile>
  /** How much a sync that has begun covers. */
  readonly covered: Map<number, number>
}

export class RecordingDisk implements Disk {
  readonly #disk: Disk
  readonly #operations: Operation[] = []
  readonly #numbers = new Map<string, number>()
  readonly #replacing = new Turnstile()
  #lastNumber = 0

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** How many changes are recorded: note it beside an acknowledgement to know what must survive from then on. */
  get length(): number {
    return this.#operations.length
  }

  /** The files after the first `prefix` changes and a crash. */
  imageAt(prefix: number, unsynced: Unsynced): MemoryDisk {
    const replay: Replay = { files: new MemoryFiles(), byNumber: new Map(), covered: new Map() }
    for (const operation of this.#operations.slice(0, prefix)) operation(replay)
    return new MemoryDisk(replay.files.after(unsynced))
  }

  /** Like {@link imageAt}, written to another disk, which must be empty. */
  async writeImageAt(prefix: number, unsynced: Unsynced, target: Disk): Promise<void> {
    const image = this.imageAt(prefix, unsynced)
    for (const folder of image.folders()) await target.makeFolder(folder)
    for (const path of image.paths()) {
      const file = await target.open(path, { create: true })
      await file.write([image.contentOf(path)], 0)
      await file.sync()
      await file.close()
    }
    for (const folder of ["", ...image.folders()]) await target.syncFolder(folder)
  }

  absolute(path: string): string {
    return this.#disk.absolute(path)
  }

  async open(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    const file = await this.#disk.open(path, options)
    return this.#recorded(file, this.#numberOf(path), options.durable === true)
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return this.#disk.read(path)
  }

  replace(path: string, content: Uint8Array): Promise<void> {
    return this.#replacing.pass(path, () => this.#replaceNow(path, content))
  }

  /** Of a file that somebody else wrote, the content is recorded now. */
  async sync(path: string): Promise<void> {
    await this.#disk.sync(path)
    const bytes = await this.#disk.read(path)
    const file = this.#numberOf(path)
    this.#record(({ byNumber }) => {
      const known = byNumber.get(file)
      if (known === undefined || bytes === undefined) return
      if (Buffer.compare(known.content, bytes) !== 0) {
        known.change({ size: 0 })
        known.change({ position: 0, bytes: bytes.slice() })
      }
      known.endSync(known.beginSync())
    })
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#disk.rename(from, to)
    this.#recordRename(from, to)
  }

  async remove(path: string): Promise<void> {
    await this.#disk.remove(path)
    this.#numbers.delete(path)
    this.#record(({ files }) => files.remove(path))
  }

  async makeFolder(path: string): Promise<void> {
    await this.#disk.makeFolder(path)
    this.#record(({ files }) => files.makeFolder(path))
  }

  async syncFolder(path: string): Promise<void> {
    const synced = this.#beginFolderSync(path)
    await this.#disk.syncFolder(path)
    synced()
  }

  list(path: string): Promise<string[]> {
    return this.#disk.list(path)
  }

  size(path: string): Promise<number | undefined> {
    return this.#disk.size(path)
  }

  hash(path: string): Promise<string> {
    return this.#disk.hash(path)
  }

  freeBytes(): Promise<number> {
    return this.#disk.freeBytes()
  }

  lock(path: string): Promise<DiskLock> {
    return this.#disk.lock(path)
  }

  /** Recorded as the steps that the contract of `replace` names. */
  async #replaceNow(path: string, content: Uint8Array): Promise<void> {
    const beside = `${path}.new`
    const file = this.#numberOf(beside)
    const bytes = content.slice()
    this.#record(({ byNumber }) => byNumber.get(file)?.change({ size: 0 }))
    this.#record(({ byNumber }) => byNumber.get(file)?.change({ position: 0, bytes }))
    const synced = this.#beginSync(file)
    await this.#disk.replace(path, content)
    synced()
    this.#recordRename(beside, path)
    this.#beginFolderSync(folderOf(path))()
  }

  #record(operation: Operation): void {
    this.#operations.push(operation)
  }

  #numberOf(path: string): number {
    const known = this.#numbers.get(path)
    if (known !== undefined) return known
    const number = ++this.#lastNumber
    this.#numbers.set(path, number)
    this.#record(({ files, byNumber }) => byNumber.set(number, files.create(path)))
    return number
  }

  #recordRename(from: string, to: string): void {
    const number = this.#numberOf(from)
    this.#numbers.delete(from)
    this.#numbers.set(to, number)
    this.#record(({ files }) => files.rename(from, to))
  }

  /** Records the begin now and the end when the result is called. */
  #beginSync(file: number): () => void {
    const begun = this.#operations.length
    this.#record(({ byNumber, covered }) => covered.set(begun, byNumber.get(file)?.beginSync() ?? 0))
    return () => this.#record(({ byNumber, covered }) => byNumber.get(file)?.endSync(covered.get(begun) ?? 0))
  }

  #beginFolderSync(folder: string): () => void {
    const begun = this.#operations.length
    this.#record(({ files, covered }) => covered.set(begun, files.beginFolderSync()))
    return () => this.#record(({ files, covered }) => files.endFolderSync(folder, covered.get(begun) ?? 0))
  }

  #recorded(file: DiskFile, number: number, isDurable: boolean): DiskFile {
    return {
      write: async (buffers, position) => {
        let at = position
        // Recorded before the call: a crash may come while the system is about it.
        for (const buffer of buffers) {
          const change = { position: at, bytes: buffer.slice() }
          this.#record(({ byNumber }) => byNumber.get(number)?.change(change))
          at += buffer.length
        }
        const synced = isDurable ? this.#beginSync(number) : undefined
        await file.write(buffers, position)
        synced?.()
      },
      truncate: async (size) => {
        this.#record(({ byNumber }) => byNumber.get(number)?.change({ size }))
        await file.truncate(size)
      },
      sync: async () => {
        const synced = this.#beginSync(number)
        await file.sync()
        synced()
      },
      read: (buffer, position) => file.read(buffer, position),
      size: () => file.size(),
      close: () => file.close(),
    }
  }
}
