/** What rules remember, by rule and key. Two Series objects of one series share one subject. */
import { Series } from "@brume/core"
import type { EpisodicRule } from "./compiled-rule.ts"
import { type StateStore, Subject, type SubjectOf, subjectKey } from "./subject.ts"

/** Most that all rules remember; beyond it, a rule does not act on what it would have to remember anew (U5 in rules.ts). */
export const maxSubjects = 200_000

/** By their keys. */
export type OwnSubjects = Map<string, Subject>

export class Subjects {
  readonly #byRule = new Map<string, OwnSubjects>()
  readonly #store: StateStore
  readonly #limit: number
  readonly #onFull: (rule: string) => void
  /** How many were ever made: where it has not grown, nothing new is found. */
  made = 0
  #size = 0

  constructor(options: {
    readonly store: StateStore
    readonly limit: number
    readonly onFull: (rule: string) => void
  }) {
    const { store, limit, onFull } = options
    this.#store = store
    this.#limit = limit
    this.#onFull = onFull
  }

  get size(): number {
    return this.#size
  }

  /** Those of one rule, until it is forgotten. */
  ownOf(rule: string): OwnSubjects {
    let own = this.#byRule.get(rule)
    if (own === undefined) {
      own = new Map()
      this.#byRule.set(rule, own)
    }
    return own
  }

  find(rule: EpisodicRule, of: SubjectOf): Subject | undefined {
    const own = this.#byRule.get(rule.name)
    return own?.get(subjectKey(rule.name, of))
  }

  /** Undefined where there is no room for another one. */
  of(rule: EpisodicRule, of: SubjectOf): Subject | undefined {
    const own = this.ownOf(rule.name)
    const key = subjectKey(rule.name, of)
    const known = own.get(key)
    if (known !== undefined) return known
    if (this.#size >= this.#limit) {
      this.#onFull(rule.name)
      return undefined
    }
    const subject = new Subject(this.#store, key, of)
    own.set(key, subject)
    this.#size++
    this.made++
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
