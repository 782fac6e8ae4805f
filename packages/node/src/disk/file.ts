/** One open file of the data folder. */
import { constants } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import type { DiskFile } from "@brume/core"
import { attempt } from "./refusal.ts"

/**
 * Linux syncs with the write itself: one trip through the thread pool instead of two. macOS has the flag too, but only
 * its fsync, as libuv calls it, reaches the device.
 */
const durableFlag = process.platform === "linux" ? constants.O_DSYNC : 0

/** @param durable each write is durable when it resolves (D1). */
export async function openFolderFile(path: string, flags: number, durable = false): Promise<DiskFile> {
  // What is in the folder is Brume's own; a link that somebody else placed there is not followed.
  const noFollow = constants.O_NOFOLLOW ?? 0
  const given = flags | noFollow | (durable ? durableFlag : 0)
  const handle = await attempt("open", path, (file) => open(file, given, 0o600))
  return new FolderFile(path, handle, durable && durableFlag === 0)
}

class FolderFile implements DiskFile {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #syncsWrites: boolean
  #closed: Promise<void> | undefined

  /** @param syncsWrites a sync of its own follows each write. */
  constructor(path: string, handle: FileHandle, syncsWrites: boolean) {
    this.#path = path
    this.#handle = handle
    this.#syncsWrites = syncsWrites
  }

  /** The system may take only a part of what it is given: the rest is given again until all is taken. */
  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let rest = buffers.filter((buffer) => buffer.length > 0)
    let at = position
    while (rest.length > 0) {
      const { bytesWritten } = await attempt("write", this.#path, () => writeSome(this.#handle, rest, at))
      at += bytesWritten
      rest = dropped(rest, bytesWritten)
    }
    if (this.#syncsWrites) await this.sync()
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const { bytesRead } = await attempt("read", this.#path, () => this.#handle.read(buffer, 0, buffer.length, position))
    return bytesRead
  }

  async sync(): Promise<void> {
    await attempt("sync", this.#path, () => this.#handle.datasync())
  }

  async truncate(sizeBytes: number): Promise<void> {
    await attempt("truncate", this.#path, () => this.#handle.truncate(sizeBytes))
  }

  async size(): Promise<number> {
    return (await attempt("look at", this.#path, () => this.#handle.stat())).size
  }

  close(): Promise<void> {
    this.#closed ??= attempt("close", this.#path, () => this.#handle.close())
    return this.#closed
  }
}

/** One call to the system. The single buffer, which is the common case, spares the array of writev. */
async function writeSome(
  handle: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<{ readonly bytesWritten: number }> {
  const [only, second] = buffers
  const written =
    only !== undefined && second === undefined
      ? await handle.write(only, 0, only.length, position)
      : await handle.writev(buffers as Uint8Array[], position)
  if (written.bytesWritten === 0) throw new Error("the system wrote nothing")
  return written
}

/** What remains of the buffers after their first `count` bytes. */
function dropped(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = count
  for (const buffer of buffers) {
    if (skip < buffer.length) rest.push(skip > 0 ? buffer.subarray(skip) : buffer)
    skip = Math.max(0, skip - buffer.length)
  }
  return rest
}
