import type { DuckDBDataChunk } from "@duckdb/node-api"
import type { Column } from "./columns.ts"

/** Turns the rows of one result into bytes. Called in this order: rows, any number of times, then end. */
export interface Encoder {
  readonly contentType: string
  /** Bytes that {@link take} would give, about. */
  readonly pending: number
  /** Rows `from` ≤ row < `to` of a chunk. */
  rows(chunk: DuckDBDataChunk, from: number, to: number): void
  end(rowCount: number): void
  /** What was encoded since the last call. */
  take(): Uint8Array
}

export interface EncoderOptions {
  readonly id: string
  readonly columns: readonly Column[]
}

export type CreateEncoder = (options: EncoderOptions) => Encoder | Promise<Encoder>
