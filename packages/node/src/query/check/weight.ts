/** What a part of a statement costs, and what is visible at its place. */
import type { PatternParameters } from "./pattern.ts"
import { refused, type Tree } from "./tree.ts"

/** Most expressions after writing out; planning takes 20 to 50 µs for each. */
export const maxExpressions = 10_000
/** Most tables after writing out; planning a join of 40 takes 0.2 s, of 60 more than a second. */
export const maxRelations = 40
/** Most columns of any part of a statement. */
export const maxColumns = 2_000
/**
 * Widest value, in values of ordinary size. DuckDB works on 2,048 rows at a time and looks for an interrupt in between:
 * lists of this width keep it busy for half a second, and take 50 MB.
 */
export const maxWidth = 2_500
/** Taken as the width of values that many rows or rounds have made; DuckDB's memory limit bounds them. */
export const grownWidth = 125

/** What a query or a relation costs when it stands somewhere. */
export interface Weight {
  /** Itself and what is in it, as often as DuckDB writes it out. */
  readonly expressions: number
  readonly relations: number
  /** Of its rows; of an expression: how many `*` and COLUMNS are in it. */
  readonly columns: number
  /** Its widest value, in values of ordinary size. */
  readonly width: number
}

/** What is visible at a place of the statement. */
export interface Scope {
  readonly ctes: ReadonlyMap<string, Weight>
  /** Widest value of the FROM clauses here and around. */
  readonly width: number
  /** Aliases of the select list so far: DuckDB writes them out where they are used. */
  readonly aliases: ReadonlyMap<string, Weight>
  /** Parameters of the lambdas around. */
  readonly elements: ReadonlySet<string>
  readonly walk: Walk
}

/** Queries, relations and expressions stand in each other; their visitors find one another here. */
export interface Walk {
  /** Parameters that are used as patterns. */
  readonly patterns: PatternParameters
  query(node: Tree, scope: Scope): Weight
  /** Everything of a node but the keys that its visitor has seen itself. */
  rest(node: Tree, seen: readonly string[], scope: Scope): Weight
}

export const nothing: Weight = { expressions: 0, relations: 0, columns: 0, width: 1 }

export function beside(one: Weight, other: Weight): Weight {
  return {
    expressions: one.expressions + other.expressions,
    relations: one.relations + other.relations,
    columns: one.columns + other.columns,
    width: Math.max(one.width, other.width),
  }
}

/** One with the cost of another, but its own columns and width. */
export function burdened(one: Weight, other: Weight): Weight {
  return { ...beside(one, other), columns: one.columns, width: one.width }
}

export function times(weight: Weight, copies: number): Weight {
  return { ...weight, expressions: weight.expressions * copies, relations: weight.relations * copies }
}

/** Refuses what planning would take too long or too much memory for: neither can be interrupted. */
export function bounded(node: Tree, weight: Weight): Weight {
  const found =
    weight.expressions > maxExpressions
      ? `it has more than ${maxExpressions} expressions`
      : weight.relations > maxRelations
        ? `it reads more than ${maxRelations} tables`
        : weight.columns > maxColumns
          ? `a part of it has more than ${maxColumns} columns`
          : undefined
  if (found === undefined) return weight
  throw refused(node, {
    message: `The statement is too large to be planned: written out, ${found}`,
    hint: "CTEs, macros, aliases and * count where they are used. Ask in several smaller statements.",
  })
}

export function unknown(node: Tree): ReturnType<typeof refused> {
  const what = [node.class, node.type].filter((part) => typeof part === "string").join(" ")
  return refused(node, {
    message: `The statement has a part that is not offered: ${what === "" ? "an unknown one" : what}`,
    hint: "Write a plain SELECT over readings and latest.",
  })
}
