/** SQL over readings as other rooms see it. */
import type { Closeable } from "./ambient.ts"

/** The part of an AbortSignal that is needed here. */
export interface CancelSignal {
  readonly aborted: boolean
  addEventListener(type: "abort", listener: () => void): void
  removeEventListener(type: "abort", listener: () => void): void
}

export type QueryFormat = "json" | "csv" | "arrow"

export type QueryParameter = string | number | boolean | null

export interface QueryRequest {
  /** One SELECT over the views `readings` and `latest`. Comes from outside: it is checked, sandboxed and limited. */
  readonly sql: string
  /** Values for `$1`, `$2`, … */
  readonly parameters?: readonly QueryParameter[]
  readonly format: QueryFormat
  /** Below the configured limit, or the limit itself. */
  readonly maxRows?: number
  readonly timeoutMs?: number
  /** Stops the statement. */
  readonly signal?: CancelSignal
}

export interface QueryAnswer {
  /** Names the statement for {@link Query.cancel} while it runs. */
  readonly id: string
  readonly contentType: string
  /**
   * Encoded rows. Reading slowly holds the statement back; stopping to read cancels it. A failure after the first
   * piece rejects the iteration; failures before it reject {@link Query.answer}.
   */
  readonly body: AsyncIterable<Uint8Array>
}

export interface RunningQuery {
  readonly id: string
  readonly sql: string
  /** µs since 1970 UTC. */
  readonly started: number
  readonly state: "waiting" | "running"
}

/** One row of a trusted statement: JSON values; times are µs since 1970 as numbers, integers beyond 2^53 are strings. */
export type QueryRow = Readonly<Record<string, string | number | boolean | null>>

export interface Query extends Closeable {
  answer(request: QueryRequest): Promise<QueryAnswer>
  /** Rows of a statement that Brume itself wrote, e.g. for devices and their latest values. Not sandboxed, but limited. */
  rows(sql: string, parameters?: readonly QueryParameter[]): Promise<QueryRow[]>
  running(): RunningQuery[]
  /** False when no such statement runs. */
  cancel(id: string): boolean
}
