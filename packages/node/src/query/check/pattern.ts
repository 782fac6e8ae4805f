/**
 * Patterns of LIKE, ILIKE and GLOB. DuckDB tries each wildcard at each place: with w of them, besides one at the end, a
 * text of n characters takes n^w steps, and nothing interrupts them. Five made a row of 100 characters take six seconds.
 */
import { folded, refused, type Tree, textOf, treeOf, treesOf } from "./tree.ts"

/** Most wildcards of a pattern, one at its end not counted. */
export const maxWildcards = 2
/** Widest text that is matched with so many, in values of ordinary size; wider ones with one. */
const ordinaryWidth = 4

/** Most wildcards of the parameters that are used as patterns, by their names. */
export type PatternParameters = Map<string, number>

/**
 * Bounds a pattern that is written in the statement, remembers those that are parameters, refuses all others.
 * @param width of the text that is matched.
 */
export function checkPattern(call: Tree, width: number, parameters: PatternParameters): void {
  const limit = width <= ordinaryWidth ? maxWildcards : 1
  const pattern = treesOf(call, "children")[1] ?? {}
  const parts = partsOf(pattern)
  if (parts === undefined) {
    throw refused(call, {
      message: "A pattern that is computed from values is not offered",
      hint: "Write the pattern as a text or a parameter, or use contains, starts_with or regexp_matches.",
    })
  }
  const wildcards = wildcardsOf(parts.texts.join(""))
  if (wildcards > limit) throw tooMany(call, wildcards, limit)
  for (const name of parts.parameters) {
    parameters.set(name, Math.min(parameters.get(name) ?? limit, limit - Math.min(wildcards, limit)))
  }
}

/** Throws when the value of a parameter that is used as a pattern has too many wildcards. */
export function checkPatternParameter(value: string, limit: number): void {
  const wildcards = wildcardsOf(value)
  if (wildcards > limit) throw tooMany({}, wildcards, limit)
}

interface Parts {
  readonly texts: readonly string[]
  readonly parameters: readonly string[]
}

/** What a pattern is put together of, or undefined when something else is in it. */
function partsOf(node: Tree): Parts | undefined {
  switch (textOf(node, "class")) {
    case "CONSTANT": {
      const value = treeOf(node, "value")?.value
      return { texts: [typeof value === "string" ? value : ""], parameters: [] }
    }
    case "PARAMETER":
      // Any letter: wildcards before and behind it are not neighbours.
      return { texts: ["x"], parameters: [textOf(node, "identifier")] }
    case "CAST":
      return partsOf(treeOf(node, "child") ?? {})
    case "FUNCTION": {
      if (!/^(\|\||concat|lower|upper|lcase|ucase)$/.test(folded(textOf(node, "function_name")))) return undefined
      const parts = treesOf(node, "children").map(partsOf)
      if (parts.includes(undefined)) return undefined
      return {
        texts: parts.flatMap((part) => part!.texts),
        parameters: parts.flatMap((part) => part!.parameters),
      }
    }
    default:
      return undefined
  }
}

/** Of LIKE and of GLOB alike. Neighbours count once; one at the end matches whatever is left and costs nothing. */
function wildcardsOf(pattern: string): number {
  return pattern.replace(/[%*]+$/, "").match(/[%*]+/g)?.length ?? 0
}

function tooMany(node: Tree, wildcards: number, limit: number): ReturnType<typeof refused> {
  return refused(node, {
    message: `A pattern has ${wildcards} wildcards besides one at its end; the limit is ${limit} here`,
    hint: "Use regexp_matches, which takes the same time for every pattern, or contains.",
  })
}
