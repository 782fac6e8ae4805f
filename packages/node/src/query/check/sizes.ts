/** How large a value a call can make: W5 of `walk.ts`. */
import { type SizeRule, swellFactor } from "./functions.ts"
import { folded, refused, type Tree, textOf, treeOf, treesOf } from "./tree.ts"
import { grownWidth } from "./weight.ts"

export interface Call {
  readonly node: Tree
  readonly name: string
  readonly rule: SizeRule
  readonly args: readonly Tree[]
  /** Of the arguments. */
  readonly widths: readonly number[]
  readonly isInLambda: boolean
}

/** In values of ordinary size, which have about 16 bytes. */
export function widthOf(call: Call): number {
  const { node, name, rule, args, widths } = call
  const widest = Math.max(1, ...widths)
  const sum = widths.reduce((total, width) => total + width, 0)
  switch (rule) {
    case "widest":
      return widest
    case "swelling":
      return Math.max(1, sum) * swellFactor
    case "sum":
      return Math.max(1, sum)
    case "gather":
      return Math.max(widest, grownWidth)
    case "product":
      // The width of a lambda's argument is not known here, so only literals may multiply it.
      if (call.isInLambda && args.slice(1).some((arg) => textOf(arg, "class") !== "CONSTANT")) throw unbounded(call)
      return widths.reduce((product, width) => product * width, 1)
    case "repeat":
      return (widths[0] ?? 1) * count(call)
    case "pad":
      return Math.max(widest, count(call) / 16)
    case "sequence":
      return Math.max(1, sequenceLength(call))
    case "format":
      return Math.max(1, sum) + formatWidth(call) / 16
    case "lambda":
      return (widths[0] ?? 1) * (widths[1] ?? 1)
    case "fold":
      if ((widths[1] ?? 1) <= 1) return widest
      throw refused(node, {
        message: `The lambda of ${name} makes its own result larger in each step`,
        hint: "Use array_to_string, list_sum and the like, which take the whole list at once.",
      })
  }
}

function count(call: Call): number {
  const found = literal(call.args[1])
  if (found === undefined) throw unbounded(call)
  return Math.max(1, found)
}

function sequenceLength(call: Call): number {
  const [first, second, step] = call.args.map(literal)
  if (first === undefined || step === 0) throw unbounded(call)
  if (call.args.length === 1) return first
  if (second === undefined || (call.args.length > 2 && step === undefined)) throw unbounded(call)
  return Math.abs((second - first) / (step ?? 1)) + 1
}

/** The largest number in a format. */
function formatWidth(call: Call): number {
  const format = call.args[0]
  const value = format === undefined ? undefined : treeOf(format, "value")?.value
  // `*` and nested braces take a width from a value.
  if (typeof value !== "string" || /\*|\{[^}]*\{/.test(value)) throw unbounded(call)
  return Math.max(0, ...(value.match(/\d+/g) ?? []).map(Number))
}

/** A number that is written in the statement, or `least(…, number)`. */
function literal(node: Tree | undefined): number | undefined {
  if (node === undefined) return undefined
  switch (textOf(node, "class")) {
    case "CONSTANT": {
      const value = treeOf(node, "value") ?? {}
      // A DECIMAL stands there without its point.
      const isDecimal = textOf(treeOf(value, "type") ?? {}, "id") === "DECIMAL"
      return typeof value.value === "number" && !isDecimal ? value.value : undefined
    }
    case "CAST":
      return literal(treeOf(node, "child"))
    case "FUNCTION": {
      const args = treesOf(node, "children").map(literal)
      const name = folded(textOf(node, "function_name"))
      if (name === "-" && args.length === 1 && args[0] !== undefined) return -args[0]
      const known = args.filter((arg) => arg !== undefined)
      return name === "least" && known.length > 0 ? Math.min(...known) : undefined
    }
    default:
      return undefined
  }
}

function unbounded({ node, name, rule }: Call): ReturnType<typeof refused> {
  const hints: Partial<Record<SizeRule, string>> = {
    repeat: "Write the count as a number, or as least(…, 100).",
    pad: "Write the length as a number, or as least(…, 100).",
    sequence: `Put it into FROM, where it may have any bounds: FROM ${name}(…) AS steps(step).`,
    format: "Write the format as a text with fixed widths.",
    product: "Inside a lambda, write what is searched and put in its place as texts.",
  }
  return refused(node, {
    message: `How much ${name} makes cannot be told from the statement`,
    hint: hints[rule] ?? "Write its bounds as numbers.",
  })
}
