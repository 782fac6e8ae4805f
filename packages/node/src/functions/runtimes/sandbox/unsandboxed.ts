/**
 * No sandbox: limits where the system has the means, and the promise that the child dies with the daemon. The code may read
 * what the daemon's user may read; that is why somebody has to accept it.
 */
import type { Launch } from "../driver.ts"
import { environment, limited, type Sandbox } from "./sandbox.ts"

export interface UnsandboxedOptions {
  /** Paths of the tools, where they are. */
  readonly prlimit: string | undefined
  readonly setpriv: string | undefined
}

export function createUnsandboxed({ prlimit, setpriv }: UnsandboxedOptions): Sandbox {
  return {
    name: "unsandboxed",
    wrap: ({ command, dataMiB }: Launch) => {
      const words = [
        ...(setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--"]),
        // The number of processes is that of the user, who has others: not limited here.
        ...(prlimit === undefined ? [] : limited(prlimit, dataMiB).filter((word) => !word.startsWith("--nproc"))),
        command.file,
        ...command.args,
      ]
      return { file: words[0]!, args: words.slice(1), environment: { ...environment, ...command.environment } }
    },
  }
}
