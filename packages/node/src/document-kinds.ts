/** The kinds of documents of a node: each is described by the room that acts on it, and joined here. */
import type { DocumentKind } from "@brume/core"
import { createFunctionKind, type DeployedDocuments } from "./functions/documents.ts"
import { ruleKind } from "./rules/rule-kind.ts"
import { timetables } from "./timetables.ts"

/** As they are published: what depends on a node's functions is left out. */
export const documentKinds: readonly DocumentKind[] = [ruleKind, createFunctionKind(timetables)]

export function documentKindsOf(functions: DeployedDocuments): readonly DocumentKind[] {
  return [ruleKind, createFunctionKind(timetables, functions)]
}
