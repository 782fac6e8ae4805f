/**
 * The file layer: the only way in which Brume touches files. The real one is in the node's room `disk/`; the testkit
 * has one in memory, one that records what was written and one that fails on purpose.
 *
 * Paths are relative to the data folder, `/`-separated, without `..`. Every failure is a FogError: `store_full` for
 * ENOSPC and EDQUOT, otherwise `disk_failed` with the system's error as its cause.
 */
export interface Disk {
  /** Absolute path of a file, for libraries that open files themselves (Parquet). `/`-separated on every system. */
  absolute(path: string): string
  /**
   * Opens for reading and writing; creates the file with mode 0600 when `create` is set, else fails if missing. With
   * `durable`, each write of this file is durable when it resolves, as if a sync were part of it, and fails when that
   * sync does.
   */
  open(path: string, options?: OpenOptions): Promise<DiskFile>
  /** Whole file, or undefined when it does not exist. */
  read(path: string): Promise<Uint8Array | undefined>
  /** Writes beside, syncs, renames over `path`, syncs the folder: the old content or the new, never a mixture. Mode 0600. */
  replace(path: string, content: Uint8Array): Promise<void>
  /** fsync of a file that somebody else wrote (Parquet), so that a crash after this keeps its content. */
  sync(path: string): Promise<void>
  /** Renames over `to`; the caller syncs the folder. */
  rename(from: string, to: string): Promise<void>
  /** Missing is fine. */
  remove(path: string): Promise<void>
  /** Creates the folder and its parents with mode 0700. */
  makeFolder(path: string): Promise<void>
  /** Makes creations, renames and removals in this folder durable. */
  syncFolder(path: string): Promise<void>
  /** Names in a folder, sorted; empty when the folder is missing. */
  list(path: string): Promise<string[]>
  /** Bytes, or undefined when missing. */
  size(path: string): Promise<number | undefined>
  /** SHA-256 of a file's content in hex; reads it in pieces. */
  hash(path: string): Promise<string>
  /** Free bytes of the file system for an unprivileged user. */
  freeBytes(): Promise<number>
  /** Takes the data folder for this process until `release`. Throws `store_locked` naming the owner. */
  lock(path: string): Promise<DiskLock>
}

export interface OpenOptions {
  readonly create?: boolean
  readonly durable?: boolean
}

export interface DiskFile {
  /**
   * Writes all buffers, in order, from `position`. Resolves when the system took them, which means durable only where
   * the file was opened so. When it fails, any part of them may be there.
   */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** Reads up to `buffer.length` bytes; returns how many. 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** fdatasync. */
  sync(): Promise<void>
  truncate(sizeBytes: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

export interface DiskLock {
  release(): Promise<void>
}
