/**
 * Walks over the tree of a statement: decides whether a user may run it, and bounds what planning it costs.
 *
 * - W1 A name in FROM is `readings`, `latest`, or a CTE that is in scope there by the rules of SQL: not in its own
 *   definition, not beside the query that defines it. Everything else, also a file name, is refused.
 * - W2 Every function is offered, as `functions.ts` lists them.
 * - W3 Nothing is skipped: each object of the tree is a query, a relation, an expression or a part of one of these that
 *   is known here. What is not known, as after an upgrade of DuckDB, is refused.
 * - W4 Planning is bounded: expressions and relations count as often as DuckDB will write them out (CTEs where they are
 *   used, macros, aliases and lambdas where they are repeated, `*` by columns).
 * - W5 No call of a function makes a value much larger than those that it was given: widths are multiplied along the
 *   way that a value takes, and bounded.
 *
 * Not here: whether names and types fit, which DuckDB says when it plans.
 */
import { visitExpression } from "./expressions.ts"
import { visitRelation } from "./relations.ts"
import { type Branch, folded, isTree, refused, type Tree, textOf, treeOf, treesOf } from "./tree.ts"
import {
  beside,
  bounded,
  burdened,
  grownWidth,
  nothing,
  type Scope,
  unknown,
  type Walk,
  type Weight,
} from "./weight.ts"

/** How much wider the values of a recursive CTE may become in a round, which can be interrupted only between rounds. */
const maxRoundWidth = 4

/** Throws `query_refused`. */
export function walkStatement(node: Tree): Walk {
  const walk: Walk = { patterns: new Map(), query: visitQuery, rest: visitRest }
  visitQuery(node, { ctes: new Map(), width: 1, aliases: new Map(), elements: new Set(), walk })
  return walk
}

function visitQuery(node: Tree, outer: Scope): Weight {
  const scope = { ...withCtes(node, outer), aliases: new Map() }
  switch (textOf(node, "type")) {
    case "SELECT_NODE":
      return bounded(node, visitSelect(node, scope))
    case "SET_OPERATION_NODE":
      return bounded(node, visitSetOperation(node, scope))
    case "RECURSIVE_CTE_NODE":
      return bounded(node, visitRecursive(node, scope))
    default:
      throw unknown(node)
  }
}

/** Each CTE sees those before it. */
function withCtes(node: Tree, outer: Scope): Scope {
  const entries = treesOf(treeOf(node, "cte_map") ?? {}, "map")
  if (entries.length === 0) return outer
  const ctes = new Map(outer.ctes)
  for (const entry of entries) {
    const value = treeOf(entry, "value") ?? {}
    const query = treeOf(treeOf(value, "query") ?? {}, "node")
    if (query === undefined) throw unknown(node)
    const weight = burdened(visitQuery(query, { ...outer, ctes }), visitRest(value, ["query"], outer))
    ctes.set(folded(textOf(entry, "key")), weight)
  }
  return { ...outer, ctes }
}

function visitSelect(node: Tree, outer: Scope): Weight {
  const from = visitRelation(treeOf(node, "from_table") ?? {}, outer)
  const aliases = new Map<string, Weight>()
  const scope: Scope = { ...outer, width: Math.max(from.width, outer.width), aliases }
  let total: Weight = { expressions: from.expressions + 10, relations: from.relations, columns: 0, width: 1 }
  for (const item of treesOf(node, "select_list")) {
    const found = visitExpression(item, scope)
    // A star stands for a column of FROM each, two of them in one expression for the same.
    const copies = found.columns > 0 ? Math.max(1, from.columns) : 1
    total = bounded(node, {
      expressions: total.expressions + found.expressions * copies,
      relations: total.relations + found.relations * copies,
      columns: total.columns + copies,
      width: Math.max(total.width, found.width),
    })
    const alias = textOf(item, "alias")
    if (alias !== "") aliases.set(folded(alias), found)
  }
  return burdened(total, visitRest(node, ["from_table", "select_list"], scope))
}

function visitSetOperation(node: Tree, scope: Scope): Weight {
  const sides = [treeOf(node, "left"), treeOf(node, "right"), ...treesOf(node, "children")].filter(isTree)
  const weights = sides.map((side) => visitQuery(side, scope))
  const both = weights.reduce((sum, side) => beside(sum, side), nothing)
  const rest = visitRest(node, ["left", "right", "children"], { ...scope, width: Math.max(scope.width, both.width) })
  const columns = Math.max(0, ...weights.map((side) => side.columns))
  return { ...burdened(both, rest), columns }
}

/** The first arm does not see the CTE; the second sees the rows of the round before. */
function visitRecursive(node: Tree, scope: Scope): Weight {
  const name = textOf(node, "cte_name")
  const first = visitQuery(treeOf(node, "left") ?? {}, scope)
  const ctes = new Map(scope.ctes).set(folded(name), { ...nothing, columns: first.columns })
  const round = visitQuery(treeOf(node, "right") ?? {}, { ...scope, ctes })
  if (round.width > maxRoundWidth) {
    throw refused(node, {
      message: `The recursive CTE ${name} makes values that grow too fast from round to round`,
      hint: "Let each round append a little to its values instead of multiplying them.",
    })
  }
  const rest = visitRest(node, ["left", "right"], { ...scope, ctes })
  const width = Math.max(first.width, round.width > 1 ? grownWidth : 1)
  return { ...burdened(beside(first, round), rest), columns: first.columns, width }
}

const queryTypes: ReadonlySet<string> = new Set(["SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"])
/** Parts that hold nothing but expressions: order, limits, types of casts. */
const partTypes =
  /^(ORDER_MODIFIER|LIMIT_MODIFIER|LIMIT_PERCENT_MODIFIER|DISTINCT_MODIFIER|ORDER_DEFAULT|ASCENDING|DESCENDING|[A-Z_]+_TYPE_INFO)$/

/** W3: everything of a node but the keys that its visitor has seen itself. Its `columns` are the stars among it. */
function visitRest(node: Tree, seen: readonly string[], scope: Scope): Weight {
  let total = nothing
  for (const [key, branch] of Object.entries(node)) {
    if (key !== "cte_map" && !seen.includes(key)) total = beside(total, visitBranch(branch, scope))
  }
  return total
}

function visitBranch(branch: Branch, scope: Scope): Weight {
  if (Array.isArray(branch)) {
    let total = nothing
    for (const part of branch as readonly Branch[]) total = beside(total, visitBranch(part, scope))
    return total
  }
  if (!isTree(branch)) return nothing
  if (typeof branch.class === "string") return visitExpression(branch, scope)
  const { type } = branch
  if (typeof type !== "string" || partTypes.test(type)) return visitRest(branch, [], scope)
  if (!queryTypes.has(type)) throw unknown(branch)
  return { ...visitQuery(branch, scope), columns: 0 }
}
