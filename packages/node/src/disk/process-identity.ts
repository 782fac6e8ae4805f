/** Tells a process from another one that got the same pid later. */
import { readFile } from "node:fs/promises"
import { causeCode } from "./refusal.ts"

export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks after boot at which the process started; empty where the system does not tell. */
  readonly processStart: string
  /** Changes with every boot; empty where the system does not tell. */
  readonly bootId: string
}

export async function thisProcess(): Promise<ProcessIdentity> {
  return { pid: process.pid, processStart: (await linuxStart(process.pid)) ?? "", bootId: await linuxBootId() }
}

/** Whether the process still runs. In doubt (no start, no boot id) it does when its pid is taken. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  if (identity.pid <= 0) return false
  const bootId = await linuxBootId()
  if (identity.bootId !== "" && bootId !== "" && identity.bootId !== bootId) return false
  const start = await linuxStart(identity.pid)
  if (start !== undefined) return start !== "" && (identity.processStart === "" || identity.processStart === start)
  return isPidTaken(identity.pid)
}

/** Field 22 of /proc/<pid>/stat; empty for a process that has ended but was not collected; undefined when unknown. */
async function linuxStart(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined)
  if (stat === undefined) return undefined
  // The second field is the program's name in parentheses and may hold anything; fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const state = fields[0]
  if (state === "Z" || state === "X") return ""
  return fields[19]
}

async function linuxBootId(): Promise<string> {
  if (process.platform !== "linux") return ""
  return (await readFile("/proc/sys/kernel/random/boot_id", "latin1").catch(() => "")).trim()
}

function isPidTaken(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    // The process of another user may not be signalled, but it exists.
    return causeCode(cause) === "EPERM"
  }
}
