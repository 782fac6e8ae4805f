/** From JSON text to values: looked at before it is parsed, so that no payload costs more than its size warrants. */
import { JsonFault, type JsonValue, parseExactJson, writeExactJson } from "./exact-json.ts"
import { maxJsonValues } from "./limits.ts"

export interface JsonDocument {
  readonly value: JsonValue
  /** Compact JSON of a part of the value. */
  readonly write: (value: JsonValue) => string
}

/** Parses what stands between two places of a text. Throws {@link JsonFault}. */
export function parseJsonText(text: string, start: number, end: number, maxDepth: number): JsonDocument {
  if (needsExactParser(text, start, end, maxDepth))
    return { value: parseExactJson(text, start, end, maxDepth), write: writeExactJson }
  try {
    return { value: JSON.parse(text.slice(start, end)) as JsonValue, write: JSON.stringify }
  } catch (cause) {
    // JSON.parse's wording differs between versions of Node.js and names no line; the exact parser's does.
    parseExactJson(text, start, end, maxDepth)
    throw cause
  }
}

/** `line 3, column 14` of a fault in a payload of several lines, `column 14` in one of a single line. */
export function placeOf(fault: JsonFault, text: string): string {
  const lineStart = text.lastIndexOf("\n", fault.offset - 1) + 1
  const column = `column ${fault.offset - lineStart + 1}`
  if (lineStart === 0) return column
  let line = 1
  for (let at = text.indexOf("\n"); at !== -1 && at < lineStart; at = text.indexOf("\n", at + 1)) line++
  return `line ${line}, ${column}`
}

const quote = 0x22
const backslash = 0x5c

/**
 * One pass without allocation: true when the text has integers of 16 digits and more (beyond 2^53 or near it), numbers
 * that may be too large for a double, or escaped surrogates. Throws for nesting and for more values than
 * {@link maxJsonValues}. Says nothing about whether the text is JSON.
 */
function needsExactParser(text: string, start: number, end: number, maxDepth: number): boolean {
  let depth = 0
  let values = 1
  let exact = false
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      for (at++; at < end; at++) {
        const inner = text.charCodeAt(at)
        if (inner === quote) break
        if (inner !== backslash) continue
        at++
        if (text.charCodeAt(at) === 0x75 /* u */ && (text.charCodeAt(at + 1) | 0x20) === 0x64 /* d */) exact = true
      }
    } else if (code === 0x2c /* , */) values++
    else if ((code | 0x20) === 0x7b /* [ and { */) {
      values++
      if (++depth > maxDepth) throw new JsonFault(`is nested deeper than ${maxDepth} levels`, at)
    } else if ((code | 0x20) === 0x7d /* ] and } */) depth--
    else if (code >= 0x30 && code <= 0x39) {
      const from = at
      while (at + 1 < end && isDigit(text.charCodeAt(at + 1))) at++
      if (at - from >= 2 && isLong(text, from, at + 1)) exact = true
    }
  }
  if (values > maxJsonValues) throw new JsonFault(`has more than ${maxJsonValues} values`, end)
  return exact
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

/** Whether a run of digits makes a number that JSON.parse rounds away: a long integer, or one beyond any double. */
function isLong(text: string, from: number, to: number): boolean {
  const before = text.charCodeAt(from - 1) | 0x20
  const sign = before === 0x2b || before === 0x2d ? text.charCodeAt(from - 2) | 0x20 : before
  // An exponent of three digits; with two, a number needs more than 200 to be too large.
  if (sign === 0x65) return true
  if (before === 0x2e) return false
  const after = text.charCodeAt(to) | 0x20
  const isInteger = after !== 0x2e && after !== 0x65
  return to - from >= (isInteger ? 16 : 200)
}
