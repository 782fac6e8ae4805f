/**
 * Rules on readings. What a series means to the rules is found once and kept with the series, so that a reading costs
 * what its own rules cost, and nothing where there are none.
 *
 * - G1 Readings of one series meet a rule in the order in which they were taken in, each once.
 * - G2 What a rule remembers of a series is in the commit of the readings that changed it, at most one record a commit.
 */
import type { ReadingBatch, Series } from "@brume/core"
import type { EpisodicRule, ReadingRule } from "./compiled-rule.ts"
import type { Episodes, Occasion } from "./episodes.ts"
import type { Cause, Gathering } from "./evaluation.ts"
import { Listening } from "./listening.ts"
import { Newest } from "./newest.ts"
import { RuleIndex } from "./rule-index.ts"
import { ReadingScope } from "./scope.ts"
import type { Subjects } from "./subjects.ts"

export interface ReadingRulesOptions {
  /** Names for keys of effects. */
  readonly origin: { readonly node: string; readonly epoch: string }
  readonly episodes: Episodes
  readonly subjects: Subjects
}

/** What one series means to the rules. */
interface SeriesPlan {
  readonly version: number
  readonly rules: readonly Listening[]
  /** undefined where no rule remembers anything. */
  readonly newest: Newest | undefined
}

const nothing: SeriesPlan = { version: 0, rules: [], newest: undefined }
/** Series whose newest time is known to all objects of them; beyond, to each object. */
const maxSeries = 200_000

/** One reading at a time, the same object for a whole batch. */
class Arrival implements Occasion {
  readonly scene: ReadingScope
  readonly gathering: Gathering
  seq = 0
  isLate = false
  readonly #origin: ReadingRulesOptions["origin"]

  constructor(scene: ReadingScope, gathering: Gathering, origin: ReadingRulesOptions["origin"]) {
    this.scene = scene
    this.gathering = gathering
    this.#origin = origin
  }

  cause({ name }: EpisodicRule): Cause {
    return ["rule", name, this.#origin.node, this.#origin.epoch, this.seq]
  }
}

export class ReadingRules {
  readonly #options: ReadingRulesOptions
  readonly #index = new RuleIndex()
  readonly #plans = new WeakMap<Series, SeriesPlan>()
  readonly #newest = new Map<string, Newest>()
  readonly #scope = new ReadingScope()

  constructor(options: ReadingRulesOptions) {
    this.#options = options
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
    const { episodes, origin } = this.#options
    const occasion = new Arrival(this.#scope, begin(), origin)
    const { seriesIndex, series, time } = batch
    const { nowUs } = occasion.gathering
    for (let row = 0; row < batch.length; row++) {
      const slot = seriesIndex[row]!
      const { rules, newest } = plans[slot]!
      if (rules.length === 0) continue
      occasion.scene.take(batch, row, series[slot]!)
      occasion.seq = firstSeq + row
      occasion.isLate = newest?.isLate(time[row]!, nowUs) ?? false
      for (let at = 0; at < rules.length; at++) episodes.meet(rules[at]!, occasion)
    }
  }

  /** Undefined where no series of the batch means anything to a rule. */
  #plansOf({ series }: ReadingBatch): SeriesPlan[] | undefined {
    if (this.#index.isEmpty) return undefined
    let plans: SeriesPlan[] | undefined
    for (let slot = 0; slot < series.length; slot++) {
      const plan = this.#planOf(series[slot]!)
      if (plans === undefined) {
        if (plan.rules.length === 0) continue
        plans = new Array<SeriesPlan>(series.length).fill(nothing)
      }
      plans[slot] = plan
    }
    return plans
  }

  #planOf(series: Series): SeriesPlan {
    const { version } = this.#index
    const known = this.#plans.get(series)
    if (known !== undefined && known.version === version) return known
    const rules = this.#index.matching(series).map((rule) => new Listening(rule, series, this.#options.subjects))
    const isRemembered = rules.some(({ isStateful }) => isStateful)
    const plan: SeriesPlan = { version, rules, newest: isRemembered ? this.#newestOf(series) : undefined }
    this.#plans.set(series, plan)
    return plan
  }

  #newestOf({ key }: Series): Newest {
    const known = this.#newest.get(key)
    if (known !== undefined) return known
    const newest = new Newest()
    if (this.#newest.size < maxSeries) this.#newest.set(key, newest)
    return newest
  }
}
