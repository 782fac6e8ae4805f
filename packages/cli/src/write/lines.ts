/** A file as a stream of bytes, and lines of such a stream, without their ends. */
import { createReadStream } from "node:fs"
import { usageError } from "../failure.ts"

/** Longest line, UTF-16 code units: what a node takes as one body. */
const maxLineLength = 16_777_216

/** Throws `usage` where it cannot be read. */
export async function* fileInput(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path, { highWaterMark: 1_048_576 })
  } catch (cause) {
    throw usageError(`Cannot read ${path}: ${(cause as Error).message}`, "Correct --file.")
  }
}

export async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let rest = ""
  let count = 0
  const decode = (piece?: Uint8Array): string => {
    try {
      return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true })
    } catch {
      throw usageError(`The input is not UTF-8 text, after line ${count}`, "Convert it first: iconv -t utf-8.")
    }
  }
  for await (const piece of input) {
    const text = rest + decode(piece)
    let start = 0
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      count++
      yield withoutReturn(text.slice(start, end))
      start = end + 1
    }
    rest = text.slice(start)
    if (rest.length > maxLineLength) {
      throw usageError(`Line ${count + 1} is longer than ${maxLineLength} characters`, "Is --format right?")
    }
  }
  const last = rest + decode()
  if (last !== "") yield withoutReturn(last)
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line)
