/**
 * Parses the JSON answer of a query while it arrives, so that a big result never has to fit into memory at once.
 *
 * It looks for structure only (strings, brackets) and leaves each row to JSON.parse; it does not depend on how the
 * answer is broken into lines or pieces. What surrounds the rows is read as one object at the end.
 */

export interface RowParser<T> {
  /** The rows that this piece completes. Throws a SyntaxError on what is no JSON. */
  push(text: string): T[]
  /** What came before the rows, e.g. id and columns; undefined until the rows begin. */
  readonly head: Readonly<Record<string, unknown>> | undefined
  /** Everything but the rows. Throws a SyntaxError when the answer is incomplete. */
  end(): Readonly<Record<string, unknown>>
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** Where the parser is: before the array of rows, in it, after it. */
type Place = "head" | "rows" | "tail"

/** @param parse what becomes of a row's text */
export function createRowParser<T>(parse: (text: string) => T = JSON.parse): RowParser<T> {
  let place: Place = "head"
  let text = ""
  /** Everything before this index has been looked at. */
  let at = 0
  let depth = 0
  let isInString = false
  /** Start of the string or of the row that is being read; -1 between them. */
  let start = -1
  let key = ""
  let headText = ""
  let head: Record<string, unknown> | undefined

  /** Moves `at` behind the string's closing quote; false when it has not arrived yet. */
  function skipString(): boolean {
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === backslash) {
        // The escaped character may be in the next piece: stay at the backslash until then.
        if (at + 1 >= text.length) return false
        at++
      } else if (code === quote) {
        at++
        isInString = false
        return true
      }
    }
    return false
  }

  /** Finds the array that belongs to the key "rows" of the outermost object. */
  function findRows(): void {
    let keyStart = start
    while (at < text.length) {
      if (isInString) {
        if (!skipString()) break
        if (depth === 1) key = text.slice(keyStart, at)
        continue
      }
      const code = text.charCodeAt(at++)
      if (code === quote) {
        isInString = true
        keyStart = at - 1
      } else if (code === openBracket && depth === 1 && key === '"rows"') {
        headText = text.slice(0, at)
        head = JSON.parse(`${headText}]}`) as Record<string, unknown>
        text = text.slice(at)
        at = 0
        depth = 0
        start = -1
        place = "rows"
        return
      } else if (code === openBrace || code === openBracket) depth++
      else if (code === closeBrace || code === closeBracket) depth--
    }
    start = keyStart
  }

  function readRows(rows: T[]): void {
    while (at < text.length) {
      if (isInString) {
        if (!skipString()) break
        continue
      }
      const code = text.charCodeAt(at++)
      if (code === quote) isInString = true
      else if (code === openBrace || code === openBracket) {
        if (depth++ === 0) start = at - 1
      } else if (code === closeBrace || code === closeBracket) {
        if (depth === 0) {
          at--
          place = "tail"
          break
        }
        if (--depth === 0) {
          rows.push(parse(text.slice(start, at)))
          start = -1
        }
      }
    }
    forget()
  }

  /** Drops what has been read, but not a row that is still incomplete. */
  function forget(): void {
    const kept = start === -1 ? at : start
    text = text.slice(kept)
    at -= kept
    if (start !== -1) start = 0
  }

  return {
    push(piece) {
      text += piece
      const rows: T[] = []
      if (place === "head") findRows()
      if (place === "rows") readRows(rows)
      return rows
    },
    get head() {
      return head
    },
    end: () => JSON.parse(place === "tail" ? headText + text : text) as Record<string, unknown>,
  }
}
