/** `brume query`: one SELECT, its rows in the form that the reader wants. */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import type { Json, QueryColumn, QueryOptions } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { parseSpan, plural } from "../times.ts"

export interface QueryFlags extends ConnectionFlags {
  readonly file?: string
  readonly format?: "table" | "json" | "csv" | "arrow"
  readonly json?: boolean
  readonly param?: readonly string[]
  readonly maxRows?: string
  readonly timeout?: string
}

type Row = Record<string, Json>

/** Rows that decide how wide a table's columns are; those after them are cut to fit. */
const measuredRows = 10_000
/** Longest statement, bytes: what the node takes. */
const maxStatementBytes = 1_000_000

export async function query(
  [sql]: readonly [string | undefined],
  flags: QueryFlags,
  terminal: Terminal,
): Promise<void> {
  const statement = await statementOf(sql, flags, terminal)
  const format = flags.json === true ? "json" : (flags.format ?? "table")
  if (format === "arrow" && terminal.out.isTerminal) {
    throw usageError(
      "Arrow is binary and would spoil the terminal",
      "Redirect it: brume query --format arrow … > rows.arrow",
    )
  }
  const client = await connect(flags, terminal)
  const options = optionsOf(flags, terminal)
  if (format === "csv" || format === "arrow") {
    const { chunks } = await client.queryBytes(statement, { ...options, format })
    for await (const chunk of chunks) await terminal.out.write(chunk)
    return
  }
  const stream = await client.queryJson(statement, options)
  if (format === "json") await writeJson(stream.portions(), terminal)
  else await writeTable(stream.portions(), stream.columns, terminal)
}

function optionsOf(flags: QueryFlags, { signal }: Terminal): QueryOptions {
  return {
    signal,
    ...(flags.param === undefined ? {} : { parameters: flags.param.map(parameterOf) }),
    ...(flags.maxRows === undefined ? {} : { maxRows: wholeOf(flags.maxRows, "--max-rows") }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: parseSpan(flags.timeout, "--timeout") }),
  }
}

/** Numbers, true, false and null are what they look like; everything else is text, also when it is quoted as JSON. */
export function parameterOf(text: string): string | number | boolean | null {
  if (!/^(-?\d|true$|false$|null$|")/.test(text)) return text
  try {
    const value: unknown = JSON.parse(text)
    // More digits than a number holds stay text; the node casts them exactly.
    if (typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(text)) return text
    return typeof value === "object" && value !== null ? text : (value as string | number | boolean | null)
  } catch {
    // Something like 2025-01-01: it only begins like a number.
    return text
  }
}

function wholeOf(text: string, flag: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw usageError(
    `${flag} ${JSON.stringify(text)} is no whole number from 1 on`,
    "Write digits alone: --max-rows 5000.",
  )
}

async function statementOf(sql: string | undefined, flags: QueryFlags, terminal: Terminal): Promise<string> {
  if (sql !== undefined && sql !== "-" && flags.file !== undefined) {
    throw usageError("There are two statements: an argument and --file", "Give one of them.")
  }
  const statement = flags.file === undefined ? await fromArgument(sql, terminal) : await fromFile(flags.file, terminal)
  if (statement.trim() === "") {
    throw usageError("The statement is empty", 'Write it like brume query "SELECT * FROM latest".')
  }
  return statement
}

async function fromArgument(sql: string | undefined, { input, isInputTerminal }: Terminal): Promise<string> {
  if (sql !== undefined && sql !== "-") return sql
  if (sql === undefined && isInputTerminal) {
    throw usageError("There is no statement", 'Write it like brume query "SELECT * FROM latest", or pipe it in.')
  }
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of input) {
    bytes += piece.length
    if (bytes > maxStatementBytes) throw usageError("The statement on stdin is longer than 1 MB", "Is it a statement?")
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString("utf8")
}

async function fromFile(file: string, { folder }: Terminal): Promise<string> {
  try {
    return await readFile(resolve(folder, file), "utf8")
  } catch (cause) {
    throw usageError(`Cannot read the statement from ${file}: ${(cause as Error).message}`, "Correct --file.")
  }
}

/** One array, a row per line, written while the rows arrive, each as the node wrote it. */
async function writeJson(portions: AsyncIterable<readonly string[]>, { out }: Terminal): Promise<void> {
  let separator = "[\n"
  for await (const rows of portions) {
    await out.write(separator + rows.join(",\n"))
    separator = ",\n"
  }
  await out.write(separator === "[\n" ? "[]\n" : "\n]\n")
}

async function writeTable(
  portions: AsyncIterable<readonly string[]>,
  columns: readonly QueryColumn[],
  { out, notes }: Terminal,
): Promise<void> {
  const table = new Table(
    columns.map(({ name, type }) => ({ title: name, isNumber: isNumeric(type) })),
    out,
  )
  let count = 0
  let first: Row[] | undefined = []
  const write = (rows: readonly Row[]): Promise<void> =>
    table.write(rows.map((row) => columns.map(({ name }) => row[name])))
  for await (const texts of portions) {
    const rows = texts.map(exactRow)
    count += rows.length
    if (first === undefined) await write(rows)
    else {
      first.push(...rows)
      if (first.length >= measuredRows) {
        await write(first)
        first = undefined
      }
    }
  }
  if (first !== undefined) await write(first)
  if (notes.isTerminal) await notes.write(`${notes.paint.dim(plural(count, "row"))}\n`)
}

/** Integers of more digits than a number holds become texts: people shall read what is stored. */
export function exactRow(text: string): Row {
  const exact = /\d{16}/.test(text)
    ? text.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (found) => (found.startsWith('"') ? found : `"${found}"`))
    : text
  return JSON.parse(exact) as Row
}

export function isNumeric(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\b.*)$/i.test(type)
}
