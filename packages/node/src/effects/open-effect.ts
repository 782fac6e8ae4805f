/** An effect without a durable outcome. */
import type { Effect, PlannedAction } from "@brume/core"
import { type EffectRecord, recordKeyOf } from "./effect-record.ts"

export class OpenEffect {
  /** Undefined after a restart, where it cannot be attempted from here. */
  readonly effect: Effect | undefined
  readonly recordKey: string
  /** As it is durable, or will be with the commit of its cause. */
  record: EffectRecord
  /** What the node prepared of it. */
  readonly planned: PlannedAction | undefined
  /** `new`: the commit of its cause is on its way; `open`: it is durable. */
  stage: "new" | "open" = "new"

  constructor(record: EffectRecord, effect: Effect | undefined, planned?: PlannedAction) {
    this.record = record
    this.effect = effect
    this.planned = planned
    this.recordKey = recordKeyOf(record.key)
  }

  /** One attempt more begins. */
  attempted(): void {
    this.record = { ...this.record, attempts: this.record.attempts + 1, isUntouched: false }
  }
}
