/**
 * Python: an interpreter of the system at an absolute path, isolated (`-I`): it heeds neither the environment nor the
 * user's own packages. Never the first `python3` of a search path: that may be anything.
 */
import { execFile } from "node:child_process"
import { isAbsolute } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { FogError } from "@brume/core"
import type { Driver } from "./driver.ts"

const runner = fileURLToPath(new URL("../../../runners/runner.py", import.meta.url))
/** Its own memory, its modules, and the stacks of a few threads. */
const ownMiB = 48
const probe =
  "import sys; print(sys.version_info >= (3, 9), sys.version.split()[0], sys.prefix, sys.base_prefix, sep='\\n')"
const probeMs = 10_000

export interface PythonDriver extends Driver {
  /** The interpreter's version, where there is one. */
  version(): Promise<string | undefined>
}

interface Found {
  readonly version: string
  readonly prefixes: readonly string[]
}

export function createPythonDriver(path: string): PythonDriver {
  let looked: Promise<Found | FogError> | undefined
  let found: Found | undefined
  const look = async (): Promise<Found | FogError> => {
    looked ??= find(path)
    const result = await looked
    // What is missing may be installed while the node runs.
    if ("prefixes" in result) found = result
    else looked = undefined
    return result
  }
  return {
    name: "python",
    isInOrder: true,
    missing: async () => {
      const result = await look()
      return "prefixes" in result ? undefined : result
    },
    version: async () => {
      const result = await look()
      return "prefixes" in result ? result.version : undefined
    },
    launch: ({ memoryMiB }) => ({
      command: { file: path, args: ["-I", "-B", runner], environment: {} },
      paths: [path, runner, ...(found?.prefixes ?? [])],
      dataMiB: memoryMiB + ownMiB,
    }),
  }
}

async function find(path: string): Promise<Found | FogError> {
  if (!isAbsolute(path)) return missing(path, "is no absolute path")
  try {
    const { stdout } = await promisify(execFile)(path, ["-I", "-c", probe], { env: {}, timeout: probeMs })
    const [isFit, version = "", ...prefixes] = stdout.trim().split("\n")
    if (version === "") return missing(path, "is no Python interpreter")
    if (isFit !== "True") return missing(path, `is Python ${version}; 3.9 or newer is needed`)
    return { version, prefixes: [...new Set(prefixes)] }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return missing(path, code === "ENOENT" ? "is not there" : `cannot be run: ${message.split("\n")[0]}`, error)
  }
}

function missing(path: string, why: string, cause?: unknown): FogError {
  return new FogError("runtime_missing", {
    message: `Python cannot be used: ${path} ${why}`,
    hint: "Install Python 3 (Debian: apt-get install python3), or set functions.python to the path of an interpreter.",
    ...(cause === undefined ? {} : { cause }),
  })
}
