/** The kinds of documents of a node: each is described by the room that acts on it, and joined here. */
import type { DocumentKind } from "@brume/core"
import { ruleKind } from "./rules/rule-kind.ts"

export const documentKinds: readonly DocumentKind[] = [ruleKind]
