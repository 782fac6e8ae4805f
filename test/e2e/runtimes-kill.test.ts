/** No process of a function outlives the daemon, however that ends: endless loops, blank ones, what they started. */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const host = fileURLToPath(new URL("../rig/runtimes-host.mjs", import.meta.url))

interface Running {
  readonly pid: number
  readonly parent: number
  /** With the time of its start, so that a number that is given again is another process. */
  readonly name: string
}

function running(): Running[] {
  const lines = execFileSync("ps", ["-eo", "pid=,ppid=,stat=,lstart=,args="], { encoding: "utf8" }).trim().split("\n")
  return lines.flatMap((line) => {
    const [, pid, parent, state, rest] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
    return state === undefined || state.startsWith("Z")
      ? []
      : [{ pid: Number(pid), parent: Number(parent), name: `${pid} ${rest}` }]
  })
}

function descendants(of: number): string[] {
  const all = running()
  const found: Running[] = []
  for (const level = [of]; level.length > 0; ) {
    const parent = level.pop()
    for (const one of all) {
      if (one.parent !== parent) continue
      found.push(one)
      level.push(one.pid)
    }
  }
  return found.map(({ name }) => name)
}

/** A user that is nobody here. */
const stranger = 12_345

test.for([
  ["auto", "SIGKILL", undefined],
  ["none", "SIGKILL", undefined],
  ["auto", "SIGTERM", undefined],
  ["auto", "SIGKILL", stranger],
] as const)("sandbox %s, %s, user %s", async ([sandbox, signal, user], { skip }) => {
  const identity = user === undefined ? {} : { uid: user, gid: user }
  if (user !== undefined) {
    if (process.getuid?.() !== 0) return skip("only root can be somebody else")
    const reads = spawnSync(
      process.execPath,
      ["-e", "require('node:fs').readFileSync(process.argv[1])", host],
      identity,
    )
    if (reads.status !== 0) return skip("others than root cannot read this folder")
  }
  const daemon = spawn(process.execPath, [host, sandbox], { stdio: ["ignore", "pipe", "inherit"], ...identity })
  await new Promise((resolve) => daemon.stdout.once("data", resolve))
  const children = descendants(daemon.pid!)
  expect(children.length).toBeGreaterThanOrEqual(4)
  daemon.kill(signal)
  await expect.poll(() => running().filter(({ name }) => children.includes(name)), { timeout: 5_000 }).toEqual([])
})
