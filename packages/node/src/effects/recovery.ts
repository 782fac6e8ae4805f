/** What the log says of effects when the node starts: which are remembered, and which have no outcome. */
import type { ActionType, EffectInfo, EffectOutcome, Logger, Store } from "@brume/core"
import { inDoubt } from "./attempt.ts"
import { decodeEffect, type EffectRecord, endedRecord, isEffectKey } from "./effect-record.ts"

/** What is done with an effect whose attempt may have begun when the node stopped. */
export type CrashPolicy = "drop" | "retry"

export interface Found {
  readonly made: readonly (readonly [recordKey: string, made: number])[]
  readonly pending: readonly EffectRecord[]
}

export function findEffects(store: Pick<Store, "entries">, logger: Logger): Found {
  const made: [recordKey: string, made: number][] = []
  const pending: EffectRecord[] = []
  for (const [recordKey, value] of store.entries("effect")) {
    if (!isEffectKey(recordKey)) continue
    const record = decodeEffect(recordKey, value)
    // Its key still says that it was planned once.
    if (record === undefined) logger.error("An effect's record is unreadable; it is not done again", { key: recordKey })
    made.push([recordKey, record?.created ?? 0])
    if (record?.state === "pending") pending.push(record)
  }
  return { made, pending }
}

export interface RecoveryOptions {
  readonly now: number
  readonly policy: Partial<Readonly<Record<ActionType, CrashPolicy>>>
  /** Attempts over all lives of the node. */
  readonly maxAttempts: (type: ActionType) => number
  /** Who knows better; undefined where nobody does. */
  readonly ask: (effect: EffectInfo) => Promise<EffectOutcome | undefined> | undefined
}

export type Recovered =
  /** Its new record says how it ended. */
  | { readonly record: EffectRecord; readonly next: "over" }
  /** It is attempted as soon as its new record is durable. */
  | { readonly record: EffectRecord; readonly next: "attempt" }
  /** Somebody else says how it ends. */
  | { readonly record: EffectRecord; readonly next: Promise<EffectOutcome | undefined> }

export function recover(record: EffectRecord, { now, policy, maxAttempts, ask }: RecoveryOptions): Recovered {
  const known = ask(record)
  if (known !== undefined) return { record, next: known }
  const { action, attempts, type, isUntouched } = record
  if (action !== undefined && isUntouched === true)
    return { record: { ...record, isUntouched: false }, next: "attempt" }
  // The attempt that may have begun counts.
  const begun = attempts + 1
  if (action !== undefined && policy[type] === "retry" && begun < maxAttempts(type))
    return { record: { ...record, attempts: begun }, next: "attempt" }
  const doubt = inDoubt("The node stopped after it was to be attempted; nobody knows whether it was done")
  return { record: endedRecord(record, doubt, now), next: "over" }
}
