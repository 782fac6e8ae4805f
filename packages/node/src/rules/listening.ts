/**
 * One rule that listens to one series or topic. What has nothing to remember takes no memory: it gets some when its condition
 * holds first.
 */
import { type EpisodicRule, isStateful } from "./compiled-rule.ts"
import type { Subject, SubjectOf } from "./subject.ts"
import type { OwnSubjects, Subjects } from "./subjects.ts"

export class Listening {
  readonly rule: EpisodicRule
  /** Whether the rule remembers anything. */
  readonly isStateful: boolean
  readonly #of: SubjectOf
  readonly #subjects: Subjects
  readonly #own: OwnSubjects
  #subject: Subject | undefined
  /** How many subjects had ever been made when it was looked for the own one. */
  #lookedAt = -1

  constructor(rule: EpisodicRule, of: SubjectOf, subjects: Subjects) {
    this.rule = rule
    this.isStateful = isStateful(rule)
    this.#of = of
    this.#subjects = subjects
    this.#own = subjects.ownOf(rule.name)
  }

  /** What is remembered; undefined where that is nothing. */
  get subject(): Subject | undefined {
    // Somebody else may have begun to remember: another object of the same series, or the log.
    const { made } = this.#subjects
    if (this.#subject === undefined && this.#lookedAt !== made) {
      this.#lookedAt = made
      if (this.#own.size > 0) this.#subject = this.#subjects.find(this.rule, this.#of)
    }
    return this.#subject
  }

  /** Undefined where there is no room for another one. */
  remember(): Subject | undefined {
    this.#subject ??= this.#subjects.of(this.rule, this.#of)
    return this.#subject
  }
}
