/**
 * Attempts of one type of effects: so many at once, and of each target, the others in turn; again, later, where one
 * certainly was not done and may be yet. How many wait is bounded by who adds them.
 */
import type { Clock, Effect, EffectOutcome, Executor, Random, Timer } from "@brume/core"
import { attempt, type Ending } from "./attempt.ts"
import type { Attemptable } from "./effect-record.ts"
import type { LaneLimits } from "./limits.ts"
import type { OpenEffect } from "./open-effect.ts"

export interface LaneOptions {
  readonly executor: Executor<Attemptable>
  readonly limits: LaneLimits
  readonly clock: Clock
  readonly random: Pick<Random, "unit">
  /** Called once for each that was added, unless {@link Lane.close} gave it back. */
  readonly onEnded: (open: OpenEffect, outcome: EffectOutcome) => void
}

/** Longest time that somebody may ask to be left alone. ms */
const maxAfterMs = 300_000
/** What runs may end by itself for so long when the node stops. ms */
const drainMs = 1_000

export class Lane {
  readonly #options: LaneOptions
  readonly #waiting = new Set<OpenEffect>()
  readonly #later = new Map<OpenEffect, Timer>()
  readonly #running = new Set<Promise<void>>()
  readonly #perTarget = new Map<string, number>()
  readonly #stops = new Set<() => void>()
  #isClosed = false

  constructor(options: LaneOptions) {
    this.#options = options
  }

  add(open: OpenEffect): void {
    this.#waiting.add(open)
    this.#next()
  }

  /** Ends what runs, and gives back those of which no attempt is under way. */
  async close(): Promise<readonly OpenEffect[]> {
    this.#isClosed = true
    for (const timer of this.#later.values()) timer.cancel()
    const left = [...this.#later.keys(), ...this.#waiting]
    this.#later.clear()
    this.#waiting.clear()
    const stopping = this.#options.clock.after(drainMs, () => {
      for (const stop of [...this.#stops]) stop()
    })
    await Promise.all(this.#running)
    stopping.cancel()
    return left
  }

  #next(): void {
    const { maxRunning, maxRunningPerTarget } = this.#options.limits
    for (const open of this.#waiting) {
      if (this.#isClosed || this.#running.size >= maxRunning) return
      const { target } = open.record
      const ofTarget = this.#perTarget.get(target) ?? 0
      // One that hangs does not hold others back.
      if (ofTarget >= maxRunningPerTarget) continue
      this.#waiting.delete(open)
      this.#perTarget.set(target, ofTarget + 1)
      const running = this.#run(open).finally(() => {
        this.#running.delete(running)
        this.#leave(target)
        this.#next()
      })
      this.#running.add(running)
    }
  }

  #leave(target: string): void {
    const left = (this.#perTarget.get(target) ?? 1) - 1
    if (left > 0) this.#perTarget.set(target, left)
    else this.#perTarget.delete(target)
  }

  async #run(open: OpenEffect): Promise<void> {
    const { executor, clock, limits, onEnded } = this.#options
    open.attempted()
    const effect = open.effect as Effect<Attemptable>
    const ending = await attempt(effect, { executor, clock, deadlineMs: limits.deadlineMs, stops: this.#stops })
    if (ending.again !== undefined && open.record.attempts < limits.maxAttempts && !this.#isClosed)
      this.#again(open, ending.again)
    else onEnded(open, outcomeOf(ending))
  }

  #again(open: OpenEffect, { afterMs = 0 }: NonNullable<Ending["again"]>): void {
    const { clock, random, limits } = this.#options
    const grown = Math.min(limits.maxBackoffMs, limits.backoffMs * 2 ** (open.record.attempts - 1))
    // Those that failed together do not come back together.
    const ownMs = grown * (0.5 + random.unit() / 2)
    const timer = clock.after(Math.max(ownMs, Math.min(afterMs, maxAfterMs)), () => {
      this.#later.delete(open)
      this.add(open)
    })
    this.#later.set(open, timer)
  }
}

function outcomeOf({ state, code, message }: Ending): EffectOutcome {
  return { state, ...(code === undefined ? {} : { code }), ...(message === undefined ? {} : { message }) }
}
