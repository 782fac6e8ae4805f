/** A rule as it runs. Durations are µs. */
import type { MakeAction } from "./action.ts"
import type { Condition } from "./expression/expression.ts"
import type { WindowPlan } from "./windows/window-plan.ts"

interface Common {
  readonly name: string
  readonly when: Condition | undefined
  readonly actions: readonly MakeAction[]
}

/** Which readings a rule listens to: filters of names. */
export interface ReadingFilter {
  readonly device: string
  readonly property: string
}

/** What rules on readings and on messages have in common. */
interface Episodic extends Common {
  readonly clearWhen: Condition | undefined
  readonly forUs: number
  /** Fires when nothing was heard for so long; 0 where it does not listen to that. */
  readonly silenceUs: number
  /** After it fired, it does not fire again for so long, of the same series or topic. */
  readonly cooldownUs: number
  readonly onChange: boolean
  /** It fires once when its condition has become true, and clears; otherwise each time that it holds. */
  readonly isEpisodic: boolean
  /** Whether it needs what was seen before. */
  readonly keepsPrevious: boolean
  readonly clearActions: readonly MakeAction[]
}

export interface ReadingRule extends Episodic {
  readonly kind: "reading"
  readonly filter: ReadingFilter
}

export interface TopicRule extends Episodic {
  readonly kind: "topic"
  readonly filter: string
}

/** Meets the results of its windows: each says what the readings of a span of time were together. */
export interface WindowRule extends Episodic {
  readonly kind: "window"
  readonly filter: ReadingFilter
  readonly plan: WindowPlan
}

export type EpisodicRule = ReadingRule | TopicRule | WindowRule

export interface TimeRule extends Common {
  readonly kind: "time"
  /** How late it still fires what was missed. */
  readonly catchUpUs: number
  /** The first moment after this one, µs since 1970 UTC; undefined where there is none for years. */
  next(afterUs: number): number | undefined
}

export type CompiledRule = EpisodicRule | TimeRule

/** Whether a rule remembers anything of what it listens to. */
export function isStateful(rule: EpisodicRule): boolean {
  return rule.isEpisodic || rule.keepsPrevious || rule.cooldownUs > 0 || rule.silenceUs > 0
}
