/** The rows of a statement as pieces of bytes, within the limits of an answer. */
import { FogError } from "@brume/core"
import type { DuckDBDataChunk } from "@duckdb/node-api"
import { valueCount } from "./encode/elements.ts"
import type { Encoder } from "./encode/encoder.ts"

export interface PiecesOptions {
  readonly encoder: Encoder
  /** The next rows, or undefined after the last. */
  readonly next: () => Promise<DuckDBDataChunk | undefined>
  readonly maxRows: number
  readonly maxBytes: number
  /** Called with the number of rows when all are encoded. */
  readonly done: (rowCount: number) => void
}

/** Bytes from which a piece is handed on. */
const pieceBytes = 65_536
/** Values that are encoded before other work gets its turn: 2 to 4 ms. */
const valuesPerTurn = 8_192

export async function* piecesOf(options: PiecesOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { encoder, next, maxRows, done } = options
  let rowCount = 0
  let byteCount = 0
  const taken = (): Uint8Array => {
    const piece = encoder.take()
    byteCount += piece.length
    if (byteCount > options.maxBytes) throw tooLarge(options.maxBytes)
    return piece
  }
  let ahead = next()
  for (let chunk = await ahead; chunk !== undefined; chunk = await ahead) {
    // DuckDB works on the next rows while these are encoded.
    ahead = next()
    ahead.catch(() => {})
    rowCount += chunk.rowCount
    if (rowCount > maxRows) throw tooManyRows(maxRows)
    const step = Math.max(1, Math.floor((valuesPerTurn * chunk.rowCount) / valueCount(chunk)))
    for (let from = 0; from < chunk.rowCount; from += step) {
      if (from > 0) await turn()
      encoder.rows(chunk, from, Math.min(chunk.rowCount, from + step))
      if (encoder.pending >= pieceBytes) yield taken()
    }
  }
  encoder.end(rowCount)
  done(rowCount)
  yield taken()
}

/** Lets I/O and timers proceed: acknowledgements do not wait for an answer to be encoded. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function tooManyRows(limit: number): FogError {
  return new FogError("query_too_many_rows", {
    message: `The result has more than ${limit} rows, which is the limit`,
    hint: "Add LIMIT, aggregate, ask for a shorter time, or raise maxRows where it is lowered.",
    details: { maxRows: limit },
  })
}

function tooLarge(limit: number): FogError {
  return new FogError("query_too_large", {
    message: `The result has more than ${limit} bytes, which is the limit`,
    hint: "Ask for fewer columns or rows, or for a shorter time.",
    details: { maxBytes: limit },
  })
}
