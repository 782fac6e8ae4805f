/**
 * Runtimes: child processes that run the code of users, and nothing else does. Code never runs in the daemon's process or
 * in its threads: docs/decisions/functions.md.
 *
 * - R1 No child outlives the daemon, however that ends.
 * - R2 Whatever a child writes, it is read within limits, and a child that breaks the protocol is stopped with the reason.
 * - R3 A child gets nothing of the daemon but one socket: no environment, no files of the data folder, no other process.
 */
import type { Clock, Closeable, FunctionRuntime, Logger, Metrics } from "@brume/core"
import { holdToOneProcessor } from "./busy-process.ts"
import type { Driver } from "./driver.ts"
import { createPool } from "./instance-pool.ts"
import { Launcher } from "./launcher.ts"
import { createNodeDriver } from "./node-driver.ts"
import type { Pool, PoolOptions } from "./pool.ts"
import { createPythonDriver, type PythonDriver } from "./python-driver.ts"
import { createRemoteStarter } from "./remote-starter.ts"
import { chooseSandbox, type FunctionsMachine, withoutSandbox } from "./sandbox/inspect-machine.ts"
import type { Sandbox } from "./sandbox/sandbox.ts"

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

const defaultPython = "/usr/bin/python3"

export interface Runtimes extends Closeable {
  /** What this machine gives; looked at once, at the first call. */
  inspect(): Promise<FunctionsMachine>
  /** Throws `runtime_missing`, with the remedy, where this machine cannot run it. */
  check(runtime: FunctionRuntime): Promise<void>
  /** Starts the first instance at once; errors of that show in status(), ready() and calls. */
  openPool(options: PoolOptions): Pool
}

/** What this machine gives, without a node. */
export async function inspectFunctionsMachine(python: string = defaultPython): Promise<FunctionsMachine> {
  const [[, found], facts] = await Promise.all([chooseSandbox([]), pythonFacts(createPythonDriver(python))])
  return { ...found, ...facts }
}

async function pythonFacts(
  driver: PythonDriver,
): Promise<Pick<FunctionsMachine, "python" | "pythonProblem" | "pythonRemedy">> {
  const problem = await driver.missing()
  return { python: await driver.version(), pythonProblem: problem?.message, pythonRemedy: problem?.hint }
}

/** Cheap: the machine is looked at, and processes are started, when the first function wants it. */
export function createRuntimes(options: RuntimesOptions): Runtimes {
  const { clock, logger, metrics, hidden, python = defaultPython, sandbox = "auto", blanks = 1 } = options
  const node = createNodeDriver()
  const py = createPythonDriver(python)
  const starter = createRemoteStarter("/usr/bin/setpriv")
  const launcher = new Launcher({ clock, logger, starter, blanks })
  const pools = new Set<Pool>()
  const starts = metrics.counter("brume_functions_starts_total", "Processes given to functions.", ["runtime"])
  const crashes = metrics.counter("brume_functions_crashes_total", "Processes of functions that ended by a fault.", [
    "runtime",
  ])
  metrics.gauge("brume_functions_pools", "Versions of functions that can be called.", () => pools.size)
  const driverOf = (runtime: FunctionRuntime): Driver => (runtime === "python" ? py : node)
  let chosen: ReturnType<typeof chooseSandbox> | undefined
  let inForce: Sandbox["name"] | undefined
  const choose = async (): ReturnType<typeof chooseSandbox> => {
    chosen ??= sandbox === "none" ? withoutSandbox() : chooseSandbox(hidden)
    const result = await chosen
    inForce = result[0].name
    return result
  }
  const check = async (runtime: FunctionRuntime): Promise<void> => {
    const missing = await driverOf(runtime).missing()
    if (missing !== undefined) throw missing
  }

  return {
    inspect: async () => {
      const [[, found], facts] = await Promise.all([choose(), pythonFacts(py)])
      return { ...found, ...facts }
    },
    check,
    openPool(given) {
      const driver = driverOf(given.code.runtime)
      const shape = { memoryMiB: given.limits.memoryMiB, network: given.network }
      let release: (() => void) | undefined
      let isOver = false
      const pool = createPool(given, {
        clock,
        logger,
        isInOrder: driver.isInOrder,
        sandbox: () => inForce ?? "unsandboxed",
        launch: async () => {
          const [[box]] = await Promise.all([choose(), check(given.code.runtime)])
          if (!isOver) release ??= launcher.use(driver, shape, box)
          starts.add(1, { runtime: driver.name })
          return launcher.take(driver, shape, box)
        },
        release: () => {
          isOver = true
          release?.()
          pools.delete(pool)
        },
        onBusy: (child) => {
          if (child.pid !== undefined) void holdToOneProcessor(child.pid, inForce === "bubblewrap")
        },
        onCrash: () => crashes.add(1, { runtime: driver.name }),
      })
      pools.add(pool)
      return pool
    },
    async close() {
      await Promise.all([...pools].map((pool) => pool.close()))
      await launcher.close()
      await starter.close()
    },
    async [Symbol.asyncDispose]() {
      await this.close()
    },
  }
}
