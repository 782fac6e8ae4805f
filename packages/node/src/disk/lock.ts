/**
 * The lock of a data folder: a file that names its owner. Node.js offers no flock, so the file alone decides.
 *
 * - L1 The lock appears complete or not at all: it is written beside and put in place by link(), which fails when the
 *   name exists.
 * - L2 A lock is stale when its process is gone: no such pid, or that pid started at another time, or the machine has
 *   booted since. Where the system does not tell start and boot (other than Linux), the pid alone decides.
 * - L3 A stale lock is replaced only under a second lock that is named after the stale one's id. So one process at a
 *   time may replace it, and only while it is still in place: a fresh lock is never touched, however many race.
 *
 * What it is not: protection between two machines, or two containers with separate process ids, that share a folder.
 */
import { createHash, randomUUID } from "node:crypto"
import { link, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { type DiskLock, FogError } from "@brume/core"
import { isAlive, type ProcessIdentity, thisProcess } from "./process-identity.ts"
import { attempt, causeCode } from "./refusal.ts"

interface LockOwner extends ProcessIdentity {
  readonly id: string
  readonly node: string
  /** ISO 8601, for people. */
  readonly since: string
}

/** How often a takeover begins anew because others raced for the same lock. */
const maxAttempts = 20
/** How deep locks on stale locks nest: one level for each process that died within a takeover. */
const maxDepth = 5

export async function takeLock(path: string, node: string): Promise<DiskLock> {
  const owner: LockOwner = { ...(await thisProcess()), id: randomUUID(), node, since: new Date().toISOString() }
  await acquire(path, { owner, lock: path, depth: 0 })
  // What it would remove is harmless, and so is a failure to remove it.
  await sweep(path).catch(() => {})
  return {
    release: async () => {
      if ((await readOwner(path))?.id === owner.id) await attempt("remove", path, (file) => rm(file, { force: true }))
    },
  }
}

interface Challenger {
  readonly owner: LockOwner
  /** The lock that is wanted in the end, for messages. */
  readonly lock: string
  readonly depth: number
}

async function acquire(path: string, challenger: Challenger): Promise<void> {
  const { owner, lock, depth } = challenger
  const beside = `${path}.new-${owner.id}`
  await attempt("write", beside, (file) => writeFile(file, JSON.stringify(owner), { mode: 0o600 }))
  try {
    for (let i = 0; i < maxAttempts; i++) {
      if (await createFrom(beside, path)) return
      const holder = await readOwner(path)
      if (holder === undefined) continue
      if (await isAlive(holder)) throw lockedBy(lock, holder)
      if (depth < maxDepth && (await replaceStale({ path, stale: holder, beside }, challenger))) return
    }
    throw new FogError("store_locked", {
      message: `Cannot lock ${lock}: other processes race for it`,
      hint: "Start one node on this data folder, not several at once.",
    })
  } finally {
    await rm(beside, { force: true })
  }
}

interface Takeover {
  readonly path: string
  readonly stale: LockOwner
  /** The file that takes the place of the stale lock. */
  readonly beside: string
}

/** L3. False when somebody else replaced it first. */
async function replaceStale({ path, stale, beside }: Takeover, challenger: Challenger): Promise<boolean> {
  const guard = `${path}.over-${stale.id}`
  await acquire(guard, { ...challenger, depth: challenger.depth + 1 })
  try {
    if ((await readOwner(path))?.id !== stale.id) return false
    await attempt("rename", beside, (file) => rename(file, path))
    return true
  } finally {
    await rm(guard, { force: true })
  }
}

/** L1. False when the lock exists. */
async function createFrom(beside: string, path: string): Promise<boolean> {
  try {
    await link(beside, path)
    return true
  } catch (cause) {
    if (causeCode(cause) === "EEXIST") return false
  }
  // A file system without hard links: the content follows the name, and readers allow for that (readOwner).
  try {
    await writeFile(path, await readFile(beside), { flag: "wx", mode: 0o600 })
    return true
  } catch (cause) {
    if (causeCode(cause) === "EEXIST") return false
    return attempt("lock", path, () => Promise.reject(cause))
  }
}

/** Undefined when there is no lock. A lock without readable content is given a moment, then counts as left by a crash. */
async function readOwner(path: string): Promise<LockOwner | undefined> {
  for (let patience = 3; ; patience--) {
    let content: string
    try {
      content = await readFile(path, "utf8")
    } catch (cause) {
      if (causeCode(cause) === "ENOENT") return undefined
      return attempt("read", path, () => Promise.reject(cause))
    }
    const owner = parseOwner(content)
    if (owner !== undefined) return owner
    if (patience === 0) return unreadable(content)
    await delay(50)
  }
}

function parseOwner(content: string): LockOwner | undefined {
  try {
    const { id, pid, processStart, bootId, node, since } = JSON.parse(content) as Record<string, unknown>
    if (typeof id !== "string" || !/^[\w-]{1,64}$/.test(id)) return undefined
    if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid <= 0) return undefined
    return { id, pid, processStart: text(processStart), bootId: text(bootId), node: text(node), since: text(since) }
  } catch {
    return undefined
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : ""
}

/** A pid of 0 belongs to no process: stale. The id still tells whether the file has changed. */
function unreadable(content: string): LockOwner {
  const id = createHash("sha256").update(content).digest("hex").slice(0, 32)
  return { id, pid: 0, processStart: "", bootId: "", node: "", since: "" }
}

/** Removes what processes that died while they raced have left beside the lock. */
async function sweep(path: string): Promise<void> {
  const folder = dirname(path)
  const prefix = `${basename(path)}.`
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${prefix}new-`) && !name.startsWith(`${prefix}over-`)) continue
    const left = join(folder, name)
    const owner = parseOwner(await readFile(left, "utf8").catch(() => ""))
    if (owner !== undefined && !(await isAlive(owner))) await rm(left, { force: true })
  }
}

function lockedBy(path: string, owner: LockOwner): FogError {
  const node = owner.node === "" ? "" : ` of node ${owner.node}`
  return new FogError("store_locked", {
    message: `Cannot lock ${path}: process ${owner.pid}${node} has held it since ${owner.since}`,
    hint: `Stop process ${owner.pid}, or give this node another store.path.`,
    details: { pid: owner.pid, node: owner.node, since: owner.since },
  })
}
