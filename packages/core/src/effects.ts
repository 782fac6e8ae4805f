/**
 * Effects: everything that rules and functions do to the world, each with a key, an intent before the attempt, and an
 * outcome after it. Times are µs since 1970 UTC.
 */
import type { CancelSignal } from "./query.ts"
import type { KeyedRecord } from "./store.ts"

export interface PublishAction {
  readonly type: "publish"
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface CommandAction {
  readonly type: "command"
  readonly device: string
  readonly command: string
  /** JSON. */
  readonly input: unknown
  readonly deadlineMs: number
}

export interface FunctionAction {
  readonly type: "function"
  readonly name: string
  /** JSON. */
  readonly input: unknown
}

export interface WebhookAction {
  readonly type: "webhook"
  readonly url: string
  readonly method: "POST" | "PUT" | "PATCH" | "DELETE" | "GET"
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface AlarmAction {
  readonly type: "alarm"
  readonly change: "raise" | "clear"
  /** The alarm's name; with the device it is the alarm. */
  readonly alarm: string
  readonly device?: string
  readonly severity?: Severity
  readonly message?: string
}

/** From what is good to know to what must be acted on now. */
export const severities = ["info", "warning", "critical"] as const
export type Severity = (typeof severities)[number]

export type Action = PublishAction | CommandAction | FunctionAction | WebhookAction | AlarmAction
export type ActionType = Action["type"]

export interface Effect<A extends Action = Action> {
  /** Hex, from {@link Effects.keyOf}: the same cause gives the same key. */
  readonly key: string
  /** Who wants it: `rule/<name>`, `function/<name>`. */
  readonly source: string
  readonly action: A
  readonly created: number
}

export const actionTypes = ["publish", "command", "function", "webhook", "alarm"] as const satisfies ActionType[]

export const effectStates = ["pending", "done", "failed", "in-doubt"] as const
/** How an effect stands; all but `pending` are final. */
export type EffectState = (typeof effectStates)[number]

/** An effect as it is listed. */
export interface EffectInfo {
  readonly key: string
  readonly source: string
  readonly type: ActionType
  /** What it is done to: a topic, `device/command`, a function, a host, an alarm. */
  readonly target: string
  readonly state: EffectState
  readonly attempts: number
  readonly created: number
  readonly ended?: number
  /** Why it failed or is in doubt: the code of an error, or a device's own word, and a sentence. */
  readonly code?: string
  readonly message?: string
}

/** How an attempt ended. */
export interface EffectOutcome {
  readonly state: Exclude<EffectState, "pending">
  /** Why it failed or is in doubt. */
  readonly code?: string
  readonly message?: string
}

/** What somebody else puts into a commit of its own, and tells how that commit ended. */
export interface Planned {
  /** For the commit. */
  readonly records: readonly KeyedRecord[]
  /** The commit is durable: it may leave the node. To be called once, or {@link refused}. */
  durable(): void
  /** The commit will never be: nothing happened. */
  refused(): void
}

/** An action that the node does itself, in the commit of its cause. */
export interface PlannedAction extends Planned {
  /**
   * How it ends: said at once where that is certain as soon as the commit is durable; then the outcome is in that commit.
   * Else it settles after {@link Planned.durable} and never rejects: `undefined` where the node stops first.
   */
  readonly ended: EffectOutcome | Promise<EffectOutcome | undefined>
}

/** Prepares one kind of action for the commit of its cause. Throws a FogError where it certainly cannot be done. */
export type Planner<A extends Action> = (effect: Effect<A>) => PlannedAction

/**
 * Does one kind of action that happens outside of the log. Resolves when it was done; throws `effect_in_doubt` when nobody
 * knows, and anything else when it certainly was not done: then, where the code's `retry` is not `never`, it is attempted
 * again, not before `details.retryAfterMs`. Aborted at the effect's deadline; what has not settled soon after is in doubt.
 */
export type Executor<A extends Action> = (effect: Effect<A>, signal: CancelSignal) => Promise<void>

/** Who does what. */
export interface Executors {
  readonly publish: Planner<PublishAction>
  readonly command: Planner<CommandAction>
  readonly alarm: Planner<AlarmAction>
  readonly function: Executor<FunctionAction>
  readonly webhook: Executor<WebhookAction>
}

/**
 * What rules and functions need: the intent of an effect, and what the node can prepare of it, in the commit of its cause.
 * After that commit is durable it is attempted, once. Where the commit is refused nothing is done, and nothing remembered.
 */
export interface Effects {
  /** SHA-256 in hex of the parts; e.g. `["rule", name, node, epoch, seq, index]`, `["schedule", name, time, index]`. */
  keyOf(parts: readonly (string | number)[]): string
  /**
   * Undefined where an effect with this key is remembered already: then nothing is to be done. Never throws for what is
   * wrong with an action: it is planned as failed.
   */
  plan(effect: Effect): Planned | undefined
}

export interface EffectFilter {
  readonly state?: EffectState | undefined
  readonly source?: string | undefined
  readonly type?: ActionType | undefined
  readonly limit: number
  /** Only effects before this key in the list. */
  readonly after?: string | undefined
}

/** What became of effects, for those who look. */
export interface EffectOutcomes {
  /** @param key the beginning suffices where one key alone has it: at least 8 characters */
  get(key: string): EffectInfo | undefined
  /** The newest first. */
  list(filter: EffectFilter): { readonly effects: readonly EffectInfo[]; readonly next: string | undefined }
}
