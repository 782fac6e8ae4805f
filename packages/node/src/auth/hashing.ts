/**
 * Slow hashes, few at a time: each occupies a thread of the pool that also syncs the log, and 32 MiB.
 * The queue is bounded, so that nobody waits longer for an answer than a client does.
 */
import type { Random } from "@brume/core"
import { type Cost, isSlowMatch, nobodysHash, type SlowHash, slowHash } from "./password.ts"

export interface HashingOptions {
  readonly cost: Cost
  readonly random: Random
  /** Hashes that run at once. */
  readonly maxRunning: number
  /** Comparisons that wait for their turn. */
  readonly maxWaiting: number
}

export interface Hashing {
  /** For a new password: goes before comparisons, and is never refused; its callers are admins. */
  hash(password: Uint8Array): Promise<SlowHash>
  /** Compares, or takes as long where there is nothing to compare with. Undefined when too many wait already. */
  matches(password: Uint8Array, stored: SlowHash | undefined): Promise<boolean> | undefined
  readonly waiting: number
}

export function createHashing({ cost, random, maxRunning, maxWaiting }: HashingOptions): Hashing {
  const nobody = nobodysHash(cost)
  const waiting: (() => void)[] = []
  let running = 0

  const turn = async <Result>(isUrgent: boolean, work: () => Promise<Result>): Promise<Result> => {
    if (running >= maxRunning)
      await new Promise<void>((resolve) => {
        if (isUrgent) waiting.unshift(resolve)
        else waiting.push(resolve)
      })
    else running++
    try {
      return await work()
    } finally {
      // The place goes to the next one, if any.
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }

  return {
    hash: (password) => turn(true, () => slowHash(password, cost, random)),
    matches(password, stored) {
      if (running >= maxRunning && waiting.length >= maxWaiting) return undefined
      return turn(false, async () => (await isSlowMatch(password, stored ?? nobody)) && stored !== undefined)
    },
    get waiting() {
      return waiting.length
    },
  }
}
