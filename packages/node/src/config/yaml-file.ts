/**
 * Reads a YAML file into written values, each with its line. Scalars are taken as they are written, not as YAML would
 * type them: a name that looks like a number stays a name.
 */
import { nearest } from "@brume/core"
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml"
import type { Given, Mistake } from "./given.ts"
import { isSection, type Members } from "./members.ts"
import { mostWrittenLevels, type Written } from "./written.ts"

export interface ParsedFile {
  readonly given: Given[]
  readonly mistakes: Mistake[]
}

export interface YamlFile {
  /** For messages. */
  readonly name: string
  readonly text: string
  /** What relative paths in it are relative to. */
  readonly folder: string
}

/** Lists and maps in one file. */
const mostParts = 20_000

export function parseYaml(file: YamlFile, schema: Members): ParsedFile {
  const lines = new LineCounter()
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file.name}:${line}:${col}`
  }
  let partCount = 0
  const given: Given[] = []
  const mistakes: Mistake[] = document.errors.map((error) => ({
    path: "",
    origin: at(error.pos[0]),
    problem: `is not YAML: ${error.message}`,
  }))
  if (mistakes.length > 0) return { given, mistakes }

  const place = (node: unknown) => at((node as Node | null)?.range?.[0] ?? 0)
  /** An alias stands for what its anchor names. */
  const target = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node)

  const visit = (node: unknown, members: Members, prefix: string) => {
    const map = target(node)
    if (map === null || (isScalar(map) && map.value === null)) return
    const path = prefix.slice(0, -1)
    if (!isMap(map)) {
      mistakes.push({ path, origin: place(node), problem: "is a section: its keys stand below it, indented" })
      return
    }
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : "?"
      const member = Object.hasOwn(members, name) ? members[name] : undefined
      if (member !== undefined && isSection(member)) visit(value, member.members, `${prefix}${name}.`)
      else {
        const sibling = member === undefined ? nearest(name, Object.keys(members)) : undefined
        const guess = sibling === undefined ? undefined : prefix + sibling
        given.push({
          path: prefix + name,
          origin: place(key),
          folder: file.folder,
          // An unknown key is a mistake whatever its value.
          written: member === undefined ? undefined : written(value),
          guess,
        })
      }
    }
  }

  /** The value of a key; no value where it is something that no key takes. */
  const written = (node: unknown, level = 0): Written | undefined => {
    const value = target(node)
    if (isScalar(value)) return scalarText(value)
    // Aliases may stand for themselves, or for ever more of one another.
    if (level > mostWrittenLevels || ++partCount > mostParts) return undefined
    const part = (inner: unknown, at: unknown) => ({ origin: place(at), written: written(inner, level + 1) })
    if (isSeq(value)) return { items: value.items.map((item) => part(item, item)) }
    if (!isMap(value)) return undefined
    return {
      entries: value.items.map(({ key, value: inner }) => ({
        name: isScalar(key) ? String(key.value) : "?",
        ...part(inner, key),
      })),
    }
  }

  visit(document.contents, schema, "")
  return { given, mistakes }
}

function scalarText(scalar: { readonly value: unknown; readonly source?: string }): string | undefined {
  if (scalar.value === null || scalar.value === undefined) return undefined
  return typeof scalar.value === "string" ? scalar.value : (scalar.source ?? String(scalar.value))
}
