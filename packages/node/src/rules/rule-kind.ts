/** Rules as a kind of documents. */
import type { DocumentKind } from "@brume/core"
import { compileRule } from "./compile-rule.ts"
import { type RuleSpec, ruleSpecSchema } from "./rule-spec.ts"

export const ruleKind: DocumentKind = {
  kind: "Rule",
  plural: "rules",
  summary: "When something holds, do something.",
  specSchema: ruleSpecSchema,
  check: (spec, name) => compileRule(name, spec as RuleSpec).mistakes,
}
