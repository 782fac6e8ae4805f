/** DuckDB's errors in the words of Brume. */
import { FogError } from "@brume/core"
import { type Position, positionInMessage } from "./position.ts"

/** Kinds of DuckDB's errors whose cause is the statement or the values that it meets. */
const statementKinds: ReadonlySet<string> = new Set([
  "Binder",
  "Cardinality",
  "Catalog",
  "Constraint",
  "Conversion",
  "Expression",
  "Invalid",
  "Invalid Input",
  "Invalid Type",
  "Invalid type",
  "Mismatch Type",
  "Not implemented",
  "Out of Range",
  "Parameter Not Resolved",
  "Parser",
  "Syntax",
])

/** Longest text of DuckDB in a message, UTF-16 code units. */
const maxMessageLength = 1_000

/** What went wrong while DuckDB planned or ran a statement. `internal` is a fault of ours; its cause says which. */
export function faultOf(error: unknown, sql: string): FogError {
  const text = error instanceof Error ? error.message : String(error)
  const kind = /^(?:Error: )?([A-Za-z ]+) Error: /.exec(text)?.[1] ?? ""
  if (kind === "Out of Memory") return memoryFault(text)
  if (kind === "Permission") {
    return new FogError("query_refused", {
      message: `The statement asks for something that is not offered: ${cleaned(text)}`,
      hint: "Write a plain SELECT over readings and latest.",
    })
  }
  if (statementKinds.has(kind)) return invalid(cleaned(text), positionInMessage(sql, text))
  return new FogError("internal", { message: `DuckDB failed: ${cleaned(text)}`, cause: error })
}

/** A statement that cannot be parsed, planned or, because of the values that it meets, run. */
export function invalid(why: string, position?: Position): FogError {
  const place = position === undefined ? "" : ` (line ${position.line}, column ${position.column})`
  return new FogError("query_invalid", {
    message: `The statement cannot be run: ${why}${place}`,
    hint: "DESCRIBE readings shows the columns and their types.",
    ...(position === undefined ? {} : { details: { line: position.line, column: position.column } }),
  })
}

function memoryFault(text: string): FogError {
  const limit = /\/([\d.]+ [KMGT]?i?B) used\)/.exec(text)?.[1]
  return new FogError("query_memory", {
    message: `The statement needs more memory than SQL may use${limit === undefined ? "" : `: ${limit} for all that runs`}`,
    hint: "Read fewer rows and columns, aggregate before sorting or joining, or raise store.tables.memoryBytes.",
  })
}

/** One line without the kind, the excerpt, and advice about settings that users cannot change. */
export function cleaned(text: string): string {
  const [head] = text.replace(/^(?:Error: )?[A-Za-z ]+ Error: /, "").split(/\n\s*(?:LINE \d+: |Possible solutions:)/)
  const line = head!
    .replace(/\s*Use "SET [^"]*" [^.]*\.?/g, "")
    .replace(/\s*\(?(?:Use|Set|Try) [^.\n]*\bSET [^.\n]*\.?\)?/g, "")
    .replace(/\s+/g, " ")
    .trim()
  return line.length <= maxMessageLength ? line : `${line.slice(0, maxMessageLength)} …`
}
