/**
 * A process that keeps a processor busy is held to one of them. Otherwise the system moves it about, always to where a
 * neighbour's process or the node has just begun to sleep, and their calls wait behind it. It costs the busy one nothing
 * but parallel threads, and needs no right. On a machine with one processor, or without the tools, nothing happens.
 */
import { execFile } from "node:child_process"
import { cpus } from "node:os"
import { promisify } from "node:util"

const taskset = "/usr/bin/taskset"
const cat = "/bin/cat"
const waitMs = 2_000

/** Busy ones take turns from the last processor down; the first is left to everybody else. */
let turn = 0

/** `isNested`: the process is inside of a sandbox that `pid` runs. Never rejects. */
export async function holdToOneProcessor(pid: number, isNested: boolean): Promise<void> {
  const processors = cpus().length
  if (process.platform !== "linux" || processors < 2) return
  const processor = processors - 1 - (turn++ % (processors - 1))
  try {
    // The sandbox, its first process, and what that runs.
    const inner = isNested ? (await Promise.all((await childrenOf(pid)).map(childrenOf))).flat() : [pid]
    await Promise.all(inner.map((one) => run(taskset, ["-a", "-p", "-c", String(processor), String(one)])))
  } catch {
    // It ended, or the machine does not allow it: the call's time still holds.
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await run(cat, [`/proc/${pid}/task/${pid}/children`])
  return text.split(" ").filter(Boolean).map(Number)
}

async function run(file: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(file, [...args], { env: {}, timeout: waitMs })).stdout
}
