/** The files of the log as the running log sees them. */
import type { Disk, DiskFile } from "@brume/core"
import { encodeHeader, type FileHeader, type FileName, fileName } from "./format.ts"

export interface LogFile {
  readonly name: FileName
  readonly path: string
  /** Where frames begin. */
  readonly start: number
  /** Where what is durable ends. */
  readonly bytes: number
  /** The sequence after the last durable one in it. */
  readonly endSeq: number
}

/** The file that grows. What is written through its handle is durable. */
export interface ActiveFile extends LogFile {
  readonly handle: DiskFile
}

/** Creates a log file; durable, with its name, when it resolves. */
export async function createLogFile(disk: Disk, header: Omit<FileHeader, "kind">): Promise<ActiveFile> {
  const name = fileName("log", header.epoch, header.firstSeq)
  const path = `log/${name.name}`
  const bytes = encodeHeader({ ...header, kind: "log" })
  const handle = await disk.open(path, { create: true, durable: true })
  try {
    await handle.truncate(0)
    await handle.write([bytes], 0)
    await handle.sync()
    await disk.syncFolder("log")
  } catch (error) {
    await handle.close().catch(() => {})
    await disk.remove(path).catch(() => {})
    throw error
  }
  return { name, path, start: bytes.length, bytes: bytes.length, handle, endSeq: header.firstSeq }
}
