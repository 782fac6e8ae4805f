/**
 * A value as it was written, before a key has read it: a text, and where YAML has them lists and maps. Flags and
 * variables write lists of objects and maps as JSON.
 */
export type Written = string | WrittenList | WrittenMap

export interface WrittenList {
  readonly items: readonly WrittenPart[]
}

export interface WrittenMap {
  readonly entries: readonly (WrittenPart & { readonly name: string })[]
}

/** Something inside a list or a map. */
export interface WrittenPart {
  /** Where it stands; undefined where only the whole value has a place. */
  readonly origin: string | undefined
  /** undefined where nothing usable stands. */
  readonly written: Written | undefined
}

export function isWrittenList(written: Written): written is WrittenList {
  return typeof written === "object" && "items" in written
}

export function isWrittenMap(written: Written): written is WrittenMap {
  return typeof written === "object" && "entries" in written
}

/** Lists and maps may stand in one another; more than this is no configuration. */
export const mostWrittenLevels = 8

/** What a JSON text says, or undefined when it is none. Its numbers and booleans are texts, as everywhere. */
export function parseWrittenJson(text: string): Written | undefined {
  try {
    return writtenOf(JSON.parse(text), 0)
  } catch {
    return undefined
  }
}

function writtenOf(value: unknown, level: number): Written | undefined {
  if (value === null || level > mostWrittenLevels) return undefined
  if (typeof value !== "object") return String(value)
  const part = (written: unknown): WrittenPart => ({ origin: undefined, written: writtenOf(written, level + 1) })
  if (Array.isArray(value)) return { items: value.map(part) }
  return { entries: Object.entries(value).map(([name, member]) => ({ name, ...part(member) })) }
}
