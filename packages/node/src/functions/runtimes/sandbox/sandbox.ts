/** What keeps the code of a function in. One is chosen per machine: inspect-machine.ts. */

import type { Launch, Shape } from "../driver.ts"
import type { Command } from "../starter.ts"

export interface Sandbox {
  readonly name: "bubblewrap" | "unsandboxed"
  /** The command that runs a launch within limits. */
  wrap(launch: Launch, shape: Shape): Command
}

/** Processes and threads of one instance. Node.js has eleven threads of its own. */
export const mostProcesses = 64
/** Size of the private /tmp, and of the largest file. */
export const temporaryBytes = 64 * 2 ** 20
export const mostOpenFiles = 256

/** What a function finds in its environment: nothing of the daemon's. */
export const environment: Readonly<Record<string, string>> = {
  PATH: "/usr/bin:/bin",
  HOME: "/tmp",
  TMPDIR: "/tmp",
  LANG: "C.UTF-8",
}

/** `prlimit` and its arguments, before the command. */
export function limited(prlimit: string, dataMiB: number): string[] {
  return [
    prlimit,
    `--data=${dataMiB * 2 ** 20}`,
    `--nproc=${mostProcesses}`,
    `--nofile=${mostOpenFiles}`,
    `--fsize=${temporaryBytes}`,
    "--core=0",
    "--",
  ]
}
