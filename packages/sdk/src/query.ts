/** SQL over readings. */
import { type ErrorCode, type FogError, isFogError, type QueryFormat } from "@brume/core"
import { fogErrorOf, foreignAnswer, isRecord } from "./problem.ts"
import { createRowParser, type RowParser } from "./row-parser.ts"
import type { Call, Transport } from "./transport.ts"

/** A value of a row. Times are ISO 8601 strings with µs; integers beyond 2^53 are strings. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

export interface QueryColumn {
  readonly name: string
  /** DuckDB's name of the type, e.g. `DOUBLE`, `TIMESTAMP`. */
  readonly type: string
}

export interface QueryOptions {
  /** Values for `$1`, `$2`, … in the statement. */
  readonly parameters?: readonly (string | number | boolean | null | bigint | Date)[]
  /** Fails with `query_too_many_rows` beyond this. @default the node's limit */
  readonly maxRows?: number
  /** The node stops the statement after this time. @default the node's limit */
  readonly timeoutMs?: number
  /** Stops the statement on the node too. */
  readonly signal?: AbortSignal
}

/** A result whose rows are still arriving: iterate once. */
export interface QueryStream<T> extends AsyncIterable<T> {
  /** Names the statement while it runs. */
  readonly id: string
  readonly columns: readonly QueryColumn[]
  /** The rows in the portions in which they arrive: cheaper than one by one. */
  portions(): AsyncGenerator<T[], void, undefined>
}

export interface QueryBytes {
  readonly contentType: string
  readonly chunks: AsyncIterable<Uint8Array>
}

/** Beyond the statement's own limit, ms: for the way there and back, and a place in the node's queue. */
const graceMs = 10_000
/** How long the answer to a statement without a limit of its own may take to begin, or to go on, ms. */
const patienceMs = 120_000
/** A statement that ran into a limit is not worth the node's time again. */
const final: readonly ErrorCode[] = ["query_timeout", "query_cancelled"]

const accepted = {
  json: "application/json",
  csv: "text/csv",
  arrow: "application/vnd.apache.arrow.stream",
} as const satisfies Record<QueryFormat, string>

export function queryCall(sql: string, format: QueryFormat, options: QueryOptions): Call {
  const body = {
    sql,
    format,
    ...(options.parameters === undefined ? {} : { parameters: options.parameters.map(parameterOf) }),
    ...(options.maxRows === undefined ? {} : { maxRows: options.maxRows }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  }
  return {
    method: "POST",
    path: "v1/query",
    headers: { "content-type": "application/json", accept: `${accepted[format]}, application/problem+json` },
    body: JSON.stringify(body),
    isIdempotent: true,
    final,
    timeoutMs: silenceMs(options),
    signal: options.signal,
  }
}

/** By the stream, which hears why an answer broke off. */
export async function queryRows<T>(transport: Transport, sql: string, options: QueryOptions): Promise<T[]> {
  const rows: T[] = []
  for await (const portion of (await queryStream<T>(transport, sql, options)).portions()) {
    for (const row of portion) rows.push(row)
  }
  return rows
}

export async function queryBytes(
  transport: Transport,
  sql: string,
  options: QueryOptions & { readonly format: QueryFormat },
): Promise<QueryBytes> {
  const { headers, chunks } = await transport.download(queryCall(sql, options.format, options), silenceMs(options))
  return { contentType: headers.get("content-type") ?? accepted[options.format], chunks }
}

/** All bytes in one piece. */
export async function collectBytes(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of chunks) {
    pieces.push(piece)
    length += piece.length
  }
  const whole = new Uint8Array(length)
  let position = 0
  for (const piece of pieces) {
    whole.set(piece, position)
    position += piece.length
  }
  return whole
}

/** @param options.parse what becomes of a row's text */
export async function queryStream<T>(
  transport: Transport,
  sql: string,
  options: QueryOptions & { readonly parse?: (text: string) => T },
): Promise<QueryStream<T>> {
  const { chunks } = await transport.download(queryCall(sql, "json", options), silenceMs(options))
  const parser = createRowParser<T>(options.parse)
  const decoder = new TextDecoder("utf-8", { fatal: true })
  const url = transport.base.href

  async function nextPortion(): Promise<T[] | undefined> {
    const { done, value } = await chunks.next().catch((error: unknown) => {
      throw lastWords(parser) ?? error
    })
    try {
      if (!done) return parser.push(decoder.decode(value, { stream: true }))
      const rest = parser.push(decoder.decode())
      const problem = lastWords(parser)
      if (problem !== undefined) throw problem
      parser.end()
      return rest.length === 0 ? undefined : rest
    } catch (error) {
      await chunks.return()
      if (isFogError(error)) throw error
      throw foreignAnswer(url, "its answer broke off or is not JSON", error)
    }
  }

  let first: T[] | undefined = []
  while (parser.head === undefined && first !== undefined) first = await nextPortion()
  if (parser.head === undefined) throw foreignAnswer(url, "its answer has no rows")
  const { id, columns } = parser.head as { id?: string; columns?: QueryColumn[] }

  async function* portions(): AsyncGenerator<T[], void, undefined> {
    try {
      for (let rows = first; rows !== undefined; rows = await nextPortion()) if (rows.length > 0) yield rows
    } finally {
      await chunks.return()
    }
  }
  return {
    id: id ?? "",
    columns: columns ?? [],
    portions,
    async *[Symbol.asyncIterator]() {
      for await (const rows of portions()) yield* rows
    },
  }
}

/** A node that breaks an answer off says why before. */
function lastWords(parser: RowParser<unknown>): FogError | undefined {
  let problem: unknown
  try {
    problem = parser.end().error
  } catch {
    // It came to no last words: the connection itself was lost.
    return undefined
  }
  return isRecord(problem) ? fogErrorOf(problem) : undefined
}

function silenceMs(options: QueryOptions): number {
  return options.timeoutMs === undefined ? patienceMs : options.timeoutMs + graceMs
}

function parameterOf(value: string | number | boolean | null | bigint | Date): string | number | boolean | null {
  if (value instanceof Date) return value.toISOString()
  return typeof value === "bigint" ? value.toString() : value
}
