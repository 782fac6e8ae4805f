/** From what a document says to a rule that runs, or all the mistakes in it. */
import type { DocumentMistake } from "@brume/core"
import { type ActionContext, compileActions } from "./action.ts"
import type { CompiledRule, EpisodicRule } from "./compiled-rule.ts"
import { parseDuration } from "./duration.ts"
import { type Condition, Expressions } from "./expression/expression.ts"
import type { ActionSpec, RuleSpec } from "./rule-spec.ts"
import { readingExpressions, timeExpressions, topicExpressions } from "./scope.ts"
import { type SourceKind, sourceKindOf, sourceProblems } from "./source.ts"
import { compileTimes } from "./times.ts"
import { compileWindow } from "./windows/window-plan.ts"

export interface CompiledOrNot {
  readonly mistakes: readonly DocumentMistake[]
  /** undefined when there are mistakes. */
  readonly rule: CompiledRule | undefined
}

const expressionsOf: Readonly<Record<SourceKind, Expressions>> = {
  reading: readingExpressions,
  topic: topicExpressions,
  schedule: timeExpressions,
  sun: timeExpressions,
}

/** @param spec fits the schema */
export function compileRule(name: string, spec: RuleSpec): CompiledOrNot {
  const mistakes: DocumentMistake[] = []
  const mistake = (path: string, problem: string): void => void mistakes.push({ path: `spec.${path}`, problem })
  const kind = sourceKindOf(spec.on)
  if (kind === undefined) {
    mistake("on", "must have device, topic, schedule, or sun: what the rule listens to")
    return { mistakes, rule: undefined }
  }
  sourceProblems(spec, kind, mistake)
  const window = spec.window === undefined ? undefined : compileWindow(spec.window)
  if (window !== undefined) mistakes.push(...window.mistakes)
  const plan = window?.plan
  // Without its columns nothing can be said of what names them.
  if (window !== undefined && plan === undefined) return { mistakes, rule: undefined }
  const expressions = plan === undefined ? expressionsOf[kind] : new Expressions(plan.variables, plan.optional)
  const hasDevice = plan === undefined ? kind === "reading" : plan.byDevice
  const condition = (key: "when" | "clearWhen"): Condition | undefined => {
    const source = spec[key]
    if (source === undefined) return undefined
    const compiled = expressions.condition(source)
    if (typeof compiled !== "string") return compiled
    mistake(key, compiled)
    return undefined
  }
  const when = condition("when")
  const clearWhen = condition("clearWhen")
  const names = new Set([...(when?.names ?? []), ...(clearWhen?.names ?? [])])
  const context = (change: "raise" | "clear"): ActionContext => ({
    ...{ expressions, mistakes, names, severity: spec.severity, change, hasDevice },
  })
  const actions = compileActions(spec.actions, "spec.actions", context("raise"))
  const clearActions = compileActions(spec.clearActions ?? endsOf(spec), "spec.clearActions", context("clear"))
  if (kind === "schedule" || kind === "sun") {
    const times = compileTimes(spec.on, mistake)
    const rule: CompiledRule | undefined = times && { kind: "time", name, when, actions, ...times }
    return { mistakes, rule: mistakes.length === 0 ? rule : undefined }
  }
  const common: Omit<EpisodicRule, "kind" | "filter"> = {
    ...{ name, when, clearWhen, actions, clearActions },
    forUs: durationUs(spec, "for", mistake),
    silenceUs: durationUs(spec, "silence", mistake),
    cooldownUs: durationUs(spec, "cooldown", mistake),
    onChange: spec.onChange === true,
    isEpisodic: isEpisodic(spec),
    keepsPrevious: plan === undefined && (spec.onChange === true || names.has("previous")),
  }
  if (mistakes.length > 0) return { mistakes, rule: undefined }
  const { device, property = "#", topic } = spec.on
  if (kind === "topic") return { mistakes, rule: { ...common, kind, filter: topic! } }
  const filter = { device: device!, property }
  if (plan !== undefined) return { mistakes, rule: { ...common, kind: "window", filter, plan } }
  return { mistakes, rule: { ...common, kind, filter } }
}

/** Who does not say what happens at the end wants the alarms of the beginning cleared. */
function endsOf({ actions }: RuleSpec): readonly ActionSpec[] {
  return actions.flatMap(({ alarm }) => {
    if (alarm === undefined || alarm.change === "clear") return []
    const { name, device } = alarm
    return [{ alarm: { name, ...(device === undefined ? {} : { device }), change: "clear" as const } }]
  })
}

/** A rule that says how it ends, how long it must hold, or raises an alarm means a state; others mean each reading. */
function isEpisodic(spec: RuleSpec): boolean {
  if (spec.for !== undefined || spec.clearWhen !== undefined || spec.clearActions !== undefined) return true
  if (spec.silence !== undefined) return true
  return spec.actions.some(({ alarm }) => alarm !== undefined && alarm.change !== "clear")
}

function durationUs(
  spec: RuleSpec,
  key: "for" | "silence" | "cooldown",
  mistake: (path: string, problem: string) => void,
): number {
  const text = spec[key]
  if (text === undefined) return 0
  const ms = parseDuration(text)
  if (ms === undefined || ms <= 0) mistake(key, "must be a duration like 5m, and at most ten years")
  return Math.round((ms ?? 0) * 1_000)
}
