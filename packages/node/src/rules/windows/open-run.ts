/** One rule's windows between the log and the store: what has been told (V2 in windows.ts), and how they are rebuilt. */
import type { Clock, KeyedRecord, Logger, Query, Series, Store } from "@brume/core"
import type { Sample } from "./cells.ts"
import { History } from "./history.ts"
import type { Budget, WindowLimits } from "./limits.ts"
import { parseTold, type Told, toldKey, toldRecord } from "./told-record.ts"
import { noGroup, WindowRun } from "./window-run.ts"
import type { Windowed } from "./windowed.ts"

export interface OpenRunOptions {
  readonly rule: Windowed
  readonly store: Pick<Store, "node" | "epoch" | "nextSeq" | "durableSeq" | "get" | "put">
  readonly query: Pick<Query, "rows">
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: WindowLimits
  readonly budget: Budget
}

/** After a statement failed. ms */
const retryMs = 1_000
/** A clock that is behind what it said before by more was wrong then. µs */
const jumpUs = 60_000_000
/** So few readings that are not read yet are gathered in memory, so that reading comes to an end. */
const catchUp = 50_000
const mostGathered = 500_000

/** A reading that waits until its rule has been rebuilt. */
interface Gathered extends Sample {
  readonly series: Series
  readonly received: number
  readonly seq: number
}

export class OpenRun {
  run: WindowRun
  #told: Told
  /** Undefined where readings need not wait. */
  #gathered: Gathered[] | undefined
  #isClosed = false
  readonly #options: OpenRunOptions

  constructor(options: OpenRunOptions) {
    this.#options = options
    this.#told = this.#remembered()
    this.run = this.#fresh()
  }

  /** Whether readings go straight in. */
  get isRunning(): boolean {
    return this.run.state === "running" && !this.#isClosed
  }

  /** Takes a changed rule where its windows are the same. */
  goesOnWith(rule: Windowed): boolean {
    if (identityOf(rule) !== this.#told.of) return false
    this.run.rule = rule
    return true
  }

  /** All that was due by then is being told. Returns what takes that back. */
  toldTo(toUs: number): () => void {
    const before = this.#told
    const { store } = this.#options
    this.#told = { ...before, toUs, throughSeq: this.run.late.fromSeq ?? store.durableSeq }
    return () => {
      this.#told = before
    }
  }

  record(): KeyedRecord {
    return toldRecord(this.run.rule.name, this.#told)
  }

  /** All late readings of before are being told. */
  recordThrough(seq: number): KeyedRecord {
    const throughSeq = Math.min(this.run.late.waitingFromSeq, seq)
    return toldRecord(this.run.rule.name, { ...this.#told, throughSeq })
  }

  gather({ time, value, text }: Sample, of: Pick<Gathered, "series" | "received" | "seq">): void {
    this.#gathered?.push({ time, value, text, ...of })
    // Too many: they are read from the store, where they are too.
    if (this.#gathered !== undefined && this.#gathered.length > mostGathered) this.#gathered = undefined
  }

  /** Reads again what the windows hold; tries until it can. */
  async rebuild(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#read()
        return
      } catch (error) {
        const { logger, clock } = this.#options
        if (this.#isClosed) return
        logger.warn("The windows of a rule cannot be rebuilt yet", { rule: this.run.rule.name, error })
        this.#gathered = undefined
        const { rule } = this.run
        this.run.close()
        this.run = this.#fresh(rule)
        await new Promise<void>((resolve) => clock.after(retryMs, resolve))
      }
    }
  }

  close(): void {
    this.#isClosed = true
    this.#gathered = undefined
    this.run.close()
  }

  async #read(): Promise<void> {
    const { store, query, limits, logger } = this.#options
    const { run } = this
    const sinceSeq = run.rule.plan.late === "update" ? this.#told.throughSeq : undefined
    const history = new History({
      ...{ query, run, epoch: store.epoch, sinceSeq, most: limits.rebuiltReadings },
      isOver: () => this.#isClosed,
    })
    const { toSeq, omitted } = await history.addAll()
    if (omitted > 0)
      logger.warn("Open windows held more readings than are read again; they are told without the oldest", {
        rule: run.rule.name,
        omitted,
      })
    let from = toSeq
    while (!this.#isClosed) {
      const to = store.durableSeq
      // What becomes durable from now on is heard.
      if (to - from <= catchUp) this.#gathered = []
      await history.add(from, to)
      from = to
      if (this.#gathered !== undefined) break
    }
    for (const { series, received, seq, ...sample } of this.#gathered ?? []) {
      const group = run.groupOf(series)
      run.advance(received)
      if (group !== noGroup) run.add(group, sample, seq, received)
    }
    this.#gathered = undefined
    run.state = "running"
  }

  #remembered(): Told {
    const { store, clock, rule, logger } = this.#options
    const { epoch } = store
    const of = identityOf(rule)
    const nowUs = clock.now()
    const told = parseTold(store.get("state", toldKey(rule.name)))
    if (told?.of === of) {
      const toUs = told.toUs > nowUs + jumpUs ? nowUs : told.toUs
      return { of, epoch, toUs, throughSeq: told.epoch === epoch ? told.throughSeq : 0 }
    }
    const begun = { of, epoch, toUs: nowUs, throughSeq: store.nextSeq }
    const failed = (error: unknown): void =>
      logger.warn("Where the windows of a rule begin is not stored yet; a crash now may lose the first ones", {
        rule: rule.name,
        error,
      })
    try {
      store.put([toldRecord(rule.name, begun)]).durable.catch(failed)
    } catch (error) {
      failed(error)
    }
    return begun
  }

  #fresh(rule = this.#options.rule): WindowRun {
    const { store, limits, budget, logger } = this.#options
    return new WindowRun({ rule, node: store.node, limits, budget, logger, toldUs: this.#told.toUs })
  }
}

/** Equal for rules of which one goes on with what the windows of the other hold. */
function identityOf({ filter, plan }: Windowed): string {
  return JSON.stringify([filter.device, filter.property, plan.fingerprint])
}
