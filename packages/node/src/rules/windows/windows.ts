/**
 * Windows: readings of a span of time taken together, for the rules that ask for it.
 *
 * - V1 The device's time says to which windows a reading belongs. A reading is *late* for a window when the node received
 *   it at `end + allowedLateness` or after. That depends on the reading alone (`time`, `received`, its place in the log),
 *   so that a crash, or a slow timer, changes no result: it is what SQL over the stored readings would say.
 * - V2 A window's result is handed over once, in the commit that also says up to where windows have been told
 *   (`window/<rule>`, kind `state`). What a crash leaves open is rebuilt from the stored readings before anything closes.
 * - V3 Only durable readings count: windows hear the store as live streams do, and hold up nobody's acknowledgement. A
 *   window closes when everything that was appended before its end came is durable.
 * - V4 A reading costs the same however many readings its windows hold, and closing costs what has to be told.
 * - V5 Memory has written limits (limits.ts). What they keep out is counted and shown, never silently missing.
 *
 * The parts: window-plan.ts (what people write, checked; select.ts, aggregate.ts), cells.ts (running aggregates in
 * columns), panes.ts and sessions.ts (which readings belong together), window-run.ts (one rule), history.ts (readings
 * from the store), this file (all rules, time, and the log).
 *
 * It is not the judge of what a result means: `when`, `cooldown` and actions are the rules' own.
 */
import type { Clock, Closeable, KeyedRecord, Logger, Metrics, Query, ReadingBatch, Store } from "@brume/core"
import { valueKind } from "@brume/core"
import type { Sample } from "./cells.ts"
import { lateResults } from "./late-results.ts"
import { Budget, defaultWindowLimits, type WindowLimits } from "./limits.ts"
import { OpenRun } from "./open-run.ts"
import { SeriesUses } from "./series-uses.ts"
import { forgetTold, ruleOfToldKey } from "./told-record.ts"
import type { WindowResult } from "./window-result.ts"
import type { Windowed, WindowStatus } from "./windowed.ts"

export interface WindowsOptions {
  readonly store: Pick<Store, "node" | "epoch" | "nextSeq" | "durableSeq" | "get" | "put" | "entries" | "onDurable">
  /** Trusted SQL over the view `readings`. */
  readonly query: Pick<Query, "rows">
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /**
   * Puts what these results cause, together with these records, into one commit (V2), and resolves when it is durable.
   * Throws or rejects where the store does not take it: then the same is told again a second later.
   */
  readonly tell: (results: readonly WindowResult[], records: readonly KeyedRecord[]) => Promise<void>
  /** @default {@link defaultWindowLimits} */
  readonly limits?: Partial<WindowLimits>
}

export interface Windows extends Closeable {
  /** A rule is new, or has changed: what its windows hold stays where the window is the same. */
  set(rule: Windowed): void
  /** A rule is no more; what is remembered of its windows goes too. */
  delete(name: string): void
  /** undefined when no such rule has windows. */
  status(name: string): WindowStatus | undefined
  /** Reads again what crashed windows held, and closes those that ended meanwhile. To be called when `tell` can be. */
  begin(): Promise<void>
}

/** The wall clock may jump: it is looked at this often at least. ms. */
const longestSleepMs = 30_000
/** After the store took nothing, or a statement failed. ms */
const retryMs = 1_000
/** Late readings of so long are told together. ms */
const latePauseMs = 1_000

export function openWindows(options: WindowsOptions): Windows {
  return new OpenWindows(options)
}

class OpenWindows implements Windows {
  readonly #options: WindowsOptions
  readonly #limits: WindowLimits
  readonly #budget: Budget
  readonly #runs = new Map<string, OpenRun>()
  readonly #uses = new SeriesUses<OpenRun>(() => this.#runs.values())
  readonly #sample: Sample = { time: 0, value: Number.NaN, text: undefined }
  readonly #unsubscribe: () => void
  #timer: { cancel(): void } | undefined
  #timerDueUs = Number.POSITIVE_INFINITY
  /** When late readings are told. */
  #lateDueUs = Number.POSITIVE_INFINITY
  /** Nothing is told before, after something was refused. */
  #restUntilUs = 0
  #isTelling = false
  #isUpdating = false
  /** One commit after the other, so that each says all that was told before it. */
  #commits: Promise<unknown> = Promise.resolve()
  #rebuilds: Promise<void> = Promise.resolve()
  #hasBegun = false
  #isClosed = false

  constructor(options: WindowsOptions) {
    const { store, metrics } = options
    this.#options = options
    this.#limits = { ...defaultWindowLimits, ...options.limits }
    this.#budget = new Budget(this.#limits.bytes)
    this.#unsubscribe = store.onDurable((batch, firstSeq) => this.#hear(batch, firstSeq))
    metrics.gauge("brume_rules_window_bytes", "Bytes that open windows of rules hold.", () => this.#budget.used)
  }

  set(rule: Windowed): void {
    const known = this.#runs.get(rule.name)
    if (known?.goesOnWith(rule) === true) return
    known?.close()
    const opened = new OpenRun({ ...this.#options, rule, limits: this.#limits, budget: this.#budget })
    this.#runs.set(rule.name, opened)
    this.#uses.forget()
    if (this.#hasBegun) void this.#rebuild(opened)
  }

  delete(name: string): void {
    const known = this.#runs.get(name)
    if (known === undefined) return
    known.close()
    this.#runs.delete(name)
    this.#uses.forget()
    this.#forget([name])
  }

  status(name: string): WindowStatus | undefined {
    return this.#runs.get(name)?.run.status
  }

  async begin(): Promise<void> {
    this.#hasBegun = true
    const known = [...this.#options.store.entries("state")].map(([key]) => ruleOfToldKey(key))
    this.#forget(known.filter((name) => name !== undefined).filter((name) => !this.#runs.has(name)))
    for (const run of this.#runs.values()) void this.#rebuild(run)
    await this.#rebuilds
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    this.#timer?.cancel()
    for (const run of this.#runs.values()) run.close()
    await Promise.allSettled([this.#commits, this.#rebuilds])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** V3 */
  #hear(batch: ReadingBatch, firstSeq: number): void {
    const bySlot = this.#uses.of(batch)
    if (bySlot === undefined || this.#isClosed) return
    const { received, seriesIndex, kind, time, value, payload } = batch
    for (let slot = 0; slot < batch.series.length; slot++)
      for (const { holder } of bySlot[slot]!) if (holder.isRunning) holder.run.follow(received)
    const sample = this.#sample
    for (let row = 0; row < batch.length; row++) {
      const slot = seriesIndex[row]!
      const uses = bySlot[slot]!
      if (uses.length === 0) continue
      sample.time = time[row]!
      // NaN where it is none.
      sample.value = value[row]!
      sample.text = (kind[row]! & valueKind.text) === 0 ? undefined : (payload?.[row] ?? undefined)
      for (const { holder, group } of uses) {
        if (holder.isRunning) holder.run.add(group, sample, firstSeq + row)
        else holder.gather(sample, { series: batch.series[slot]!, received, seq: firstSeq + row })
      }
    }
    let dueUs = this.#timerDueUs
    for (let slot = 0; slot < batch.series.length; slot++)
      for (const { holder } of bySlot[slot]!) dueUs = Math.min(dueUs, this.#dueOf(holder))
    if (dueUs < this.#timerDueUs) this.#wait(dueUs)
  }

  /** When something of a rule is to be told. */
  #dueOf({ run, isRunning }: OpenRun): number {
    if (!isRunning) return Number.POSITIVE_INFINITY
    if (run.late.size > 0 && this.#lateDueUs === Number.POSITIVE_INFINITY)
      this.#lateDueUs = this.#options.clock.now() + latePauseMs * 1_000
    const dueUs = Math.min(run.nextDue, run.late.size > 0 ? this.#lateDueUs : Number.POSITIVE_INFINITY)
    return run.results.length > 0 ? 0 : dueUs
  }

  #waitForNext(): void {
    let dueUs = Number.POSITIVE_INFINITY
    for (const run of this.#runs.values()) dueUs = Math.min(dueUs, this.#dueOf(run))
    this.#wait(dueUs)
  }

  #wait(dueUs: number): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerDueUs = dueUs
    if (this.#isClosed || this.#isTelling || dueUs === Number.POSITIVE_INFINITY) return
    const { clock } = this.#options
    const waitMs = Math.ceil((Math.max(dueUs, this.#restUntilUs) - clock.now()) / 1_000)
    this.#timer = clock.after(Math.min(Math.max(waitMs, 0), longestSleepMs), () => void this.#run())
  }

  async #run(): Promise<void> {
    const { clock, store } = this.#options
    this.#isTelling = true
    try {
      const nowUs = clock.now()
      // V3: what was appended before now is heard when this resolves.
      if (store.durableSeq < store.nextSeq) await store.put([]).durable
      for (const { run, isRunning } of this.#runs.values()) {
        if (isRunning) run.follow(nowUs)
      }
      if (nowUs >= this.#lateDueUs && !this.#isUpdating) void this.#update()
      await this.#tell()
    } catch (error) {
      this.#rest("Results of windows are not stored, and are told again", error)
    } finally {
      this.#isTelling = false
      this.#waitForNext()
    }
  }

  async #tell(): Promise<void> {
    const due = [...this.#runs.values()].filter(({ isRunning, run }) => isRunning && run.results.length > 0)
    if (due.length === 0) return
    await this.#commit(async () => {
      // A rule may have been replaced meanwhile, and what is remembered of it is the new one's.
      const current = due.filter(({ isRunning }) => isRunning)
      const parts = current.map((run) => ({
        run,
        results: run.run.takeResults(),
        undo: run.toldTo(run.run.advancedUs),
      }))
      try {
        const records = parts.map(({ run }) => run.record())
        await this.#options.tell(
          parts.flatMap(({ results }) => results),
          records,
        )
        for (const { run, results } of parts) run.run.told += results.length
      } catch (error) {
        for (const { run, results, undo } of parts) {
          run.run.results = [...results, ...run.run.results]
          undo()
        }
        throw error
      }
    })
  }

  /** Tells windows again that got late readings. */
  async #update(): Promise<void> {
    const { query, store } = this.#options
    this.#isUpdating = true
    this.#lateDueUs = Number.POSITIVE_INFINITY
    for (const run of [...this.#runs.values()]) {
      if (run.run.late.size === 0) continue
      const { late } = run.run
      const windows = late.take()
      const belowSeq = store.durableSeq
      try {
        const { node, epoch } = store
        const results = await lateResults(windows, { query, rule: run.run.rule, node, epoch, belowSeq })
        await this.#commit(async () => {
          if (!run.isRunning) return
          await this.#options.tell(results, [run.recordThrough(belowSeq)])
          late.told()
          run.run.updated += results.length
        })
      } catch (error) {
        late.giveBack(windows)
        this.#rest("Windows with late readings are not told again yet", error)
      }
    }
    this.#isUpdating = false
    if (!this.#isTelling) this.#waitForNext()
  }

  #commit(work: () => Promise<void>): Promise<void> {
    const done = this.#commits.then(() => (this.#isClosed ? undefined : work()))
    this.#commits = done.catch(() => {})
    return done
  }

  /** One after the other: they ask for many readings. */
  #rebuild(run: OpenRun): Promise<void> {
    this.#rebuilds = this.#rebuilds.then(async () => {
      await run.rebuild()
      // Its groups have other numbers now.
      this.#uses.forget()
      if (!this.#isTelling) this.#waitForNext()
    })
    return this.#rebuilds
  }

  #rest(message: string, error: unknown): void {
    if (this.#isClosed) return
    this.#options.logger.warn(message, { error })
    this.#restUntilUs = this.#options.clock.now() + retryMs * 1_000
  }

  #forget(names: readonly string[]): void {
    const { store, logger } = this.#options
    if (names.length === 0) return
    try {
      store.put(names.map(forgetTold))
    } catch (error) {
      logger.warn("What is remembered of windows of deleted rules cannot be removed now", { rules: names, error })
    }
  }
}
