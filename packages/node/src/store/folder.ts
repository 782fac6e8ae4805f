/** The data folder: its subfolders, and `node.json`, which says whose it is and which version wrote it. */
import { type Clock, type Disk, FogError, type Logger } from "@brume/core"

export interface FolderOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  readonly node: string
}

/** What stands in `node.json`. */
interface NodeFile {
  readonly format: number
  readonly node: string
  /** ISO 8601. */
  readonly created: string
}

const fileName = "node.json"
/** Raised when an older version could not read what a newer one wrote. */
const format = 1

/** Makes a folder ready. Throws `store_version` when a newer version of Brume wrote it. */
export async function openFolder({ disk, clock, logger, node }: FolderOptions): Promise<void> {
  for (const folder of ["log", "segments", "tmp", "quarantine"]) await disk.makeFolder(folder)
  await disk.syncFolder("")
  // DuckDB's, of a process that is gone.
  for (const name of await disk.list("tmp")) await disk.remove(`tmp/${name}`)
  const bytes = await disk.read(fileName)
  const known = bytes === undefined ? undefined : parse(bytes)
  if (known !== undefined && known.format > format) {
    throw new FogError("store_version", {
      message: `The data folder ${disk.absolute("")} has format ${known.format}; this version of Brume reads up to ${format}`,
      hint: "Start the version that wrote it, or a newer one.",
    })
  }
  if (bytes !== undefined && known === undefined) {
    // It holds nothing that is not known elsewhere.
    await disk.replace(`quarantine/${fileName}`, bytes)
    logger.warn("node.json is damaged and was written anew", { quarantined: `quarantine/${fileName}` })
  }
  if (known !== undefined && known.node === node) return
  if (known !== undefined) logger.info("the node has a new name", { before: known.node, node })
  const created = known?.created ?? new Date(clock.now() / 1000).toISOString()
  await disk.replace(fileName, new TextEncoder().encode(`${JSON.stringify({ format, node, created }, null, 2)}\n`))
}

function parse(bytes: Uint8Array): NodeFile | undefined {
  try {
    const { format, node, created } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
    const isWhole =
      Number.isSafeInteger(format) && format > 0 && typeof node === "string" && typeof created === "string"
    return isWhole ? { format, node, created } : undefined
  } catch {
    return undefined
  }
}
