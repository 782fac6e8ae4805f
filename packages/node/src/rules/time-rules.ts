/**
 * Rules on schedules and on the sun.
 *
 * - H1 A moment fires once: that it did is in the commit of its effects, and their keys are those of the moment.
 * - H2 Of what was missed while the node was down, the last one fires, late, when it is no older than the rule's `catchUp`;
 *   what was missed before it does not.
 */
import type { KeyedRecord } from "@brume/core"
import type { TimeRule } from "./compiled-rule.ts"
import type { Due } from "./episodes.ts"
import type { Gathering, Touched } from "./evaluation.ts"
import { type StateStore, scheduleKey } from "./subject.ts"

export interface TimeRulesOptions {
  readonly store: StateStore
  /** Names for keys of effects. */
  readonly origin: { readonly node: string; readonly epoch: string }
  /** @param due µs since 1970 UTC */
  readonly wait: (due: number, call: Due) => void
}

/** When what was refused is tried again. µs */
const retryUs = 1_000_000
/** No moment is missed because of so little: a busy processor, a disk that refused for a while. µs */
const recentUs = 60_000_000
/** Moments that are looked at for the last one that was missed: more of them lie close together. */
const mostMissed = 10_000

/** The last moment of a schedule that was taken care of. */
class Fired implements Touched {
  us = 0
  readonly #key: string
  readonly #store: StateStore

  constructor(store: StateStore, rule: string) {
    this.#store = store
    this.#key = scheduleKey(rule)
    this.restore()
  }

  record(): KeyedRecord {
    return { kind: "state", key: this.#key, value: Buffer.from(String(this.us)) }
  }

  restore(): void {
    const bytes = this.#store.get("state", this.#key)
    const us = bytes === undefined ? 0 : Number(Buffer.from(bytes).toString("utf8"))
    this.us = Number.isFinite(us) ? us : 0
  }
}

interface Waiting {
  readonly rule: TimeRule
  readonly fired: Fired
  /** The moment that is waited for. */
  next: number | undefined
}

export class TimeRules {
  readonly #options: TimeRulesOptions
  readonly #waiting = new Map<string, Waiting>()

  constructor(options: TimeRulesOptions) {
    this.#options = options
  }

  /** @param changedUs when somebody wrote the rule as it is: nothing before counts as missed */
  set(rule: TimeRule, changedUs: number, nowUs: number): void {
    const fired = new Fired(this.#options.store, rule.name)
    const waiting: Waiting = { rule, fired, next: undefined }
    this.#waiting.set(rule.name, waiting)
    const from = Math.max(fired.us, changedUs, nowUs - rule.catchUpUs)
    const missed = lastBefore(rule, Math.min(from, nowUs), nowUs)
    if (missed === undefined) this.#waitFor(waiting, nowUs)
    else this.#wait(waiting, missed)
  }

  delete(name: string): void {
    this.#waiting.delete(name)
  }

  /** µs since 1970 UTC. */
  nextOf(name: string): number | undefined {
    return this.#waiting.get(name)?.next
  }

  #waitFor(waiting: Waiting, afterUs: number): void {
    const next = waiting.rule.next(afterUs)
    if (next === undefined) waiting.next = undefined
    else this.#wait(waiting, next)
  }

  #wait(waiting: Waiting, due: number, at = due): void {
    waiting.next = due
    this.#options.wait(at, (gathering) => {
      if (this.#waiting.get(waiting.rule.name) !== waiting) return
      this.#fire(waiting, due, gathering)
    })
  }

  #fire(waiting: Waiting, due: number, gathering: Gathering): void {
    const { rule, fired } = waiting
    const { node, epoch } = this.#options.origin
    fired.us = due
    gathering.touch(fired)
    const scope = { time: new Date(due / 1_000) }
    // H2: also where the clock was put forward.
    const isRecent = gathering.nowUs - due <= Math.max(rule.catchUpUs, recentUs)
    if (isRecent && (rule.when === undefined || rule.when.holds(scope) === true)) {
      const cause = ["rule", rule.name, node, epoch, "at", due]
      gathering.fire({ rule: rule.name, actions: rule.actions, scope, cause })
    }
    // H1: a clock that was set back does not bring a moment again.
    const next = rule.next(Math.max(due, gathering.nowUs))
    waiting.next = next
    let isRefused = false
    gathering.ifRefused(() => {
      isRefused = true
      this.#wait(waiting, due, gathering.nowUs + retryUs)
    })
    if (next !== undefined)
      this.#options.wait(next, (later) => {
        if (!isRefused && this.#waiting.get(rule.name) === waiting) this.#fire(waiting, next, later)
      })
  }
}

/** H2: the last moment after one that is not after the other. */
function lastBefore(rule: TimeRule, afterUs: number, untilUs: number): number | undefined {
  let last: number | undefined
  let at = afterUs
  for (let count = 0; count < mostMissed; count++) {
    const next = rule.next(at)
    if (next === undefined || next > untilUs) break
    last = next
    at = next
  }
  return last
}
