/**
 * A first look at a statement's text, before DuckDB parses it.
 *
 * DuckDB's parser copies parts of some statements, so that a text of a kilobyte can take gigabytes and minutes to parse,
 * and nothing interrupts it: the operand of a simple CASE is copied for each WHEN, the definition of a named window for
 * each OVER; nested comments take quadratic time. This look bounds all of them, and nesting, by counting words.
 *
 * It blanks comments, which DuckDB then never sees: positions stay, and the text that is checked is the text that runs.
 * A word that it misreads costs or spares a refusal, never more: what the statement does is decided on DuckDB's own tree.
 */
import { FogError } from "@brume/core"

/** Longest statement, UTF-16 code units. */
export const maxSqlLength = 65_536
/** Most words, numbers, strings and signs of a statement. */
export const maxTokens = 10_000
/** Deepest nesting of brackets. */
export const maxDepth = 64
/** Most words that the parser may copy, counted with their copies. */
const maxCopies = 20_000

export interface Scanned {
  /** What to run: the text with blanks for comments and without semicolons at its end. */
  readonly sql: string
  /** What to check: the same, with blanks for EXPLAIN. */
  readonly select: string
}

export function scan(text: string): Scanned {
  if (text.length > maxSqlLength) {
    throw tooLarge(`it has ${text.length} characters; the limit is ${maxSqlLength}`)
  }
  if (text.includes("\u0000")) {
    throw new FogError("query_invalid", {
      message: "The statement contains the character U+0000",
      hint: "Remove it; no SQL text has a use for it.",
    })
  }
  const { sql, tokens } = tokenize(text)
  countCopies(tokens)
  return withoutExplain(sql)
}

/** Words in lower case and single signs; strings, numbers and quoted names are all `'`. */
function tokenize(text: string): { sql: string; tokens: string[] } {
  const tokens: string[] = []
  let sql = ""
  let depth = 0
  let at = 0
  while (at < text.length) {
    const end = tokenEnd(text, at)
    const token = text.slice(at, end)
    at = end
    if (/^(--|\/\*)/.test(token)) {
      sql += blank(token)
      continue
    }
    sql += token
    if (/^\s/.test(token)) continue
    tokens.push(/['"]$/.test(token) ? "'" : token.length < 32 ? token.toLowerCase() : "name")
    if (tokens.length > maxTokens) throw tooLarge(`it has more than ${maxTokens} words`)
    if (/^[([{]/.test(token)) depth++
    if (/^[)\]}]/.test(token)) depth--
    if (depth > maxDepth) throw tooLarge(`its brackets are nested deeper than ${maxDepth}`)
  }
  return { sql, tokens }
}

/** Letters beyond ASCII, without the spaces of Unicode, which DuckDB takes for blanks. */
const letters = "\\u00a1-\\u1fff\\u2010-\\u2027\\u2030-\\u205e\\u2060-\\u2fff\\u3001-\\ufefe\\uff00-\\uffff"
const name = `[a-z_${letters}][\\w$${letters}]*`
const plain = new RegExp(`\\s+|--[^\\n\\r]*|${name}|\\d[\\w.]*|[\\s\\S]`, "iy")
const backslashes = /e'(?:[^'\\]+|\\[\s\S]|'')*'?/iy
const single = /[bxn]?'(?:[^']+|'')*'?/iy
const double = /"(?:[^"]+|"")*"?/y
const dollars = new RegExp(`\\$(?:${name.replace("$", "")})?\\$`, "iy")

/** Where the token that starts at `at` ends. What is not closed reaches to the end. */
function tokenEnd(text: string, at: number): number {
  if (text.startsWith("/*", at)) return commentEnd(text, at)
  for (const form of [backslashes, single, double]) {
    form.lastIndex = at
    if (form.test(text)) return form.lastIndex
  }
  dollars.lastIndex = at
  const tag = dollars.exec(text)?.[0]
  if (tag !== undefined) {
    const end = text.indexOf(tag, at + tag.length)
    return end === -1 ? text.length : end + tag.length
  }
  plain.lastIndex = at
  plain.test(text)
  return plain.lastIndex
}

/** Comments nest. */
function commentEnd(text: string, start: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start + 2
  for (let depth = 1; depth > 0; ) {
    const found = edge.exec(text)
    if (found === null) return text.length
    depth += found[0] === "/*" ? 1 : -1
  }
  return edge.lastIndex
}

interface OpenCase {
  whens: number
  /** Words of the operand, with their copies. */
  operand: number
}

function countCopies(tokens: readonly string[]): void {
  const open: OpenCase[] = []
  let uses = 0
  let windowAt = -1
  for (const [at, token] of tokens.entries()) {
    const inner = open.at(-1)
    if (inner !== undefined && inner.whens === 0) inner.operand++
    if (token === "case") open.push({ whens: 0, operand: 0 })
    else if (token === "when" && inner !== undefined) inner.whens++
    else if (token === "end" && inner !== undefined) {
      open.pop()
      const outer = open.at(-1)
      const copies = Math.max(1, inner.whens) * Math.max(1, inner.operand)
      if (copies > maxCopies) throw tooLarge("the operand of a CASE is repeated for each WHEN")
      if (outer !== undefined && outer.whens === 0) outer.operand += copies
    } else if (token === "over") uses++
    else if (token === "window" && windowAt === -1) windowAt = at
  }
  if (windowAt !== -1 && uses * (tokens.length - windowAt) > maxCopies) {
    throw tooLarge("the definition of a named window is repeated for each OVER")
  }
}

function withoutExplain(text: string): Scanned {
  let end = text.length
  while (end > 0 && /[\s;]/.test(text[end - 1]!)) end--
  const sql = text.slice(0, end)
  const explain = /^\s*explain\s+(analyze\s+)?/i.exec(sql)?.[0]
  return { sql, select: explain === undefined ? sql : blank(explain) + sql.slice(explain.length) }
}

/** Lines stay. */
function blank(text: string): string {
  return text.replace(/[^\n\r]/g, " ")
}

function tooLarge(why: string): FogError {
  return new FogError("query_refused", {
    message: `The statement is too large to be planned: ${why}`,
    hint: "Ask in several smaller statements.",
  })
}
