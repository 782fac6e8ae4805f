/**
 * Finding the readings that a node refuses in a batch that holds good ones too: by the lines that the node names, or,
 * where it names none or not all, by halving and sending both halves. Pure; the delivery does the sending.
 *
 * Keys of parts derive from the batch's key, so that the same part, sent again after a restart, is the same request.
 */
import type { FogError } from "@brume/core"

export interface Part {
  readonly key: string
  readonly lines: readonly string[]
}

/** Beyond this length of a key, parts are found by halving alone: a node accepts 255 characters. */
const maxKeyLength = 200

export interface Sifted {
  /** To be sent instead of the part. */
  readonly parts: readonly Part[]
  readonly refused: readonly string[]
}

export function sift(part: Part, error: FogError): Sifted {
  const { key, lines } = part
  if (lines.length < 2) return { parts: [], refused: lines }
  const named = namedLines(error, lines)
  if (named !== undefined && key.length < maxKeyLength) {
    const rest = lines.filter((_, index) => !named.has(index + 1))
    const refused = lines.filter((_, index) => named.has(index + 1))
    return { parts: rest.length === 0 ? [] : [{ key: `${key}x`, lines: rest }], refused }
  }
  const middle = Math.ceil(lines.length / 2)
  return {
    parts: [
      { key: `${key}0`, lines: lines.slice(0, middle) },
      { key: `${key}1`, lines: lines.slice(middle) },
    ],
    refused: [],
  }
}

/** The numbers of bad lines, counted from 1; undefined when the error names not every line that it means. */
function namedLines(error: FogError, lines: readonly string[]): ReadonlySet<number> | undefined {
  const { mistakes, count, device } = error.details ?? {}
  if (error.code === "forbidden") {
    const numbers = lines.flatMap((line, index) => (deviceOf(line) === device ? [index + 1] : []))
    return numbers.length === 0 ? undefined : new Set(numbers)
  }
  if (error.code !== "readings_invalid" || !Array.isArray(mistakes) || count !== mistakes.length) return undefined
  const numbers = mistakes.map(({ at }: { at?: unknown }) => Number(/^line (\d+)\b/.exec(String(at))?.[1]))
  const isComplete = numbers.length > 0 && numbers.every((line) => line >= 1 && line <= lines.length)
  return isComplete ? new Set(numbers) : undefined
}

function deviceOf(line: string): string | undefined {
  return (JSON.parse(line) as { device?: string }).device
}
