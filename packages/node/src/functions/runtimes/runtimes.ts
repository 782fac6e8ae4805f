/**
 * Runtimes: child processes that run the code of users, and nothing else does. Code never runs in the daemon's process or
 * in its threads: docs/decisions/functions.md.
 *
 * - R1 No child outlives the daemon, however that ends.
 * - R2 Whatever a child writes, it is read within limits, and a child that breaks the protocol is stopped with the reason.
 * - R3 A child gets nothing of the daemon but one socket: no environment, no files of the data folder, no other process.
 */
import type { Clock, Closeable, FunctionRuntime, Logger, Metrics } from "@brume/core"
import type { Pool, PoolOptions } from "./pool.ts"

export interface RuntimesOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** Never visible to functions, even where they lie below a folder that is: the data folder. */
  readonly hidden: readonly string[]
  /** Absolute path of the Python interpreter. @default "/usr/bin/python3" */
  readonly python?: string
  /** `none`: as if this machine had no sandbox. @default "auto" */
  readonly sandbox?: "auto" | "none"
  /** Blank processes kept ready for each runtime in use. 0: every start is a cold one. @default 1 */
  readonly blanks?: number
}

export interface Runtimes extends Closeable {
  /** What this machine gives; looked at once, at the first call. */
  inspect(): Promise<Machine>
  /** Throws `runtime_missing`, with the remedy, where this machine cannot run it. */
  check(runtime: FunctionRuntime): Promise<void>
  /** Starts the first instance at once; errors of that show in status(), ready() and calls. */
  openPool(options: PoolOptions): Pool
}
