/** What rules remember, by rule and key. Two Series objects of one series share one subject. */
import { type Metrics, Series } from "@brume/core"
import type { EpisodicRule } from "./compiled-rule.ts"
import { type StateStore, Subject, type SubjectOf, subjectKey } from "./subject.ts"

/** Most that all rules remember; beyond it, a rule does not meet what it would have to remember anew (U5 in rules.ts). */
export const maxSubjects = 200_000

export class Subjects {
  readonly #byRule = new Map<string, Map<string, Subject>>()
  readonly #store: StateStore
  readonly #limit: number
  readonly #onFull: (rule: string) => void
  #size = 0

  constructor(options: {
    readonly store: StateStore
    readonly metrics: Metrics
    readonly limit: number
    readonly onFull: (rule: string) => void
  }) {
    const { store, metrics, limit, onFull } = options
    this.#store = store
    this.#limit = limit
    this.#onFull = onFull
    metrics.gauge("brume_rules_remembered", "Series and topics that rules remember.", () => this.#size)
  }

  /** Undefined where there is no room for another one. */
  of(rule: EpisodicRule, of: SubjectOf): Subject | undefined {
    let own = this.#byRule.get(rule.name)
    if (own === undefined) {
      own = new Map()
      this.#byRule.set(rule.name, own)
    }
    const key = subjectKey(rule.name, of)
    let subject = own.get(key)
    if (subject !== undefined) return subject
    if (this.#size >= this.#limit) {
      this.#onFull(rule.name)
      return undefined
    }
    subject = new Subject(this.#store, key, of)
    own.set(key, subject)
    this.#size++
    return subject
  }

  /** What a key of the log names. */
  resumed(rule: EpisodicRule, { kind, name }: { readonly kind: string; readonly name: string }): Subject | undefined {
    if (kind === "t" && rule.kind !== "reading") return this.of(rule, name)
    if (kind !== "s" || rule.kind !== "reading") return undefined
    const [device = "", property = "", tags = "{}"] = name.split("\u0000")
    return this.of(rule, new Series(device, property, tags))
  }

  ofRule(rule: string): Iterable<Subject> {
    return this.#byRule.get(rule)?.values() ?? []
  }

  forget(rule: string): void {
    this.#size -= this.#byRule.get(rule)?.size ?? 0
    this.#byRule.delete(rule)
  }
}
