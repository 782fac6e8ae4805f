/** What lies in the log's folder, before anything of it is believed. */
import type { Disk, Logger } from "@brume/core"
import { type FileHeader, type FileName, maxHeaderBytes, newerVersion, parseFileName, parseHeader } from "./format.ts"
import type { Quarantine } from "./quarantine.ts"

/** A file of this log. Without a header (damaged), its name tells epoch and sequence. */
export interface SurveyedFile {
  readonly name: FileName
  readonly path: string
  readonly bytes: number
  readonly header: FileHeader | undefined
  /** Where frames begin. Without a header they are searched from the beginning. */
  readonly start: number
}

export interface Survey {
  /** Undefined when there is no log file. */
  readonly epoch: string | undefined
  /** Of one epoch, by sequence. */
  readonly logs: readonly SurveyedFile[]
  /** Of that epoch, or of any when there is no log file; the newest first. */
  readonly snapshots: readonly SurveyedFile[]
}

export interface SurveyOptions {
  readonly disk: Disk
  readonly logger: Logger
  readonly node: string
  readonly quarantine: Quarantine
}

/** Throws `store_version` for files of a newer Brume. Files of another node or epoch are set aside. */
export async function surveyFolder(options: SurveyOptions): Promise<Survey> {
  const { disk, logger, quarantine } = options
  const files: SurveyedFile[] = []
  for (const entry of await disk.list("log")) {
    const name = parseFileName(entry)
    if (isUnfinished(entry)) await disk.remove(`log/${entry}`)
    else if (name === undefined) logger.warn("Ignoring a file that is none of the log's", { file: `log/${entry}` })
    else {
      const file = await surveyFile(disk, name)
      if (isMisnamed(file)) await quarantine.setAside(entry, "its header does not fit its name")
      else files.push(file)
    }
  }
  const epoch = ownEpoch(files.filter(isLog), options.node)
  const own: SurveyedFile[] = []
  for (const file of files) {
    if (epoch === undefined || file.name.epoch === epoch) own.push(file)
    else await quarantine.setAside(file.name.name, `it belongs to the epoch ${file.name.epoch}, the log's is ${epoch}`)
  }
  own.sort((a, b) => a.name.seq - b.name.seq)
  return { epoch, logs: own.filter(isLog), snapshots: own.filter((file) => !isLog(file)).reverse() }
}

/** A snapshot that was being written when the process ended. */
function isUnfinished(entry: string): boolean {
  return entry.endsWith(".new") && parseFileName(entry.slice(0, -".new".length)) !== undefined
}

async function surveyFile(disk: Disk, name: FileName): Promise<SurveyedFile> {
  const path = `log/${name.name}`
  const file = await disk.open(path)
  try {
    const bytes = await file.size()
    const head = Buffer.alloc(Math.min(bytes, maxHeaderBytes))
    let filled = 0
    while (filled < head.length) {
      const count = await file.read(head.subarray(filled), filled)
      if (count === 0) break
      filled += count
    }
    const parsed = parseHeader(head.subarray(0, filled), name.kind)
    if (parsed.state === "newer") throw newerVersion(path, `format ${parsed.version}`)
    if (parsed.state === "damaged") return { name, path, bytes, header: undefined, start: 0 }
    return { name, path, bytes, header: parsed.header, start: parsed.bytes }
  } finally {
    await file.close()
  }
}

function isMisnamed({ header, name }: SurveyedFile): boolean {
  return header !== undefined && (header.epoch !== name.epoch || header.firstSeq !== name.seq)
}

function isLog(file: SurveyedFile): boolean {
  return file.name.kind === "log"
}

/**
 * The epoch of the file that this node created last; when it created none (it has a new name), of the one that was
 * created last. Files without a header count least.
 */
function ownEpoch(logs: readonly SurveyedFile[], node: string): string | undefined {
  const own = logs.filter((file) => file.header?.node === node)
  let newest: SurveyedFile | undefined
  for (const file of own.length > 0 ? own : logs) {
    if (newest === undefined || (file.header?.created ?? -1) >= (newest.header?.created ?? -1)) newest = file
  }
  return newest?.name.epoch
}
