/** Patterns of LIKE, ILIKE and GLOB. */
import { folded, refused, type Tree, textOf, treeOf, treesOf } from "./tree.ts"
import type { Walk } from "./weight.ts"

/**
 * DuckDB tries each wildcard at each place: with w of them a text of n characters takes n^w steps, and nothing
 * interrupts them. Six made a row of 100 characters take six seconds.
 */
export const maxWildcards = 3

/** Bounds a pattern that is written in the statement, remembers those that are parameters, refuses all others. */
export function checkPattern(call: Tree, walk: Walk): void {
  const pattern = treesOf(call, "children")[1]
  const wildcards = pattern === undefined ? 0 : count(pattern, walk)
  if (wildcards === undefined) {
    throw refused(call, {
      message: "A pattern that is computed from values is not offered",
      hint: "Write the pattern as a text or a parameter, or use contains, starts_with or regexp_matches.",
    })
  }
  if (wildcards > maxWildcards) throw tooMany(call, wildcards)
}

/** Throws when a parameter that is used as a pattern has too many wildcards. */
export function checkPatternParameter(value: unknown): void {
  if (typeof value === "string" && wildcardsOf(value) > maxWildcards) throw tooMany({}, wildcardsOf(value))
}

function count(node: Tree, walk: Walk): number | undefined {
  switch (textOf(node, "class")) {
    case "CONSTANT": {
      const value = treeOf(node, "value")?.value
      return typeof value === "string" ? wildcardsOf(value) : 0
    }
    case "PARAMETER":
      walk.patterns.add(textOf(node, "identifier"))
      return 0
    case "CAST":
      return count(treeOf(node, "child") ?? {}, walk)
    case "FUNCTION": {
      if (!/^(\|\||concat|lower|upper|lcase|ucase)$/.test(folded(textOf(node, "function_name")))) return undefined
      const parts = treesOf(node, "children").map((part) => count(part, walk))
      return parts.includes(undefined) ? undefined : parts.reduce<number>((sum, part) => sum + (part ?? 0), 0)
    }
    default:
      return undefined
  }
}

/** Of LIKE and of GLOB alike. Neighbours count once. */
function wildcardsOf(pattern: string): number {
  return pattern.match(/[%*]+/g)?.length ?? 0
}

function tooMany(node: Tree, wildcards: number): ReturnType<typeof refused> {
  return refused(node, {
    message: `A pattern has ${wildcards} wildcards; the limit is ${maxWildcards}`,
    hint: "Use regexp_matches, which takes the same time for every pattern.",
  })
}
