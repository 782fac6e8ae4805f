/**
 * Rules on readings. What a series means to the rules is found once and kept with the series, so that a reading costs
 * what its own rules cost, and nothing where there are none.
 *
 * - G1 Readings of one series meet a rule in the order in which they were taken in, each once.
 * - G2 What a rule remembers of a series is in the commit of the readings that changed it, at most one record a commit.
 */
import type { ReadingBatch, Series } from "@brume/core"
import { isStateful, type ReadingRule } from "./compiled-rule.ts"
import type { Episodes } from "./episodes.ts"
import type { Gathering } from "./evaluation.ts"
import { RuleIndex } from "./rule-index.ts"
import { ReadingScope } from "./scope.ts"
import type { Subject } from "./subject.ts"
import type { Subjects } from "./subjects.ts"

export interface ReadingRulesOptions {
  /** Names for keys of effects. */
  readonly origin: { readonly node: string; readonly epoch: string }
  readonly episodes: Episodes
  readonly subjects: Subjects
}

interface Listening {
  readonly rule: ReadingRule
  /** undefined for a rule without memory. */
  readonly subject: Subject | undefined
}

/** What one series means to the rules. */
interface SeriesPlan {
  readonly version: number
  readonly rules: readonly Listening[]
}

export class ReadingRules {
  readonly #options: ReadingRulesOptions
  readonly #index = new RuleIndex()
  readonly #plans = new WeakMap<Series, SeriesPlan>()
  readonly #scope = new ReadingScope()

  constructor(options: ReadingRulesOptions) {
    this.#options = options
  }

  get(name: string): ReadingRule | undefined {
    return this.#index.get(name)
  }

  set(rule: ReadingRule): void {
    this.#index.set(rule)
  }

  delete(name: string): void {
    this.#index.delete(name)
  }

  /** @param begin called when there is something to evaluate */
  evaluate(batch: ReadingBatch, firstSeq: number, begin: () => Gathering): void {
    const plans = this.#plansOf(batch)
    if (plans === undefined) return
    const gathering = begin()
    const { seriesIndex, series } = batch
    const scope = this.#scope
    for (let row = 0; row < batch.length; row++) {
      const slot = seriesIndex[row]!
      const { rules } = plans[slot]!
      if (rules.length === 0) continue
      scope.take(batch, row, series[slot]!)
      for (let at = 0; at < rules.length; at++) this.#meet(rules[at]!, firstSeq + row, gathering)
    }
  }

  #meet({ rule, subject }: Listening, seq: number, gathering: Gathering): void {
    const scene = this.#scope
    const { episodes, origin } = this.#options
    if (subject === undefined) {
      // The most common case, without a single object: the condition does not hold.
      if (rule.when !== undefined && rule.when.holds(scene) !== true) return
      const cause = ["rule", rule.name, origin.node, origin.epoch, seq]
      gathering.fire({ rule: rule.name, actions: rule.actions, scope: scene, cause })
      return
    }
    episodes.meet(rule, subject, { scene, cause: ["rule", rule.name, origin.node, origin.epoch, seq], gathering })
  }

  /** Undefined where no series of the batch means anything to a rule. */
  #plansOf({ series }: ReadingBatch): SeriesPlan[] | undefined {
    if (this.#index.isEmpty) return undefined
    let plans: SeriesPlan[] | undefined
    for (let slot = 0; slot < series.length; slot++) {
      const plan = this.#planOf(series[slot]!)
      if (plans === undefined) {
        if (plan.rules.length === 0) continue
        plans = new Array<SeriesPlan>(series.length).fill({ version: 0, rules: [] })
      }
      plans[slot] = plan
    }
    return plans
  }

  #planOf(series: Series): SeriesPlan {
    const { version } = this.#index
    const known = this.#plans.get(series)
    if (known !== undefined && known.version === version) return known
    const rules: Listening[] = []
    let isWhole = true
    for (const rule of this.#index.matching(series)) {
      const subject = isStateful(rule) ? this.#options.subjects.of(rule, series) : undefined
      if (subject === undefined && isStateful(rule)) isWhole = false
      else rules.push({ rule, subject })
    }
    const plan: SeriesPlan = { version, rules }
    // Where there was no room for a subject, the next batch may find some.
    if (isWhole) this.#plans.set(series, plan)
    return plan
  }
}
