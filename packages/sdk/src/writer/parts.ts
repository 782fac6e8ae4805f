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

export interface Sifted {
  /** To be sent instead of the part. */
  readonly parts: readonly Part[]
  readonly refused: readonly string[]
}

export function sift(part: Part, error: FogError): Sifted {
  const { key, lines } = part
  if (lines.length < 2) return { parts: [], refused: lines }
  const named = namedLines(error, lines.length)
  if (named !== undefined) {
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

/** The numbers of all bad lines, counted from 1; undefined when the error does not name every one. */
function namedLines(error: FogError, count: number): ReadonlySet<number> | undefined {
  const mistakes = error.details?.mistakes
  if (error.code !== "readings_invalid" || !Array.isArray(mistakes) || error.details?.count !== mistakes.length) {
    return undefined
  }
  const numbers = mistakes.map(({ at }: { at?: unknown }) => Number(/^line (\d+)\b/.exec(String(at))?.[1]))
  const isComplete = numbers.length > 0 && numbers.every((line) => line >= 1 && line <= count)
  return isComplete ? new Set(numbers) : undefined
}
