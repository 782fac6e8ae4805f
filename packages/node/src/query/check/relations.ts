/** What stands in FROM: W1 and W2 of `walk.ts`. */
import { offeredTableFunctions } from "./functions.ts"
import { type Branch, folded, refused, type Tree, textOf, treeOf, treesOf } from "./tree.ts"
import { beside, bounded, burdened, nothing, type Scope, times, unknown, type Weight } from "./weight.ts"

/** A view is a join and a union of its own. */
const viewWeight: Weight = { expressions: 60, relations: 1, columns: 12, width: 1 }
const views: ReadonlySet<string> = new Set(["readings", "latest"])

export function visitRelation(node: Tree, scope: Scope): Weight {
  const { walk } = scope
  switch (textOf(node, "type")) {
    case "EMPTY":
      return nothing
    case "BASE_TABLE":
      return burdened(visitTable(node, scope), walk.rest(node, [], scope))
    case "SUBQUERY": {
      const query = treeOf(treeOf(node, "subquery") ?? {}, "node")
      if (query === undefined) throw unknown(node)
      return burdened(walk.query(query, scope), walk.rest(node, ["subquery"], scope))
    }
    case "JOIN":
      return visitJoin(node, scope)
    case "TABLE_FUNCTION":
      return visitTableFunction(node, scope)
    case "EXPRESSION_LIST": {
      const rows = Array.isArray(node.values) ? (node.values as readonly Branch[]) : []
      const first = Array.isArray(rows[0]) ? rows[0].length : 0
      return { ...walk.rest(node, [], scope), columns: first, relations: 1 }
    }
    case "PIVOT":
      return visitPivot(node, scope)
    case "SHOW_REF":
      return visitShow(node, scope)
    default:
      throw unknown(node)
  }
}

/** W1 */
function visitTable(node: Tree, scope: Scope): Weight {
  const [catalog, schema, table] = ["catalog_name", "schema_name", "table_name"].map((key) => textOf(node, key)) as [
    string,
    string,
    string,
  ]
  if (node.at_clause !== null && node.at_clause !== undefined) {
    throw refused(node, { message: "AT is not offered", hint: "Use WHERE time <= …: readings never change." })
  }
  const name = folded(table)
  const isBare = catalog === "" && schema === ""
  const found = isBare ? scope.ctes.get(name) : undefined
  if (found !== undefined) return found
  if (views.has(name) && (isBare || (catalog === "" && folded(schema) === "main"))) return viewWeight
  throw refused(node, {
    message: `The table ${[catalog, schema, table].filter((part) => part !== "").join(".")} is not offered`,
    hint: "Statements read the views readings and latest, and CTEs of their own.",
  })
}

function visitJoin(node: Tree, scope: Scope): Weight {
  const left = visitRelation(treeOf(node, "left") ?? {}, scope)
  // The right side sees the columns of the left one (LATERAL).
  const right = visitRelation(treeOf(node, "right") ?? {}, { ...scope, width: Math.max(scope.width, left.width) })
  const both = { ...beside(left, right), relations: Math.max(1, left.relations) + Math.max(1, right.relations) }
  const inside = { ...scope, width: Math.max(scope.width, both.width) }
  return bounded(node, burdened(both, scope.walk.rest(node, ["left", "right"], inside)))
}

/** W2 */
function visitTableFunction(node: Tree, scope: Scope): Weight {
  const call = treeOf(node, "function")
  const name = folded(textOf(call ?? {}, "function_name"))
  if (call === undefined || textOf(call, "class") !== "FUNCTION" || !offeredTableFunctions.has(name)) {
    throw refused(node, {
      message: `The table function ${name} is not offered`,
      hint: `In FROM stand readings, latest, subqueries, and ${[...offeredTableFunctions].join(", ")}.`,
    })
  }
  const found = beside(scope.walk.rest(call, [], scope), scope.walk.rest(node, ["function"], scope))
  // As many columns as the widest struct that somebody unnests.
  return { ...found, relations: found.relations + 1, columns: 16 }
}

/** DuckDB writes each aggregate out for each combination of values. */
function visitPivot(node: Tree, scope: Scope): Weight {
  const source = visitRelation(treeOf(node, "source") ?? {}, scope)
  const rest = scope.walk.rest(node, ["source"], { ...scope, width: Math.max(scope.width, source.width) })
  const combinations = treesOf(node, "pivots")
    .map((pivot) => treesOf(pivot, "entries").length)
    .reduce((product, entries) => product * Math.max(1, entries), 1)
  const made = combinations * Math.max(1, treesOf(node, "aggregates").length)
  const { expressions, relations, width } = beside(source, times(rest, combinations))
  return bounded(node, {
    expressions: expressions + source.columns * made,
    relations,
    columns: source.columns + made,
    width,
  })
}

/** DESCRIBE and SUMMARIZE. Their query is taken to see no CTE, so that no name means something else than here. */
function visitShow(node: Tree, scope: Scope): Weight {
  const query = treeOf(node, "query")
  const kind = textOf(node, "show_type")
  if (query === undefined || (kind !== "DESCRIBE" && kind !== "SUMMARY")) {
    throw refused(node, {
      message: "SHOW is not offered for anything but the views",
      hint: "There are the views readings and latest: DESCRIBE readings shows the columns.",
    })
  }
  const shown = scope.walk.query(query, { ...scope, ctes: new Map() })
  const rest = scope.walk.rest(node, ["query"], scope)
  const copies = kind === "SUMMARY" ? 12 * shown.columns : 1
  const { expressions, relations, width } = beside(shown, rest)
  return bounded(node, { expressions: expressions + copies, relations, columns: 12, width })
}
