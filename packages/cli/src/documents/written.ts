/** Documents as they stand in texts: YAML or JSON, several in one, each of their parts with its line. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from "yaml"
import type { NamedText } from "./files.ts"

export interface WrittenDocument {
  readonly file: string
  /** As the node gets it. */
  readonly value: unknown
  /** Where the part at a path stands, or as much of it as there is: `spec.actions[0].publish`. */
  lineOf(path: string): number
}

export interface Mistake {
  readonly file: string
  readonly line: number
  /** Which document, as far as it says so: `Rule warm`. */
  readonly which?: string
  readonly path: string
  readonly problem: string
}

export interface ReadDocuments {
  readonly documents: readonly WrittenDocument[]
  /** What keeps texts from being read. */
  readonly mistakes: readonly Mistake[]
}

/** How many values the aliases of one document may stand for. */
const maxAliasCount = 1_000

export function readDocuments(texts: readonly NamedText[]): ReadDocuments {
  const documents: WrittenDocument[] = []
  const mistakes: Mistake[] = []
  for (const { file, text } of texts) {
    const lines = new LineCounter()
    const lineAt = (offset: number): number => lines.linePos(offset).line
    const mistake = (line: number, problem: string): void => {
      mistakes.push({ file, line, path: "", problem })
    }
    for (const parsed of parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })) {
      const { errors, contents } = parsed as Document
      for (const error of errors) mistake(lineAt(error.pos[0]), `is not YAML: ${error.message}`)
      // What stands between two lines of `---` and says nothing is no document.
      if (errors.length > 0 || contents === null || (isScalar(contents) && contents.value === null)) continue
      const line = lineAt(contents.range?.[0] ?? 0)
      try {
        documents.push(...documentsOf(parsed as Document, { file, lineAt }))
      } catch (error) {
        mistake(line, `cannot be read: ${(error as Error).message}`)
      }
    }
  }
  return { documents, mistakes: [...mistakes, ...twice(documents)] }
}

interface Place {
  readonly file: string
  readonly lineAt: (offset: number) => number
}

/** One, or those of a list. */
function documentsOf(parsed: Document, { file, lineAt }: Place): WrittenDocument[] {
  const value: unknown = parsed.toJS({ maxAliasCount })
  const { contents } = parsed
  const one = (node: Node | null, own: unknown): WrittenDocument => ({
    file,
    value: own,
    lineOf: (path) => lineAt(offsetOf(parsed, node, partsOf(path))),
  })
  if (!isSeq(contents) || !Array.isArray(value)) return [one(contents as Node | null, value)]
  return contents.items.map((node, index) => one(node as Node, value[index]))
}

/** Where the deepest part of the path begins that is there. */
function offsetOf(parsed: Document, start: Node | null, parts: readonly string[]): number {
  let node: unknown = start
  let offset = start?.range?.[0] ?? 0
  for (const part of parts) {
    if (isAlias(node)) node = node.resolve(parsed)
    if (isSeq(node)) {
      node = node.items[Number(part)]
      if (node === undefined) break
      offset = (node as Node).range?.[0] ?? offset
    } else {
      const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && String(key.value) === part) : undefined
      if (pair === undefined) break
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value
    }
  }
  return offset
}

/** `spec.actions[0]["a b"]` → its parts. */
function partsOf(path: string): string[] {
  const parts: string[] = []
  for (const [, quoted, index, name] of path.matchAll(/\[("(?:[^"\\]|\\.)*")\]|\[(\d+)\]|([^.[\]]+)/g)) {
    parts.push(quoted === undefined ? (index ?? name ?? "") : (JSON.parse(quoted) as string))
  }
  return parts
}

/** Of two documents of one kind and name, nobody could say which one is meant. */
function twice(documents: readonly WrittenDocument[]): Mistake[] {
  const first = new Map<string, WrittenDocument>()
  return documents.flatMap((document) => {
    const which = whichOf(document.value)
    if (which === undefined || !which.includes(" ")) return []
    const earlier = first.get(which)
    if (earlier === undefined) {
      first.set(which, document)
      return []
    }
    const problem = `stands in ${earlier.file}:${earlier.lineOf("metadata.name")} already`
    return [{ file: document.file, line: document.lineOf("metadata.name"), which, path: "metadata.name", problem }]
  })
}

/** `Rule warm`, as far as it says so. */
export function whichOf(document: unknown): string | undefined {
  const { kind, metadata } = (document ?? {}) as { readonly kind?: unknown; readonly metadata?: unknown }
  const { name } = (metadata ?? {}) as { readonly name?: unknown }
  const words = [kind, name].filter((word): word is string => typeof word === "string" && word !== "")
  return words.length === 0 ? undefined : words.join(" ")
}
