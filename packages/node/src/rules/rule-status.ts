/** How a rule stands, for people. */
import type { EpisodicRule, TimeRule } from "./compiled-rule.ts"
import type { Subject } from "./subject.ts"
import type { Tally } from "./tallies.ts"
import type { WindowStatus } from "./windows/windowed.ts"

/** Times are µs since 1970 UTC. */
export interface RuleStatus extends Tally {
  readonly state: "enabled" | "disabled" | "broken"
  /** Series or topics for which its condition holds, but not yet for long enough. */
  readonly pending: number
  /** Series or topics for which it fired and has not cleared. */
  readonly active: number
  /** When a schedule fires next, or when the next series is due. */
  readonly next: number | undefined
  /** Times that a condition failed, and why last. */
  readonly conditionFailures: number
  readonly lastConditionFailure: string | undefined
  /** Of a rule with windows. */
  readonly window: WindowStatus | undefined
}

export interface Standing {
  readonly state: RuleStatus["state"]
  readonly rule: EpisodicRule | TimeRule | undefined
  readonly tally: Tally
  readonly subjects: Iterable<Subject>
  /** When a schedule fires next. */
  readonly next: number | undefined
  readonly window: WindowStatus | undefined
}

export function statusOf({ state, rule, tally, subjects, next, window }: Standing): RuleStatus {
  let [pending, active, due] = [0, 0, Number.POSITIVE_INFINITY]
  for (const { phase, awaited } of subjects) {
    if (phase === "pending") pending++
    else if (phase === "active") active++
    if (awaited !== 0) due = Math.min(due, awaited)
  }
  const conditions = [rule?.when, rule === undefined || rule.kind === "time" ? undefined : rule.clearWhen]
  return {
    ...tally,
    ...{ state, pending, active, window },
    next: next ?? (Number.isFinite(due) ? due : undefined),
    conditionFailures: conditions.reduce((sum, condition) => sum + (condition?.failures ?? 0), 0),
    lastConditionFailure: conditions.find((condition) => condition?.failure !== undefined)?.failure,
  }
}

/** As the API shows it: times as texts, and nothing that is not there. */
export function shownStatus(status: RuleStatus): Readonly<Record<string, unknown>> {
  const time = (us: number | undefined): string | undefined =>
    us === undefined ? undefined : new Date(us / 1_000).toISOString()
  const shown = { ...status, lastFired: time(status.lastFired), next: time(status.next) }
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined))
}
