/**
 * The language of conditions and templates: CEL (by cel-js), made safe for texts that strangers wrote.
 *
 * - X1 An expression ends soon. What it may cost is bounded when it is compiled: its size, its depth, only functions of a
 *   written list (none with regular expressions, none that make large values of small ones), what is looked for and how
 *   long a duration is written as constants, no macro inside a macro, and inside a macro nothing large but its element. So
 *   it costs at most its size times the length of what it reads.
 * - X2 It reads what it is given and nothing else; it changes nothing.
 * - X3 Names and types are checked when it is compiled, against the variables of what the rule listens to.
 *
 * Beyond CEL, whole numbers may stand beside floating ones in arithmetic: `value - 3` is meant as everybody means it.
 */
import { nearest } from "@brume/core"
import { type ASTNode, Environment } from "@marcbachmann/cel-js"

/** Structural limits of one expression (X1). */
const limits = { maxAstNodes: 256, maxDepth: 24, maxListElements: 100, maxMapEntries: 50, maxCallArguments: 8 }

/** Characters of one expression's source. */
export const maxExpressionLength = 2_000

export type VariableType = "double" | "int" | "string" | "bool" | "dyn" | "map<string, string>" | "timestamp"

export type Variables = Readonly<Record<string, VariableType>>

/** What is offered beyond CEL. */
export const roundings: Readonly<Record<string, (value: number) => number>> = {
  abs: Math.abs,
  round: Math.round,
  floor: Math.floor,
  ceil: Math.ceil,
}

const root: Environment = createRoot()

function createRoot(): Environment {
  const base = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits,
  })
  for (const [operator, apply] of [
    ["+", (a: number, b: number) => a + b],
    ["-", (a: number, b: number) => a - b],
    ["*", (a: number, b: number) => a * b],
    ["/", (a: number, b: number) => a / b],
    ["%", (a: number, b: number) => a % b],
  ] as const) {
    base.registerOperator(`double ${operator} int`, (a: number, b: bigint) => apply(a, Number(b)))
    base.registerOperator(`int ${operator} double`, (a: bigint, b: number) => apply(Number(a), b))
  }
  // In either order; and for != too.
  base.registerOperator("double == int", (a: number | bigint, b: number | bigint) => Number(a) === Number(b))
  base.registerOperator("double % double", (a: number, b: number) => a % b)
  for (const [name, apply] of Object.entries(roundings)) {
    base.registerFunction(`${name}(double): double`, (a: number) => apply(a))
    base.registerFunction(`${name}(int): double`, (a: bigint) => apply(Number(a)))
  }
  return base
}

/** The language with these variables. */
export function createLanguage(variables: Variables): Environment {
  const language = root.clone()
  for (const [name, type] of Object.entries(variables))
    language.registerVariable(name, type === "timestamp" ? "google.protobuf.Timestamp" : type)
  return language
}

/** X1. Each costs at most what its receiver is long, and gives no more than that. */
const functions: ReadonlySet<string> = new Set([
  ...["has", "size", "int", "double", "string", "bool", "dyn", "type", "timestamp", "duration"],
  ...["abs", "round", "floor", "ceil"],
  ...["contains", "startsWith", "endsWith", "indexOf", "lastIndexOf", "substring", "trim", "lowerAscii", "upperAscii"],
  ...["getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"],
  ...["getHours", "getMinutes", "getSeconds", "getMilliseconds"],
  ...["orValue", "hasValue", "value", "of", "none"],
])

/** X1: what they look for, or read, is written as a text in the expression. */
const constantOnly: ReadonlySet<string> = new Set(["contains", "indexOf", "lastIndexOf", "duration"])

/** Characters of a duration: the library's pattern takes the cube of them. */
const maxDurationLength = 32

const macros: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"])

/** X1: variables that are short; the others cannot be named inside a macro. */
const shortVariables: ReadonlySet<string> = new Set(["value", "device", "property", "topic", "time", "start", "end"])

/** Why an expression is not taken, although it is CEL; undefined when it is. Collects the names of what it reads. */
export function costProblem(ast: ASTNode, variables: Variables, names: Set<string>): string | undefined {
  return problemOf(ast, { variables, names, element: undefined })
}

interface Walk {
  readonly variables: Variables
  readonly names: Set<string>
  /** The macro's variable, inside of one. */
  readonly element: string | undefined
}

function problemOf(node: ASTNode, walk: Walk): string | undefined {
  switch (node.op) {
    case "id":
      return nameProblem(node.args, walk)
    case "call":
      return callProblem(node.args[0], node.args[1]) ?? first(node.args[1], walk)
    case "rcall": {
      const [name, receiver, given] = node.args
      if (macros.has(name)) return macroProblem(name, given, walk) ?? problemOf(receiver, walk)
      // `optional.of(…)`: the receiver is a word, not a variable.
      const isWord = receiver.op === "id" && receiver.args === "optional"
      return callProblem(name, given) ?? (isWord ? undefined : problemOf(receiver, walk)) ?? first(given, walk)
    }
    default:
      return first(childrenOf(node.args), walk)
  }
}

function nameProblem(name: string, { variables, names, element }: Walk): string | undefined {
  if (name === element) return undefined
  if (!Object.hasOwn(variables, name)) {
    const known = Object.keys(variables)
    const guess = nearest(name, known)
    return `names ${name}, which is unknown here${guess === undefined ? "" : `; did you mean ${guess}?`} (there are: ${known.join(", ")})`
  }
  names.add(name)
  if (element !== undefined && !shortVariables.has(name))
    return `names ${name} inside a macro, which could take forever; only ${element} and short variables may stand there`
  return undefined
}

function callProblem(name: string, given: readonly ASTNode[]): string | undefined {
  if (name === "matches")
    return "uses matches(), whose regular expressions could take forever; use contains, startsWith or endsWith"
  if (!functions.has(name)) {
    const guess = nearest(name, [...functions, ...macros])
    return `uses ${name}(), which rules do not offer${guess === undefined ? "" : `; did you mean ${guess}()?`}`
  }
  if (!constantOnly.has(name)) return undefined
  const text = given[0]?.op === "value" ? given[0].args : undefined
  if (typeof text !== "string") return `uses ${name}() with something else than a text in quotes`
  if (name === "duration" && text.length > maxDurationLength) return "has a duration that is too long"
  return undefined
}

function macroProblem(name: string, given: readonly ASTNode[], walk: Walk): string | undefined {
  if (walk.element !== undefined) return `uses ${name}() inside another macro, which could take forever`
  const [variable, ...bodies] = given
  // cel-js says what is wrong with it.
  if (variable?.op !== "id") return undefined
  return first(bodies, { ...walk, element: variable.args })
}

function first(nodes: readonly ASTNode[], walk: Walk): string | undefined {
  for (const node of nodes) {
    const problem = problemOf(node, walk)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Nodes among the operands of any operator; they nest in lists for maps. */
function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf)
  return typeof args === "object" && args !== null && "op" in args ? [args as ASTNode] : []
}
