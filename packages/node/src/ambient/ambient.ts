/**
 * What a node gets from the outside world, in one object, so that a simulation can hand in all of it.
 * Not here: the disk (room `disk/`), which belongs to one data folder.
 */
import type { Clock, Random } from "@brume/core"
import { systemClock } from "./system-clock.ts"
import { systemRandom } from "./system-random.ts"

export interface Ambient {
  readonly clock: Clock
  readonly random: Random
  /** Writes one piece of log output. Never throws. */
  writeLog(text: string): void
  /** Whether log output is read by a person at a terminal. */
  readonly hasTerminal: boolean
  /** Threads of libuv's pool, which file operations and DuckDB's statements share. */
  readonly threadPoolSize: number
}

/**
 * The real world. Log output goes to stderr, which Node.js writes synchronously for files and pipes on Linux: the last
 * words before a crash are not lost, and a reader of the log that stalls also stalls the node.
 */
export function systemAmbient(): Ambient {
  return {
    clock: systemClock(),
    random: systemRandom(),
    writeLog: (text) => void process.stderr.write(text),
    // libuv's default, and its limits.
    threadPoolSize: Math.min(Math.max(Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? "4", 10) || 1, 1), 1_024),
    hasTerminal: process.stderr.isTTY === true && (process.env.NO_COLOR ?? "") === "",
  }
}
