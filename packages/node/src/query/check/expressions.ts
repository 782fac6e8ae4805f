/** The expressions of a statement: W2 to W5 of `walk.ts`. */
import { nearest } from "@brume/core"
import { macroCopies, offeredFunctions, patternFunctions } from "./functions.ts"
import { checkPattern } from "./pattern.ts"
import { widthOf } from "./sizes.ts"
import { folded, refused, type Tree, textOf, treeOf, treesOf } from "./tree.ts"
import { beside, bounded, maxWidth, type Scope, times, unknown, type Weight } from "./weight.ts"

/** Its `columns` count the stars in it. */
export function visitExpression(node: Tree, scope: Scope): Weight {
  const found = bounded(node, visit(node, scope))
  if (found.width > maxWidth) {
    throw refused(node, {
      message: `A value of the statement could become ${Math.round(found.width)} times as large as those it is made of`,
      hint: `The limit is ${maxWidth}: repeat, pad, join and replace less, or aggregate first.`,
    })
  }
  return found
}

function visit(node: Tree, scope: Scope): Weight {
  switch (textOf(node, "class")) {
    case "CONSTANT":
      return { ...leaf, width: constantWidth(node) }
    case "COLUMN_REF":
      return visitColumn(node, scope)
    case "STAR":
      return { ...beside(visitParts(node, scope), { ...leaf, width: scope.width }), columns: 1 }
    case "POSITIONAL_REFERENCE":
      return { ...leaf, width: scope.width }
    case "FUNCTION":
    case "WINDOW":
      return visitCall(node, scope)
    case "SUBQUERY":
      return visitSubquery(node, scope)
    case "LAMBDA": {
      // Outside of a function of lists this is the arrow of JSON, whose left side has a width.
      const left = scope.walk.rest(node, ["expr"], scope)
      return { ...visitLambda(node, scope), width: Math.max(left.width, 1) }
    }
    case "PARAMETER":
    case "DEFAULT":
    case "BETWEEN":
    case "CASE":
    case "CAST":
    case "COLLATE":
    case "COMPARISON":
    case "CONJUNCTION":
    case "OPERATOR":
      return visitParts(node, scope)
    default:
      throw unknown(node)
  }
}

const leaf: Weight = { expressions: 1, relations: 0, columns: 0, width: 1 }

/** An expression whose value is no wider than its widest part. */
function visitParts(node: Tree, scope: Scope, seen: readonly string[] = []): Weight {
  return beside(leaf, scope.walk.rest(node, seen, scope))
}

/** Long literals are wide. */
function constantWidth(node: Tree): number {
  const value = treeOf(node, "value")?.value
  return typeof value === "string" ? 1 + value.length / 64 : 1
}

/**
 * A name may mean an alias of the select list, which DuckDB then writes out again. The parameter of a lambda counts as
 * an ordinary value: the width of the list is multiplied with what the lambda makes of one.
 */
function visitColumn(node: Tree, scope: Scope): Weight {
  const names = namesOf(node)
  if (names[0] !== undefined && scope.elements.has(names[0])) return leaf
  const column = { ...leaf, width: scope.width }
  const alias = names.length === 1 ? scope.aliases.get(names[0]!) : undefined
  return alias === undefined ? column : { ...beside(column, alias), columns: 0 }
}

function namesOf(node: Tree): string[] {
  const names = node.column_names
  return Array.isArray(names) ? names.map((name) => folded(String(name))) : []
}

/** DuckDB plans a subquery once as if it stood alone and once with the columns around it. */
function visitSubquery(node: Tree, scope: Scope): Weight {
  const query = treeOf(treeOf(node, "subquery") ?? {}, "node")
  if (query === undefined) throw unknown(node)
  const inner = { ...scope.walk.query(query, scope), columns: 0 }
  return beside({ ...times(inner, 2), relations: inner.relations }, visitParts(node, scope, ["subquery"]))
}

/** DuckDB plans the body of a lambda twice. The width is that of the body for one ordinary element. */
function visitLambda(node: Tree, scope: Scope): Weight {
  const body = treeOf(node, "expr")
  if (body === undefined) throw unknown(node)
  const left = treeOf(node, "lhs") ?? {}
  const parameters = (textOf(left, "class") === "COLUMN_REF" ? [left] : treesOf(left, "children")).flatMap(namesOf)
  const inner = visitExpression(body, { ...scope, elements: new Set([...scope.elements, ...parameters]) })
  return { ...beside(times(inner, 2), visitParts(node, scope, ["expr"])), width: inner.width }
}

function visitCall(node: Tree, scope: Scope): Weight {
  const name = folded(textOf(node, "function_name"))
  const rule = offeredFunctions.get(name)
  if (rule === undefined) {
    const near = nearest(name, offeredFunctions.keys())
    throw refused(node, {
      message: `The function ${name} is not offered`,
      hint: near === undefined ? "docs/guide/sql.md lists the functions that are." : `Did you mean ${near}?`,
    })
  }
  if (node.export_state === true) {
    throw refused(node, { message: "EXPORT_STATE is not offered", hint: "Ask for the result of the aggregate." })
  }
  const args = treesOf(node, "children")
  const takesLambda = rule === "lambda" || rule === "fold"
  const found = args.map((arg) =>
    takesLambda && textOf(arg, "class") === "LAMBDA" ? visitLambda(arg, scope) : visitExpression(arg, scope),
  )
  const widths = found.map((arg) => arg.width)
  if (patternFunctions.has(name)) checkPattern(node, widths[0] ?? 1, scope.walk.patterns)
  const written = times(found.reduce(beside, { ...leaf, expressions: 0 }), macroCopies.get(name) ?? 1)
  const whole = beside(written, visitParts(node, scope, ["children"]))
  return { ...whole, width: widthOf({ node, name, rule, args, widths, isInLambda: scope.elements.size > 0 }) }
}
