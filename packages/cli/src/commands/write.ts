/** `brume write`: readings from arguments, a file or stdin. */
import { resolve } from "node:path"
import { FogError } from "@brume/core"
import { encodeReading } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import type { Terminal } from "../terminal.ts"
import { countText, plural } from "../times.ts"
import { parseArgument, parseTags } from "../write/argument.ts"
import { createRowReader, recordsOf } from "../write/csv.ts"
import {
  countFlag,
  type ImportCounts,
  type InputLine,
  importLines,
  lineProtocolSender,
  ndjsonSender,
  type RefusedLine,
} from "../write/importer.ts"
import { fileInput, linesOf } from "../write/lines.ts"

export interface WriteFlags extends ConnectionFlags {
  readonly file?: string
  readonly format: "ndjson" | "line" | "csv"
  readonly time?: string
  readonly tag?: readonly string[]
  readonly device?: string
  readonly precision?: "ns" | "us" | "ms" | "s"
  readonly maxRefused: string
  readonly json?: boolean
}

/** Attempts for each batch: a node that restarts is waited for. */
const attempts = 8
/** Shortest time between two lines of progress, ms. */
const progressMs = 200

export async function write(
  [readings]: readonly [readonly string[]],
  flags: WriteFlags,
  terminal: Terminal,
): Promise<number> {
  if (readings.length > 0) {
    if (flags.file !== undefined) throw usageError("There are readings and --file", "Give one of them.")
    await writeArguments(readings, flags, terminal)
    return 0
  }
  return await writeInput(flags, terminal)
}

async function writeArguments(readings: readonly string[], flags: WriteFlags, terminal: Terminal): Promise<void> {
  const context = { time: flags.time, tags: parseTags(flags.tag) }
  const inputs = readings.map((text) => parseArgument(text, context))
  const client = await connect(flags, terminal)
  const written = await client.writeReadings(inputs, { signal: terminal.signal })
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ ...written, refused: 0 })}\n`)
  else await terminal.out.write(`${plural(written.accepted, "reading")} stored\n`)
}

async function writeInput(flags: WriteFlags, terminal: Terminal): Promise<number> {
  const { notes, out, signal } = terminal
  const maxRefused = countFlag(flags.maxRefused)
  const input = inputOf(flags, terminal)
  const client = await connect(flags, terminal, attempts)
  const progress = createProgress(terminal)
  const counts = await importLines(inputLines(input, flags), {
    send: flags.format === "line" ? lineProtocolSender(client, flags.precision) : ndjsonSender(client),
    maxRefused,
    refused: (line) => void notes.write(refusedText(line)),
    progress: progress.show,
    signal,
  })
  progress.end()
  if (flags.json === true) await out.write(`${JSON.stringify(counts)}\n`)
  else await out.write(`${plural(counts.accepted, flags.format === "line" ? "line" : "reading")} stored\n`)
  if (counts.refused === 0) return 0
  const isCut = counts.refused > maxRefused
  throw new FogError("readings_invalid", {
    message: `${plural(counts.refused, "line")} refused${isCut ? "; the rest of the input was not sent" : ""}`,
    hint: isCut ? "Correct them, or allow more with --max-refused." : "All others are stored: send the corrected ones.",
    details: { ...counts },
  })
}

function inputOf(flags: WriteFlags, { input, isInputTerminal, folder }: Terminal): AsyncIterable<Uint8Array> {
  if (flags.file !== undefined && flags.file !== "-") return fileInput(resolve(folder, flags.file))
  if (flags.file === undefined && isInputTerminal) {
    throw usageError("There are no readings", "Give some: brume write cold/room-1/temperature=4.2, or pipe them in.")
  }
  return input
}

async function* inputLines(
  input: AsyncIterable<Uint8Array>,
  { format, device }: WriteFlags,
): AsyncGenerator<InputLine, void, undefined> {
  const lines = linesOf(input)
  if (format === "csv") {
    yield* csvLines(lines, device)
    return
  }
  let number = 0
  for await (const line of lines) {
    number++
    if (line.trim() !== "") yield { line, number }
  }
}

async function* csvLines(
  lines: AsyncIterable<string>,
  device: string | undefined,
): AsyncGenerator<InputLine, void, undefined> {
  let read: ReturnType<typeof createRowReader> | undefined
  for await (const { cells, number } of recordsOf(lines)) {
    if (read === undefined) {
      read = createRowReader(cells, device)
      continue
    }
    const input = read(cells)
    if (input !== undefined) yield { line: encodeReading(input), number }
  }
}

function refusedText({ number, reason }: RefusedLine): string {
  if (reason === "") return ""
  return number === undefined ? `refused ${reason}\n` : `refused line ${number}: ${reason}\n`
}

/** A line on stderr that is written over again and again; nothing where there is no terminal. */
function createProgress({ notes }: Terminal): { show: (counts: ImportCounts) => void; end: () => void } {
  const started = performance.now()
  let shown = started
  let isShowing = false
  return {
    show({ accepted }) {
      const now = performance.now()
      if (!notes.isTerminal || now - shown < progressMs) return
      shown = now
      isShowing = true
      const rate = (accepted / (now - started)) * 1_000
      void notes.write(`\r\u001b[K${notes.paint.dim(`${countText(accepted)} stored, ${countText(rate)}/s`)}`)
    },
    end() {
      if (isShowing) void notes.write("\r\u001b[K")
    },
  }
}
