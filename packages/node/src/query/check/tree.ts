/** DuckDB's tree of a statement, as `json_serialize_sql` gives it. */
import { FogError } from "@brume/core"

export type Tree = { readonly [key: string]: Branch }
export type Branch = string | number | boolean | null | readonly Branch[] | Tree

export function isTree(branch: Branch | undefined): branch is Tree {
  return typeof branch === "object" && branch !== null && !Array.isArray(branch)
}

/** Empty when it is missing or no text. */
export function textOf(tree: Tree, key: string): string {
  const value = tree[key]
  return typeof value === "string" ? value : ""
}

export function treeOf(tree: Tree, key: string): Tree | undefined {
  const value = tree[key]
  return isTree(value) ? value : undefined
}

/** Empty when it is missing or no list. */
export function treesOf(tree: Tree, key: string): readonly Tree[] {
  const value = tree[key]
  return Array.isArray(value) ? value.filter(isTree) : []
}

/** DuckDB folds the case of ASCII letters in names, and of no others. */
export function folded(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** Refuses what stands at a node. */
export function refused(node: Tree, problem: { readonly message: string; readonly hint: string }): FogError {
  const at = node.query_location
  return new FogError("query_refused", {
    ...problem,
    // What the parser made up itself has no place in the text: the largest 64-bit number stands for that.
    ...(typeof at === "number" && at < 2 ** 32 ? { details: { offset: at } } : {}),
  })
}
