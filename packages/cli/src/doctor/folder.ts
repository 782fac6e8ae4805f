/** Checks of a data folder, without touching anything in it. */
import { readdir, readFile, stat, statfs } from "node:fs/promises"
import { join } from "node:path"
import { sizeText } from "../times.ts"
import { type Check, fail, ok, skip, warn } from "./check.ts"

/** Below this the store counts as full by default (store.minFreeBytes). */
const fullBytes = 268_435_456
/** Below this it will be soon. */
const scarceBytes = 1_073_741_824

export async function checkFolder(folder: string): Promise<Check[]> {
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => error)
  if (found instanceof Error) {
    const says = found.code === "ENOENT" ? `${folder} does not exist yet` : `${folder}: ${found.message}`
    return found.code === "ENOENT"
      ? [skip("Data folder", says)]
      : [fail("Data folder", says, "Give another folder with --data, or mend its permissions.")]
  }
  if (!found.isDirectory()) return [fail("Data folder", `${folder} is a file`, "Give another folder with --data.")]
  return [
    checkAccess("Data folder", folder, { stats: found, allowed: 0o700, command: "chmod 700" }),
    await checkOwner(folder),
    await checkToken(folder),
    await checkSpace(folder),
    await checkQuarantine(folder),
  ]
}

interface Access {
  readonly stats: { readonly mode: number; readonly uid: number }
  readonly allowed: number
  readonly command: string
}

function checkAccess(name: string, path: string, { stats, allowed, command }: Access): Check {
  // Windows has other permissions; its folders below the user's own are private already.
  if (process.platform === "win32") return ok(name, path)
  const uid = process.getuid?.()
  if (uid !== undefined && uid !== 0 && stats.uid !== uid) {
    return fail(
      name,
      `${path} belongs to user ${stats.uid}, not to you (${uid})`,
      "Run Brume as its owner, or chown it.",
    )
  }
  const mode = stats.mode & 0o777
  return (mode & ~allowed) === 0
    ? ok(name, path)
    : warn(name, `${path} is open to others (${mode.toString(8)})`, `${command} ${path}`)
}

/** Who holds the lock. The lock names a process; on this machine one can ask whether it lives. */
async function checkOwner(folder: string): Promise<Check> {
  const text = await readFile(join(folder, "lock"), "utf8").catch(() => undefined)
  if (text === undefined) return ok("Owner", "no node runs on this folder")
  const owner = parsed(text)
  const pid = owner?.pid
  if (typeof pid !== "number") {
    return warn("Owner", "the lock file is damaged", "If no node runs on this folder, the next brume up replaces it.")
  }
  return isAlive(pid)
    ? ok("Owner", `process ${pid}${typeof owner?.node === "string" ? ` (node ${owner.node})` : ""} runs on this folder`)
    : ok("Owner", `process ${pid} has ended without a goodbye; the next brume up takes the folder over`)
}

async function checkToken(folder: string): Promise<Check> {
  const path = join(folder, "admin-token")
  const stats = await stat(path).catch(() => undefined)
  if (stats === undefined) {
    // Its owner may keep the secret elsewhere: the node itself never reads the file.
    return skip("Admin token", "no file admin-token in the folder; brume up --reset-admin-token makes a new one")
  }
  return checkAccess("Admin token", path, { stats, allowed: 0o600, command: "chmod 600" })
}

async function checkSpace(folder: string): Promise<Check> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const says = `${sizeText(free)} free`
  const remedy = "Free some space, or set store.segments.retention so that old readings go."
  if (free < fullBytes) return fail("Disk", `${says}: the store refuses readings`, remedy)
  return free < scarceBytes ? warn("Disk", says, remedy) : ok("Disk", says)
}

async function checkQuarantine(folder: string): Promise<Check> {
  const names = await readdir(join(folder, "quarantine")).catch(() => [])
  return names.length === 0
    ? ok("Quarantine", "empty")
    : warn(
        "Quarantine",
        `${names.length} damaged pieces were set aside`,
        "Check the disk (SMART, memory); `brume describe node` names the ranges. Delete them when you need them no more.",
      )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It lives, but belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

function parsed(text: string): { readonly pid?: unknown; readonly node?: unknown } | undefined {
  try {
    const owner: unknown = JSON.parse(text)
    return typeof owner === "object" && owner !== null ? owner : undefined
  } catch {
    // A torn lock file says nothing.
    return undefined
  }
}
