/** How a process is started, and what its owner learns of it. */
import { spawn } from "node:child_process"
import type { Duplex, Readable } from "node:stream"

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface Streams {
  /** File descriptor 3 of the process. */
  readonly channel: Duplex
  readonly stdout: Readable
  readonly stderr: Readable
}

export interface Starting {
  /** It runs. Streams may be paused. */
  onStart(pid: number, streams: Streams): void
  /** It ended; what it wrote may still be on its way. Never before `onStart`. */
  onExit(code: number | undefined, signal: string | undefined): void
  /** It could not be started; nothing else comes. */
  onError(error: Error): void
}

export interface Starter {
  start(command: Command, starting: Starting): void
  close(): Promise<void>
}

/** From this process itself. Holds the event loop for as long as the fork takes: 3 ms, and 10 ms more for every 100 MB. */
export const directStarter: Starter = {
  start({ file, args, environment }, starting) {
    const child = spawn(file, args, {
      cwd: "/",
      env: environment,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      // A group of its own, so that it can be killed with all that it starts; and a terminal's Ctrl-C is not for it.
      detached: true,
    })
    child.on("error", (error) => starting.onError(error))
    child.on("exit", (code, signal) => starting.onExit(code ?? undefined, signal ?? undefined))
    if (child.pid === undefined) return
    const { stdout, stderr } = child
    starting.onStart(child.pid, { channel: child.stdio[3] as Duplex, stdout: stdout!, stderr: stderr! })
  },
  close: async () => {},
}
