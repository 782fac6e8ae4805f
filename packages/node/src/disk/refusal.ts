/** What the file system refuses, as FogErrors with a remedy. */
import { FogError } from "@brume/core"

/** Runs a file operation. Throws `store_full` or `disk_failed`, naming the operation and the path (D6). */
export async function attempt<T>(what: string, path: string, operation: (path: string) => Promise<T>): Promise<T> {
  try {
    return await operation(path)
  } catch (cause) {
    throw refusal(what, path, cause)
  }
}

function refusal(what: string, path: string, cause: unknown): FogError {
  const code = causeCode(cause)
  const isFull = code === "ENOSPC" || code === "EDQUOT"
  return new FogError(isFull ? "store_full" : "disk_failed", {
    message: `Cannot ${what} ${path}: ${code}`,
    hint: hints[code] ?? "Check the disk, its file system and the permissions of the data folder.",
    cause,
    details: { path, systemError: code },
  })
}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: "Free some space on this file system, or shorten the retention.",
  EDQUOT: "Raise the disk quota of the user who runs Brume, or shorten the retention.",
  EACCES: "Give the user who runs Brume access to this path.",
  EPERM: "Give the user who runs Brume access to this path.",
  EROFS: "The file system is read-only, often after an error of the disk: check the disk, then mount it writable.",
  EIO: "The disk reports errors: check its cables and health, then restart the node.",
  EMFILE: "Raise the limit of open files for this process (ulimit -n).",
  ENFILE: "Raise the system's limit of open files.",
}

/** The system's short name of an error, e.g. ENOSPC; else its message. */
export function causeCode(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const { code } = cause as NodeJS.ErrnoException
  return typeof code === "string" ? code : cause.message
}
