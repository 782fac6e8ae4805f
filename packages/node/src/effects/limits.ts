/** How much of effects may be at once. */
import type { ActionType } from "@brume/core"
import { defaultMemoryLimits, type MemoryLimits } from "./remembered.ts"

export interface EffectLimits extends MemoryLimits {
  /** Effects of each type without an outcome; beyond, they fail with `effects_busy`. */
  readonly maxPending: Readonly<Record<ActionType, number>>
  readonly function: LaneLimits
  readonly webhook: LaneLimits
}

/** Of attempts outside of the log. */
export interface LaneLimits {
  /** Attempts at once; the others wait. */
  readonly maxRunning: number
  /** The same of one host, or one function. */
  readonly maxRunningPerTarget: number
  /** Of one attempt. */
  readonly deadlineMs: number
  /** As long as it certainly was not done, and may be later. */
  readonly maxAttempts: number
  /** Before the second attempt; twice as long before each that follows, about. */
  readonly backoffMs: number
  readonly maxBackoffMs: number
}

export const defaultEffectLimits: EffectLimits = {
  ...defaultMemoryLimits,
  // A batch of readings is planned as a whole before its commit: as many messages and alarms as it may have readings.
  maxPending: { publish: 50_000, command: 10_000, alarm: 50_000, function: 10_000, webhook: 1_000 },
  function: {
    maxRunning: 64,
    maxRunningPerTarget: 32,
    deadlineMs: 60_000,
    maxAttempts: 3,
    backoffMs: 200,
    maxBackoffMs: 5_000,
  },
  webhook: {
    maxRunning: 32,
    maxRunningPerTarget: 4,
    deadlineMs: 10_000,
    maxAttempts: 4,
    backoffMs: 1_000,
    maxBackoffMs: 60_000,
  },
}
