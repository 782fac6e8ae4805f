/** A terminal that keeps what a command writes: for running commands of the CLI without a process of their own. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { run } from "../../packages/cli/src/main.ts"
import { plainPaint } from "../../packages/cli/src/paint.ts"
import { Ended, type Output, type Terminal } from "../../packages/cli/src/terminal.ts"

export interface RecordedTerminal extends Terminal {
  /** What stdout and stderr got so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly stdoutBytes: () => Buffer
  interrupt(): void
}

export interface TerminalOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly folder?: string
  /** What is piped in; without it, stdin is a terminal. */
  readonly input?: string | AsyncIterable<Uint8Array>
  /** What somebody types without its being shown. */
  readonly typed?: string
  /** A terminal of this width; a pipe without it. */
  readonly columns?: number
}

export function recordedTerminal(options: TerminalOptions = {}): RecordedTerminal {
  const ending = new AbortController()
  const record = (): { readonly pieces: Buffer[]; readonly output: Output } => {
    const pieces: Buffer[] = []
    return {
      pieces,
      output: {
        isTerminal: options.columns !== undefined,
        columns: options.columns,
        paint: plainPaint,
        async write(piece) {
          pieces.push(Buffer.from(piece))
        },
      },
    }
  }
  const out = record()
  const notes = record()
  const { input } = options
  return {
    environment: options.environment ?? {},
    folder: options.folder ?? "/nonexistent",
    input: typeof input === "string" ? pieceOf(input) : (input ?? pieceOf("")),
    isInputTerminal: input === undefined,
    readHidden: async () => options.typed ?? "",
    out: out.output,
    notes: notes.output,
    signal: ending.signal,
    releaseSignals: () => {},
    stdout: () => Buffer.concat(out.pieces).toString(),
    stderr: () => Buffer.concat(notes.pieces).toString(),
    stdoutBytes: () => Buffer.concat(out.pieces),
    interrupt: () => ending.abort(new Ended("SIGINT", 130)),
  }
}

async function* pieceOf(text: string): AsyncGenerator<Uint8Array, void, undefined> {
  if (text !== "") yield Buffer.from(text)
}

/** Runs `brume …` in this process. */
export async function brume(argv: readonly string[], options: TerminalOptions = {}) {
  const terminal = recordedTerminal(options)
  const code = await run(argv, terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr(), bytes: terminal.stdoutBytes() }
}

/** An empty folder until the test ends. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "brume-cli-"))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}
