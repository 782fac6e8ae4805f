import type { ReadingBatch } from "@brume/core"
import { JsonFault } from "./exact-json.ts"
import { parseJsonText } from "./json-text.ts"
import type { PayloadContext } from "./payload.ts"
import { ReadingCollector, tooManyReadings } from "./reading-collector.ts"
import { decodeUtf8 } from "./utf8.ts"

/** `application/x-ndjson`: one reading a line; blank lines are skipped. */
export function parseNdjson(bytes: Uint8Array, context: PayloadContext): ReadingBatch {
  const text = decodeUtf8(bytes, context.limits)
  const collector = new ReadingCollector(context)
  let line = 1
  let lineCount = 0
  for (let start = 0; start < text.length && !collector.isFull; line++) {
    const newline = text.indexOf("\n", start)
    const end = newline === -1 ? text.length : newline
    if (!isBlank(text, start, end)) {
      if (++lineCount > context.limits.readings) throw tooManyReadings(context.limits.readings)
      addLine(collector, { text, start, end, place: `line ${line}` }, context)
    }
    start = end + 1
  }
  return collector.finish()
}

interface Line {
  readonly text: string
  readonly start: number
  readonly end: number
  readonly place: string
}

function addLine(collector: ReadingCollector, line: Line, { limits }: PayloadContext): void {
  try {
    const { value, write } = parseJsonText(line.text, line.start, line.end, limits.depth)
    collector.add(value, write, line.place)
  } catch (fault) {
    if (!(fault instanceof JsonFault)) throw fault
    collector.addMistake(line.place, `${fault.message} (column ${fault.offset - line.start + 1})`)
  }
}

function isBlank(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x09 && code !== 0x0d) return false
  }
  return true
}
