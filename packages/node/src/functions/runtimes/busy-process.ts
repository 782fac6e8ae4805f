/**
 * A process that keeps a processor busy is held to one of them. Otherwise the system moves it about, always to where a
 * neighbour's process or the node has just begun to sleep, and their calls wait behind it. It costs the busy one nothing
 * but parallel threads, and needs no right. On a machine with one processor, or without the tools, nothing happens.
 */
import { execFile } from "node:child_process"
import { cpus } from "node:os"
import { promisify } from "node:util"

const shell = "/bin/sh"
/**
 * Binds process $1 to processor $2, or where $3 is `nested` what runs inside of it: the sandbox ($1) has one child, the first
 * process of its namespace, and that has the runner. One program for all of it, because each that the node starts holds its
 * event loop for a ms or two.
 */
const script = `
bind() { taskset -a -p -c "$2" "$1" >/dev/null; }
if [ "$3" != nested ]; then bind "$1" "$2"; exit; fi
read first </proc/$1/task/$1/children
for one in $first; do
  read inner </proc/$one/task/$one/children
  for each in $inner; do bind "$each" "$2"; done
done`
const waitMs = 2_000

/** Busy ones take turns from the last processor down; the first is left to everybody else. */
let turn = 0

/** `isNested`: the process is inside of a sandbox that `pid` runs. Never rejects. */
export async function holdToOneProcessor(pid: number, isNested: boolean): Promise<void> {
  const processors = cpus().length
  if (process.platform !== "linux" || processors < 2) return
  const processor = processors - 1 - (turn++ % (processors - 1))
  const args = ["-c", script, "sh", String(pid), String(processor), isNested ? "nested" : "plain"]
  try {
    await promisify(execFile)(shell, args, { env: { PATH: "/usr/bin:/bin" }, timeout: waitMs })
  } catch {
    // It ended, or the machine does not allow it: the call's time still holds.
  }
}
