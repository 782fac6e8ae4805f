/** One event, or several that came together, on the way to a function. */
import type { FunctionBatch, FunctionTriggerType } from "@brume/core"

export interface Delivery {
  /** What the function sees as `ctx.key`; the same at every attempt, also after a restart of the node. */
  readonly key: string
  /** JSON; a list of events where `isList`. */
  readonly event: unknown
  readonly isList?: boolean | undefined
  readonly trigger: FunctionTriggerType
  /** Events that have the same are called together, where it wants batches. */
  readonly group?: DeliveryGroup | undefined
  /** Of its record in the log, where it has one. */
  readonly record?: string | undefined
  /** About what it takes in memory. Bytes. */
  readonly weight: number
}

export interface DeliveryGroup {
  /** Of the trigger. */
  readonly name: string
  readonly batch: FunctionBatch
}

/** How many events it is. */
export function sizeOf({ event, isList }: Delivery): number {
  return isList === true ? (event as readonly unknown[]).length : 1
}
