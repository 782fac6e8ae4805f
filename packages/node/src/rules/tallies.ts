/**
 * What rules did, by their names, and how much they may do: a rule that fires more often than {@link mostPerSecond}
 * within a second rests for {@link restUs}. So two rules that set each other off end by themselves.
 */
import type { Counter, Logger, Metrics } from "@brume/core"

export interface Tally {
  readonly fired: number
  /** Actions that were left out because a template had no value. */
  readonly failed: number
  /** Firings that were left out because there were too many. */
  readonly dropped: number
  /** Why a template had no value last. */
  readonly lastFailure: string | undefined
  /** When it fired last, µs since 1970 UTC. */
  readonly lastFired: number | undefined
}

const mostPerSecond = 10_000
/** µs */
const restUs = 10_000_000
const secondUs = 1_000_000

interface Account {
  fired: number
  failed: number
  dropped: number
  lastFailure: string | undefined
  lastFired: number | undefined
  secondBegan: number
  inSecond: number
  restsUntil: number
}

export class Tallies {
  readonly #byRule = new Map<string, Account>()
  readonly #logger: Logger
  readonly #fired: Counter
  readonly #failed: Counter
  readonly #dropped: Counter

  constructor({ logger, metrics }: { readonly logger: Logger; readonly metrics: Metrics }) {
    this.#logger = logger
    this.#fired = metrics.counter("brume_rules_fired_total", "Firings of rules, and clearings.")
    this.#failed = metrics.counter("brume_rules_failed_total", "Actions left out because a template had no value.")
    this.#dropped = metrics.counter(
      "brume_rules_dropped_total",
      "Firings left out because there were too many a second.",
    )
  }

  /** Counts a firing; false when the rule has to rest. */
  admit(rule: string, nowUs: number): boolean {
    const account = this.#of(rule)
    if (nowUs < account.restsUntil) return this.#drop(account)
    if (nowUs - account.secondBegan >= secondUs || nowUs < account.secondBegan) {
      account.secondBegan = nowUs
      account.inSecond = 0
    }
    if (++account.inSecond > mostPerSecond) {
      account.restsUntil = nowUs + restUs
      this.#logger.warn("A rule fires too often and rests; does it set itself off?", { rule, mostPerSecond })
      return this.#drop(account)
    }
    account.fired++
    account.lastFired = nowUs
    this.#fired.add(1)
    return true
  }

  failed(rule: string, why: string): void {
    this.#failed.add(1)
    const account = this.#of(rule)
    account.failed++
    account.lastFailure = why
  }

  get(rule: string): Tally {
    return this.#byRule.get(rule) ?? noTally
  }

  forget(rule: string): void {
    this.#byRule.delete(rule)
  }

  #drop(account: Account): false {
    account.dropped++
    this.#dropped.add(1)
    return false
  }

  #of(rule: string): Account {
    let account = this.#byRule.get(rule)
    if (account === undefined) {
      account = { ...noTally, secondBegan: 0, inSecond: 0, restsUntil: 0 }
      this.#byRule.set(rule, account)
    }
    return account
  }
}

const noTally: Tally = { fired: 0, failed: 0, dropped: 0, lastFailure: undefined, lastFired: undefined }
