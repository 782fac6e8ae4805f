/** One event on its way to a function. */
import type { FunctionBatch, FunctionTriggerType } from "@brume/core"

export interface Delivery {
  /** What the function sees as `ctx.key`; the same at every attempt, also after a restart of the node. */
  readonly key: string
  /** JSON. */
  readonly event: unknown
  readonly trigger: FunctionTriggerType
  /** Events that have the same are called together, where it wants batches. */
  readonly group?: DeliveryGroup | undefined
  /** Of its record in the log, where it has one. */
  readonly record?: string | undefined
  /** About what it takes in memory. Bytes. */
  readonly weight: number
}

export interface DeliveryGroup {
  /** The trigger's filter. */
  readonly name: string
  readonly batch: FunctionBatch
}
