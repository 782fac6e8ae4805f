/**
 * Where a command runs: its streams, environment and end, as arguments, so that a test can hand in its own.
 * The real one tolerates a reader that goes away, and turns Ctrl-C into a signal.
 */
import { type Paint, paintFor, plainPaint } from "./paint.ts"

export interface Output {
  /** Resolves when more may be written. What is written after the reader went away is lost. */
  write(piece: string | Uint8Array): Promise<void>
  readonly isTerminal: boolean
  /** Characters in a line; undefined where there is no terminal. */
  readonly columns: number | undefined
  readonly paint: Paint
}

export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The working folder. */
  readonly folder: string
  readonly input: AsyncIterable<Uint8Array>
  readonly isInputTerminal: boolean
  /** A line that somebody types at the terminal from now on, and that is not shown. */
  readHidden(): Promise<string>
  /** Results, and nothing else. */
  readonly out: Output
  /** Notices, progress and errors. */
  readonly notes: Output
  /** Aborted with an {@link Ended} by Ctrl-C, SIGTERM, or when nobody reads the results any more. */
  readonly signal: AbortSignal
  /** Leaves signals to a command that handles them itself; `signal` then tells no longer of them. */
  releaseSignals(): void
}

/** Why a command was ended from outside. */
export class Ended extends Error {
  override readonly name = "Ended"
  readonly exitCode: number

  constructor(why: string, exitCode: number) {
    super(why)
    this.exitCode = exitCode
  }
}

/** 128 + the signal's number, as shells have it. */
const endedBy = { SIGINT: 130, SIGTERM: 143 } as const

export function systemTerminal(): Terminal {
  const ending = new AbortController()
  const onSignal = (signal: "SIGINT" | "SIGTERM"): void => {
    // A second one does not wait for anything.
    if (ending.signal.aborted) process.exit(endedBy[signal])
    ending.abort(new Ended(signal, endedBy[signal]))
  }
  const listeners = (["SIGINT", "SIGTERM"] as const).map((name) => [name, () => onSignal(name)] as const)
  for (const [name, listener] of listeners) process.on(name, listener)
  return {
    environment: process.env,
    folder: process.cwd(),
    input: process.stdin,
    isInputTerminal: process.stdin.isTTY === true,
    readHidden: () => readHidden(process.stdin, () => onSignal("SIGINT")),
    out: outputOf(process.stdout, () => ending.abort(new Ended("nobody reads the output any more", 0))),
    notes: outputOf(process.stderr, () => {}),
    signal: ending.signal,
    releaseSignals() {
      for (const [name, listener] of listeners) process.off(name, listener)
    },
  }
}

/** In raw mode nothing is echoed, and the keys that end or correct a line are ours to know. */
async function readHidden(stdin: NodeJS.ReadStream, onInterrupt: () => void): Promise<string> {
  const line: string[] = []
  stdin.setRawMode(true)
  try {
    for await (const piece of stdin) {
      for (const key of String(piece)) {
        if (key === "\r" || key === "\n" || key === "\u0004") return line.join("")
        if (key === "\u0003") {
          onInterrupt()
          return ""
        }
        if (key === "\u007f" || key === "\b") line.pop()
        else line.push(key)
      }
    }
    return line.join("")
  } finally {
    stdin.setRawMode(false)
  }
}

function outputOf(stream: NodeJS.WriteStream, onGone: () => void): Output {
  let isGone = false
  stream.on("error", () => {
    isGone = true
    onGone()
  })
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.isTTY === true ? stream.columns : undefined
    },
    paint: stream.isTTY === true ? paintFor(process.env) : forcedPaint(),
    write(piece) {
      if (isGone || stream.write(piece)) return Promise.resolve()
      return new Promise((resolve) => {
        const done = (): void => {
          stream.off("drain", done)
          stream.off("error", done)
          stream.off("close", done)
          resolve()
        }
        stream.on("drain", done)
        stream.on("error", done)
        stream.on("close", done)
      })
    },
  }
}

/** FORCE_COLOR paints into pipes too. */
function forcedPaint(): Paint {
  const forced = process.env.FORCE_COLOR
  return forced !== undefined && forced !== "" && forced !== "0" ? paintFor(process.env) : plainPaint
}
