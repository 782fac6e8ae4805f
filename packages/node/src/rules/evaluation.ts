/** What one commit owes to rules: records of state and of effects, and what is done when they are durable. */
import type { Effects, KeyedRecord, Logger, Planned } from "@brume/core"
import type { MakeAction } from "./action.ts"
import type { Scope } from "./expression/expression.ts"
import type { Tallies } from "./tallies.ts"

/** A commit's share of the rules. Exactly one of its two endings is to be called. */
export interface Evaluation {
  readonly records: readonly KeyedRecord[]
  /** The commit is durable: effects leave. */
  durable(): void
  /** It never will be: memory goes back to what the log says. */
  refused(): void
}

/** Something whose memory has gone ahead of the log. */
export interface Touched {
  /** The record of how it is now; undefined where the log says nothing of it, and need not. */
  record(): KeyedRecord | undefined
  /** Goes back to what the log says. */
  restore(): void
}

export type Cause = readonly (string | number)[]

export interface Firing {
  readonly rule: string
  readonly actions: readonly MakeAction[]
  readonly scope: Scope
  /** Parts of the key, but the index of the action: the same cause gives the same. */
  readonly cause: Cause
}

export interface GatheringOptions {
  readonly effects: Pick<Effects, "keyOf" | "plan">
  readonly logger: Logger
  readonly tallies: Tallies
  readonly chain: Chain
  /** Hears each firing before its actions are planned. */
  readonly onFire?: FireListener
}

export type FireListener = (firing: Firing, nowUs: number) => void

/**
 * How far a chain of firings has come. What a firing publishes is taken by the node while its commit is told that it is
 * durable: what fires then, follows from it.
 */
export interface Chain {
  /** How many firings led to what happens now. */
  length: number
}

/** Gathers an evaluation. */
export class Gathering implements Evaluation {
  readonly records: KeyedRecord[] = []
  readonly nowUs: number
  readonly #options: GatheringOptions
  readonly #planned: Planned[] = []
  readonly #touched = new Set<Touched>()
  readonly #ifRefused: (() => void)[] = []
  /** Rules, once for each firing. */
  readonly #fired: string[] = []
  readonly #chain: number

  constructor(options: GatheringOptions, nowUs: number) {
    this.#options = options
    this.nowUs = nowUs
    this.#chain = options.chain.length
  }

  /** Its record is taken at the end, however often it changes. */
  touch(touched: Touched): void {
    this.#touched.add(touched)
  }

  /** Called after memory went back, in the order given. */
  ifRefused(call: () => void): void {
    this.#ifRefused.push(call)
  }

  fire(firing: Firing): void {
    const { rule, actions, scope, cause } = firing
    const { effects, logger, tallies, onFire } = this.#options
    if (!tallies.admit(rule, this.nowUs, this.#chain)) return
    this.#fired.push(rule)
    onFire?.(firing, this.nowUs)
    for (const [index, make] of actions.entries()) {
      try {
        const planned = effects.plan({
          key: effects.keyOf([...cause, index]),
          source: `rule/${rule}`,
          action: make(scope),
          created: this.nowUs,
        })
        if (planned === undefined) continue
        this.#planned.push(planned)
        for (const record of planned.records) this.records.push(record)
      } catch (error) {
        const why = String((error as Error).message).split("\n", 1)[0]!
        tallies.failed(rule, why)
        logger.warn("An action of a rule has no value and is left out", { rule, action: index, why })
      }
    }
  }

  /** The evaluation, or undefined when there is nothing in it. */
  end(): Evaluation | undefined {
    for (const touched of this.#touched) {
      const record = touched.record()
      if (record !== undefined) this.records.push(record)
    }
    return this.records.length === 0 && this.#fired.length === 0 ? undefined : this
  }

  durable(): void {
    for (const rule of this.#fired) this.#options.tallies.fired(rule, this.nowUs)
    const { chain } = this.#options
    const before = chain.length
    chain.length = this.#chain + 1
    try {
      for (const planned of this.#planned) planned.durable()
    } finally {
      chain.length = before
    }
  }

  refused(): void {
    for (const planned of this.#planned) planned.refused()
    for (const touched of this.#touched) touched.restore()
    for (const call of this.#ifRefused) call()
  }
}
