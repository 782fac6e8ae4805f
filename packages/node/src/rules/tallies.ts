/**
 * What rules did, by their names, and how much they may do.
 *
 * - T1 A rule fires at most {@link mostAtOnce} times at once and {@link mostPerSecond} times a second for long; then it rests
 *   for {@link restUs}. That bounds rules that set each other off through readings; it does not notice slower ones.
 * - T2 Rules that set each other off through messages end after {@link maxChain} steps.
 */
import type { Counter, Logger, Metrics } from "@brume/core"

export interface Tally {
  readonly fired: number
  /** Actions that were left out because a template had no value. */
  readonly failed: number
  /** Firings that were left out because there were too many. */
  readonly dropped: number
  /** What went wrong last. */
  readonly lastFailure: string | undefined
  /** When it fired last, µs since 1970 UTC. */
  readonly lastFired: number | undefined
}

const mostAtOnce = 20_000
const mostPerSecond = 2_000
const maxChain = 16
/** µs */
const restUs = 10_000_000

interface Account {
  fired: number
  failed: number
  dropped: number
  lastFailure: string | undefined
  lastFired: number | undefined
  /** Firings that it may still do at once, and when that was counted. */
  left: number
  countedUs: number
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
    this.#dropped = metrics.counter("brume_rules_dropped_total", "Firings left out because there were too many.")
  }

  /**
   * Whether a rule may fire now; where it may, that is taken from what it may.
   * @param chain how many firings, each caused by the one before, led to this one
   */
  admit(rule: string, nowUs: number, chain: number): boolean {
    const account = this.#of(rule)
    if (nowUs < account.restsUntil) return this.#drop(account)
    if (chain > maxChain) {
      account.lastFailure = `rules set each other off: the chain ended after ${maxChain} steps`
      this.#logger.warn("Rules set each other off, and are stopped", { rule, maxChain })
      return this.#drop(account)
    }
    // A clock that was set back gives nothing, and takes nothing.
    const passedUs = Math.max(0, nowUs - account.countedUs)
    account.left = Math.min(mostAtOnce, account.left + (passedUs * mostPerSecond) / 1_000_000)
    account.countedUs = nowUs
    if (account.left < 1) {
      account.restsUntil = nowUs + restUs
      account.lastFailure = `fires more than ${mostPerSecond} times a second, and rests for ${restUs / 1_000_000} s`
      this.#logger.warn("A rule fires too often and rests; does it set itself off?", { rule, mostPerSecond })
      return this.#drop(account)
    }
    account.left--
    return true
  }

  /** The commit of a firing is durable. */
  fired(rule: string, nowUs: number): void {
    const account = this.#of(rule)
    account.fired++
    account.lastFired = nowUs
    this.#fired.add(1)
  }

  failed(rule: string, why: string): void {
    this.#failed.add(1)
    const account = this.#of(rule)
    account.failed++
    account.lastFailure = why
  }

  get(rule: string): Tally {
    const { fired, failed, dropped, lastFailure, lastFired } = this.#byRule.get(rule) ?? noTally
    return { fired, failed, dropped, lastFailure, lastFired }
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
      account = { ...noTally, left: mostAtOnce, countedUs: 0, restsUntil: 0 }
      this.#byRule.set(rule, account)
    }
    return account
  }
}

const noTally: Tally = { fired: 0, failed: 0, dropped: 0, lastFailure: undefined, lastFired: undefined }
