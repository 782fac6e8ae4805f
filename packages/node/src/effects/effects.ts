/**
 * Effects: everything that rules and functions do to the world goes through here, so that it is done at most once for each
 * cause and always has an outcome that can be looked up.
 *
 * - E1 The key of an effect is durable before anything of it leaves the node, in the commit of its cause. A key that is
 *   remembered is not planned again.
 * - E2 What the node does itself (publish, command, alarm) is prepared in that same commit. Where its outcome is certain
 *   with the commit, the outcome is in it too: one sync for reading, rule and effect.
 * - E3 Functions and webhooks have their intent in that commit, are attempted after it, and get an outcome: `done`,
 *   `failed` where it certainly was not done, `in-doubt` where nobody knows. Again only after a certain failure that may
 *   pass, or where the policy says `retry` after a crash; always with the same key.
 * - E4 After a crash, an intent without outcome gets one before anything else is done: from who knows (the commands
 *   room), else `in-doubt`. What was certainly not begun when the node stopped in order goes on.
 * - E5 Everything is bounded: what is remembered, in time and number; what has no outcome, of each type; attempts at once,
 *   their time and their number. What is too much fails with `effects_busy`, which is an outcome.
 *
 * The parts: effect-record.ts (bytes), remembered.ts (E5), recovery.ts (E4), lane.ts and attempt.ts (E3), webhook/.
 * docs/decisions/effects.md argues for it. It does not know why an effect is wanted, nor how it is carried out.
 */
import { hash } from "node:crypto"
import {
  type ActionType,
  type Clock,
  type Closeable,
  type Effect,
  type EffectFilter,
  type EffectInfo,
  type EffectOutcome,
  type EffectOutcomes,
  type Effects,
  type Executor,
  type Executors,
  FogError,
  isFogError,
  type KeyedRecord,
  type Logger,
  type Metrics,
  type Planned,
  type PlannedAction,
  type Planner,
  type Random,
  type Store,
} from "@brume/core"
import { endingOf } from "./attempt.ts"
import {
  type Attemptable,
  decodeEffect,
  type EffectRecord,
  encodeEffect,
  endedRecord,
  infoOf,
  intentOf,
  isAttemptable,
  keyOfRecord,
  recordKeyOf,
} from "./effect-record.ts"
import { Lane } from "./lane.ts"
import { defaultEffectLimits, type EffectLimits } from "./limits.ts"
import { OpenEffect } from "./open-effect.ts"
import { type CrashPolicy, findEffects, recover } from "./recovery.ts"
import { Remembered } from "./remembered.ts"

export interface EffectsOptions {
  readonly store: Pick<Store, "put" | "get" | "entries">
  readonly clock: Clock
  readonly random: Pick<Random, "unit">
  readonly logger: Logger
  readonly metrics: Metrics
  readonly limits?: Partial<EffectLimits>
  /** After a crash, for functions and webhooks. @default drop */
  readonly policy?: Partial<Readonly<Record<Attemptable["type"], CrashPolicy>>>
  /** Who may know how an effect from before a restart ends; undefined where it is unknown there. @default nobody */
  readonly ask?: (effect: EffectInfo) => Promise<EffectOutcome | undefined> | undefined
}

export interface OpenedEffects extends Effects, EffectOutcomes, Closeable {
  /** From here on effects are carried out; what was planned before, too. */
  begin(executors: Executors): void
}

/** Effects that are looked at for one page of a list. */
const maxExamined = 5_000
/** Characters of a key by which it may be found. */
const leastBeginning = 8
/** Until an outcome that the log did not take is written again. ms */
const rewriteMs = 100

/** What had no outcome before has one, durable, when it resolves. Throws what the store throws. */
export async function openEffects(options: EffectsOptions): Promise<OpenedEffects> {
  const room = new EffectRoom(options)
  await room.recover()
  return room
}

class EffectRoom implements OpenedEffects {
  readonly #options: EffectsOptions
  readonly #limits: EffectLimits
  readonly #remembered: Remembered
  /** By the key of their record. */
  readonly #open = new Map<string, OpenEffect>()
  readonly #pending: Record<ActionType, number> = { publish: 0, command: 0, function: 0, webhook: 0, alarm: 0 }
  readonly #found: readonly EffectRecord[]
  readonly #count: (type: ActionType, state: string) => void
  /** Outcomes on their way to the disk. */
  readonly #writes = new Set<Promise<void>>()
  /** Durable, and to be carried out when it is known by whom. */
  #early: OpenEffect[] = []
  #executors: Executors | undefined
  #lanes: Readonly<Record<Attemptable["type"], Lane>> | undefined
  #isClosed = false

  constructor(options: EffectsOptions) {
    this.#options = options
    this.#limits = { ...defaultEffectLimits, ...options.limits }
    const { made, pending } = findEffects(options.store, options.logger)
    this.#found = pending
    this.#remembered = new Remembered(this.#limits, made)
    const total = options.metrics.counter("brume_effects_total", "Effects that have ended", ["type", "state"])
    this.#count = (type, state) => total.add(1, { type, state })
    options.metrics.gauges("brume_effects_pending", "Effects without an outcome", "type", () => this.#pending)
    options.metrics.gauge("brume_effects_remembered", "Effects whose keys are known", () => this.#remembered.size)
  }

  /** E4 */
  async recover(): Promise<void> {
    const { clock, logger, store, policy = {}, ask = () => undefined } = this.#options
    const maxAttempts = (type: ActionType) =>
      type === "webhook" || type === "function" ? this.#limits[type].maxAttempts : 0
    const records: KeyedRecord[] = []
    const over: EffectRecord[] = []
    const ready: OpenEffect[] = []
    for (const found of this.#found) {
      const { record, next } = recover(found, { now: clock.now(), policy, maxAttempts, ask })
      if (record !== found) records.push(encodeEffect(record))
      if (next === "over") {
        over.push(record)
        continue
      }
      const open = this.#track(new OpenEffect(record, effectOf(record)))
      open.stage = "open"
      if (next === "attempt") ready.push(open)
      else void next.then((outcome) => this.#ended(open, outcome))
    }
    if (over.length > 0)
      logger.warn("Effects had no outcome when the node stopped, and are in doubt", { effects: over.length })
    const go = (): void => {
      for (const { type, state } of over) this.#count(type, state)
      for (const open of ready) this.#carryOut(open)
    }
    if (records.length === 0) return
    await commit(store, records).then(go, (error: unknown) => {
      // The node opens on a full disk too; nothing is attempted before it has taken this.
      if (!isFogError(error, "store_full")) throw error
      this.#write(records, go)
    })
  }

  begin(executors: Executors): void {
    this.#executors = executors
    this.#lanes = { function: this.#lane(executors, "function"), webhook: this.#lane(executors, "webhook") }
    const early = this.#early
    this.#early = []
    for (const open of early) this.#carryOut(open)
  }

  keyOf(parts: readonly (string | number)[]): string {
    return hash("sha256", JSON.stringify(parts))
  }

  plan(effect: Effect): Planned | undefined {
    const recordKey = recordKeyOf(effect.key)
    // E1
    if (this.#remembered.has(recordKey)) return undefined
    const { planned, outcome } = this.#prepare(effect)
    const now = this.#options.clock.now()
    const intent = { ...intentOf(effect), attempts: planned === undefined ? 0 : 1 }
    const record = outcome === undefined ? intent : endedRecord(intent, outcome, now)
    const old = this.#remembered.takeOld(now, (key) => !this.#open.has(key))
    const open = this.#track(new OpenEffect(record, effect, planned))
    this.#remembered.add(recordKey, effect.created)
    const records = [encodeEffect(record)]
    if (planned !== undefined) for (const one of planned.records) records.push(one)
    for (const [key] of old) records.push({ kind: "effect", key, value: undefined })
    return {
      records,
      durable: () => {
        open.stage = "open"
        planned?.durable()
        if (outcome === undefined) this.#carryOut(open)
        else this.#settle(open)
      },
      refused: () => {
        planned?.refused()
        this.#untrack(open)
        this.#remembered.forget(recordKey)
        for (const [key, made] of old) this.#remembered.add(key, made)
      },
    }
  }

  get(key: string): EffectInfo | undefined {
    return this.#get(recordKeyOf(key)) ?? this.#getByBeginning(key)
  }

  #getByBeginning(beginning: string): EffectInfo | undefined {
    if (beginning.length < leastBeginning) return undefined
    const fits = this.#remembered.keys().filter((key) => key.startsWith(recordKeyOf(beginning)))
    return fits.length === 1 ? this.#get(fits[0]!) : undefined
  }

  list({ state, source, type, limit, after }: EffectFilter) {
    const keys = state === "pending" ? [...this.#open.keys()].reverse() : this.#remembered.keys()
    const effects: EffectInfo[] = []
    let at = after === undefined ? 0 : keys.indexOf(recordKeyOf(after)) + 1
    for (const end = at + maxExamined; at < keys.length && at < end && effects.length < limit; at++) {
      const info = this.#get(keys[at]!)
      if (info === undefined || (state !== undefined && info.state !== state)) continue
      if ((source === undefined || info.source === source) && (type === undefined || info.type === type))
        effects.push(info)
    }
    return { effects, next: at < keys.length ? keyOfRecord(keys[at - 1]!) : undefined }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const lanes = this.#lanes === undefined ? [] : Object.values(this.#lanes)
    const left = (await Promise.all(lanes.map((lane) => lane.close()))).flat()
    // What was not begun goes on when the node is there again.
    const untouched = [...left, ...this.#early].filter(({ record }) => record.action !== undefined)
    this.#early = []
    for (const { record } of untouched) this.#write([encodeEffect({ ...record, isUntouched: true })], () => {})
    await Promise.all(this.#writes)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Never throws: what cannot be done has failed. */
  #prepare(effect: Effect): { readonly planned?: PlannedAction; readonly outcome?: EffectOutcome } {
    const { action } = effect
    if (this.#pending[action.type] >= this.#limits.maxPending[action.type])
      return { outcome: endingOf(this.#busy(action.type)) }
    const planner = this.#plannerOf(action.type)
    if (planner === undefined) return {}
    try {
      const planned = planner(effect)
      return "state" in planned.ended ? { planned, outcome: planned.ended } : { planned }
    } catch (error) {
      return { outcome: this.#failure(effect, error) }
    }
  }

  /** E2: who prepares it in the commit of its cause; undefined where it is carried out after that. */
  #plannerOf(type: ActionType): Planner<Effect["action"]> | undefined {
    if (this.#executors === undefined || type === "function" || type === "webhook") return undefined
    return this.#executors[type] as Planner<Effect["action"]>
  }

  /** E3: it is durable. */
  #carryOut(open: OpenEffect): void {
    const { effect, planned } = open
    if (planned !== undefined)
      void (planned.ended as Promise<EffectOutcome | undefined>).then((how) => this.#ended(open, how))
    else if (this.#executors === undefined || this.#lanes === undefined || this.#isClosed) this.#early.push(open)
    else if (effect !== undefined && isAttemptable(effect.action)) this.#lanes[effect.action.type].add(open)
    else if (effect !== undefined) this.#planLate(open, effect)
  }

  /** The node was starting when its cause was committed: what it does itself is a commit of its own. */
  #planLate(open: OpenEffect, effect: Effect): void {
    let planned: PlannedAction
    try {
      planned = this.#plannerOf(effect.action.type)!(effect)
    } catch (error) {
      this.#ended(open, this.#failure(effect, error))
      return
    }
    const { store, clock } = this.#options
    open.attempted()
    const outcome = "state" in planned.ended ? planned.ended : undefined
    const record = outcome === undefined ? open.record : endedRecord(open.record, outcome, clock.now())
    commit(store, [encodeEffect(record), ...planned.records]).then(
      () => {
        open.record = record
        planned.durable()
        if (outcome !== undefined) this.#settle(open)
        else void (planned.ended as Promise<EffectOutcome | undefined>).then((how) => this.#ended(open, how))
      },
      (error: unknown) => {
        planned.refused()
        this.#ended(open, this.#failure(effect, error))
      },
    )
  }

  /** Makes the outcome durable. Without one it stays as it is: the next start finds it (E4). */
  #ended(open: OpenEffect, outcome: EffectOutcome | undefined): void {
    if (outcome === undefined) return
    const record = endedRecord(open.record, outcome, this.#options.clock.now())
    this.#write([encodeEffect(record)], () => {
      open.record = record
      this.#settle(open)
    })
  }

  #settle(open: OpenEffect): void {
    this.#untrack(open)
    const { key, source, type, target, state, code, message } = open.record
    this.#count(type, state)
    if (state === "done") return
    this.#options.logger.info("An effect was not done, or is in doubt", {
      ...{ effect: key, source, type, target, state, code, why: message },
    })
  }

  /** As often as it takes while the log may take it yet. */
  #write(records: readonly KeyedRecord[], then: () => void): void {
    const { store, clock, logger } = this.#options
    const write = commit(store, records).then(then, (error: unknown) => {
      if (!this.#isClosed && !isFogError(error, "store_closed"))
        clock.after(rewriteMs, () => this.#write(records, then))
      else logger.warn("An effect's outcome is not stored; the next start says that it is in doubt", { error })
    })
    this.#writes.add(write)
    void write.then(() => this.#writes.delete(write))
  }

  #get(recordKey: string): EffectInfo | undefined {
    const open = this.#open.get(recordKey)
    if (open !== undefined) return open.stage === "new" ? undefined : infoOf(open.record)
    const value = this.#options.store.get("effect", recordKey)
    const record = value === undefined ? undefined : decodeEffect(recordKey, value)
    return record === undefined ? undefined : infoOf(record)
  }

  #track(open: OpenEffect): OpenEffect {
    this.#open.set(open.recordKey, open)
    this.#pending[open.record.type]++
    return open
  }

  #untrack(open: OpenEffect): void {
    if (this.#open.delete(open.recordKey)) this.#pending[open.record.type]--
  }

  #lane(executors: Executors, type: Attemptable["type"]): Lane {
    const executor = executors[type] as Executor<Attemptable>
    const limits = this.#limits[type]
    return new Lane({ ...this.#options, executor, limits, onEnded: (open, outcome) => this.#ended(open, outcome) })
  }

  #failure({ key, source, action }: Effect, error: unknown): EffectOutcome {
    if (!isFogError(error))
      this.#options.logger.error("An effect cannot be planned", { key, source, type: action.type, error })
    return endingOf(error)
  }

  #busy(type: ActionType): FogError {
    return new FogError("effects_busy", {
      message: `${this.#pending[type]} effects of the type ${type} have no outcome yet, which is the limit`,
      hint: "Make the rule act less often; brume get effects --state pending shows what waits.",
    })
  }
}

async function commit(store: Pick<Store, "put">, records: readonly KeyedRecord[]): Promise<void> {
  await store.put(records).durable
}

function effectOf({ key, source, action, created }: EffectRecord): Effect | undefined {
  return action === undefined ? undefined : { key, source, action, created }
}
