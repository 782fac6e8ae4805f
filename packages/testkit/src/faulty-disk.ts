/** A disk that fails on purpose. */
import type { Clock, Disk, DiskFile, DiskLock, OpenOptions } from "@brume/core"
import { refused } from "./memory-disk.ts"

/**
 * What can be made to fail, wait or take long. `write` is also the write within `replace`, `sync` also the one within a
 * durable write: it fails when the bytes are written.
 */
export type DiskOperation =
  | "open"
  | "read"
  | "write"
  | "sync"
  | "truncate"
  | "replace"
  | "rename"
  | "remove"
  | "makeFolder"
  | "syncFolder"
  | "list"
  | "freeBytes"

export interface PlannedFailure {
  readonly operation: DiskOperation
  /** The how manieth from now on fails; 1 is the next one. */
  readonly nth?: number
  /** Only paths that contain this are counted. */
  readonly path?: string
  /** @default "EIO" */
  readonly systemError?: string
  /** A failing write has written this many bytes first. */
  readonly afterBytes?: number
  /** Fails from then on, not once. */
  readonly forever?: boolean
}

interface Failure extends PlannedFailure {
  remaining: number
}

export class FaultyDisk implements Disk {
  readonly #disk: Disk
  #failures: Failure[] = []
  readonly #gates = new Map<DiskOperation, Promise<void>>()
  readonly #delays = new Map<DiskOperation, { readonly clock: Clock; readonly delayMs: number }>()
  #roomBytes = Number.POSITIVE_INFINITY
  #freeBytes: number | undefined

  constructor(disk: Disk) {
    this.#disk = disk
  }

  fail(failure: PlannedFailure): void {
    this.#failures.push({ ...failure, remaining: failure.nth ?? 1 })
  }

  /** Failures that have not happened yet, or go on for ever. */
  get planned(): number {
    return this.#failures.length
  }

  /** Nothing that was planned will fail any more. */
  heal(): void {
    this.#failures = []
    this.#roomBytes = Number.POSITIVE_INFINITY
    this.#freeBytes = undefined
  }

  /** After this many more bytes, writes fail with ENOSPC, having written what had room. */
  limitRoom(bytes: number): void {
    this.#roomBytes = bytes
  }

  /** What `freeBytes` answers; undefined for the truth. */
  pretendFree(bytes: number | undefined): void {
    this.#freeBytes = bytes
  }

  /** Operations of this kind wait until the result is called. */
  hold(operation: DiskOperation): () => void {
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    this.#gates.set(operation, gate)
    return () => {
      if (this.#gates.get(operation) === gate) this.#gates.delete(operation)
      open()
    }
  }

  /** Operations of this kind take so long on the given clock; 0 ends it. */
  delay(operation: DiskOperation, clock: Clock, delayMs: number): void {
    if (delayMs === 0) this.#delays.delete(operation)
    else this.#delays.set(operation, { clock, delayMs })
  }

  absolute(path: string): string {
    return this.#disk.absolute(path)
  }

  async open(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    await this.#pass("open", path)
    return this.#faulty(await this.#disk.open(path, options), path, options.durable === true)
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    await this.#pass("read", path)
    return this.#disk.read(path)
  }

  async replace(path: string, content: Uint8Array): Promise<void> {
    await this.#pass("replace", path)
    await this.#pass("write", path)
    if (content.length > this.#roomBytes) throw refused("write", path, "ENOSPC")
    this.#roomBytes -= content.length
    await this.#disk.replace(path, content)
  }

  async sync(path: string): Promise<void> {
    await this.#pass("sync", path)
    await this.#disk.sync(path)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#pass("rename", from)
    await this.#disk.rename(from, to)
  }

  async remove(path: string): Promise<void> {
    await this.#pass("remove", path)
    await this.#disk.remove(path)
  }

  async makeFolder(path: string): Promise<void> {
    await this.#pass("makeFolder", path)
    await this.#disk.makeFolder(path)
  }

  async syncFolder(path: string): Promise<void> {
    await this.#pass("syncFolder", path)
    await this.#disk.syncFolder(path)
  }

  async list(path: string): Promise<string[]> {
    await this.#pass("list", path)
    return this.#disk.list(path)
  }

  size(path: string): Promise<number | undefined> {
    return this.#disk.size(path)
  }

  async hash(path: string): Promise<string> {
    await this.#pass("read", path)
    return this.#disk.hash(path)
  }

  async freeBytes(): Promise<number> {
    await this.#pass("freeBytes", "")
    return this.#freeBytes ?? this.#disk.freeBytes()
  }

  lock(path: string): Promise<DiskLock> {
    return this.#disk.lock(path)
  }

  async #pass(operation: DiskOperation, path: string): Promise<void> {
    await this.#wait(operation)
    const failure = this.#due(operation, path)
    if (failure !== undefined) throw refused(operation, path, failure.systemError ?? "EIO")
  }

  async #wait(operation: DiskOperation): Promise<void> {
    await this.#gates.get(operation)
    const delay = this.#delays.get(operation)
    if (delay !== undefined) await new Promise<void>((resolve) => delay.clock.after(delay.delayMs, resolve))
  }

  #due(operation: DiskOperation, path: string): Failure | undefined {
    for (const failure of this.#failures) {
      if (failure.operation !== operation || !path.includes(failure.path ?? "")) continue
      if (failure.remaining > 1) failure.remaining--
      else {
        if (failure.forever !== true) this.#failures = this.#failures.filter((other) => other !== failure)
        return failure
      }
    }
    return undefined
  }

  #faulty(file: DiskFile, path: string, isDurable: boolean): DiskFile {
    return {
      write: async (buffers, position) => {
        await this.#wait("write")
        const failure = this.#due("write", path)
        const size = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
        const taken = Math.min(size, failure === undefined ? this.#roomBytes : (failure.afterBytes ?? 0))
        await file.write(firstBytes(buffers, taken), position)
        this.#roomBytes -= taken
        if (failure !== undefined) throw refused("write", path, failure.systemError ?? "EIO")
        if (taken < size) throw refused("write", path, "ENOSPC")
        if (isDurable) await this.#pass("sync", path)
      },
      read: async (buffer, position) => {
        await this.#pass("read", path)
        return file.read(buffer, position)
      },
      sync: async () => {
        await this.#pass("sync", path)
        await file.sync()
      },
      truncate: async (size) => {
        await this.#pass("truncate", path)
        await file.truncate(size)
      },
      size: () => file.size(),
      close: () => file.close(),
    }
  }
}

function firstBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  const first: Uint8Array[] = []
  let rest = count
  for (const buffer of buffers) {
    if (rest <= 0) break
    first.push(rest >= buffer.length ? buffer : buffer.subarray(0, rest))
    rest -= buffer.length
  }
  return first
}
