/** Where something stands in a statement, for people: both from 1. */
export interface Position {
  readonly line: number
  /** In characters as JavaScript counts them. */
  readonly column: number
}

/** @param offset in bytes of UTF-8, as DuckDB counts. */
export function positionAt(sql: string, offset: number): Position {
  const before = Buffer.from(sql, "utf8").subarray(0, offset).toString("utf8")
  const lines = before.split("\n")
  return { line: lines.length, column: lines.at(-1)!.length + 1 }
}

/**
 * The position that a message of DuckDB shows as an excerpt of the line and a caret below it, or undefined:
 * `LINE 1: …WHERE foo > 1\n              ^`.
 */
export function positionInMessage(sql: string, message: string): Position | undefined {
  const found = /\nLINE (\d+): (.*)\n( *)\^/.exec(message)
  if (found === null) return undefined
  const [, number, excerpt, indent] = found as unknown as [string, string, string, string]
  const line = Number(number)
  const text = sql.split("\n")[line - 1]
  if (text === undefined) return undefined
  const shown = excerpt.replace(/^\.\.\./, "").replace(/\.\.\.$/, "")
  const skipped = excerpt.startsWith("...") ? 3 : 0
  const start = text.indexOf(shown)
  if (start === -1) return undefined
  const column = start + indent.length - `LINE ${number}: `.length - skipped + 1
  return column >= 1 && column <= text.length + 1 ? { line, column } : undefined
}
