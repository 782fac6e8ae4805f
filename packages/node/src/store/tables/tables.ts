/**
 * Tables: the recent readings, in DuckDB's memory, for SQL. They are fed behind the acknowledgement and rebuilt from
 * the log after a crash.
 *
 * Invariants
 * - T1 Nothing is only here: every row is in the log until the segment with it is listed, so that any failure of DuckDB
 *   is answered by trying again later.
 * - T2 A generation covers exact ranges of sequences, and its rows are all readings in them.
 * - T3 What waits to be applied is bounded; beyond that `busy` is true and the store refuses new readings.
 * - T4 Applying takes the main thread in slices of at most `sliceRows`.
 * - T5 A generation that DuckDB once failed to append to gets no more rows: what it holds stays right, but DuckDB would
 *   place later rows wrongly (seen with 1.5.6: an append after a commit that failed for want of memory repeats some rows
 *   and loses as many). The next generation takes them.
 *
 * What they are not: durable, or a cache. A row is either here or in a segment.
 */
import type { Clock, Counter, Histogram, Logger, Metrics, ReadingBatch, Timer } from "@brume/core"
import { FogError } from "@brume/core"
import { intersect, type Ranges } from "../segments/ranges.ts"
import type { Catalog } from "./catalog.ts"
import { createGeneration, dropGeneration } from "./columns.ts"
import type { Engine } from "./engine.ts"
import { Generation } from "./generation.ts"
import { PendingRows } from "./pending-rows.ts"

export interface TablesOptions {
  readonly engine: Engine
  readonly catalog: Catalog
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly node: string
  readonly epoch: string
  /** Rows at which a generation is due for sealing. */
  readonly sealRows: number
  /** Age of its first row at which a generation is due, however few it has. */
  readonly sealAgeMs: number
  /** How long a durable reading may take until SQL sees it. */
  readonly applyIntervalMs: number
  /** DuckDB's limit; a third of it makes a generation due as well. */
  readonly memoryBytes: number
  /** Called when a generation becomes due. */
  readonly onDue: () => void
}

/** Rows applied at once, and bytes of their payloads: about 7 ms. */
const sliceRows = 16_384
const sliceBytes = 4 * 2 ** 20
/** Most rows that wait, and most batches: a batch of one reading still takes a kilobyte. */
const maxPendingRows = 500_000
const maxPendingBatches = 50_000
/** Generations may grow to this many times `sealRows` while sealing fails or lags. */
const maxGenerations = 4
const retryMs = { first: 250, most: 30_000 }
/** How long `applied` waits for room. */
const maxWaitMs = 10_000

export class Tables {
  readonly #options: TablesOptions
  readonly #pending = new PendingRows()
  readonly #applied: Counter
  readonly #seconds: Histogram
  #current: Generation
  /** Oldest first; in the views until their segments are. */
  #closedGenerations: Generation[] = []
  /** T5, while the current one is replaced. */
  #isBroken = false
  #beginning: Promise<void> | undefined
  /** Sequence from which the next live batch covers. */
  #next: number
  #timer: Timer | undefined
  /** Calls of `applied` that wait for room. */
  readonly #waiting = new Set<() => void>()
  /** Failures in a row. */
  #failures = 0
  #closed = false

  private constructor(options: TablesOptions, first: Generation, next: number) {
    this.#options = options
    this.#current = first
    this.#next = next
    const { metrics } = options
    this.#applied = metrics.counter("brume_store_applied_readings_total", "Readings made visible to SQL.")
    this.#seconds = metrics.histogram(
      "brume_store_apply_seconds",
      "Time on the main thread to make one slice of readings visible to SQL.",
      [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5],
    )
    metrics.gauge("brume_store_table_rows", "Readings in the tables, not yet sealed.", () => this.rows)
    metrics.gauge("brume_store_pending_rows", "Durable readings that SQL does not see yet.", () => this.#pending.rows)
  }

  /** @param next the sequence up to which {@link take} will account for everything; live batches go on from there. */
  static async open(options: TablesOptions, next: number): Promise<Tables> {
    await options.catalog.change({
      before: createGeneration(1),
      edit: (sources) => ({ ...sources, generations: [...sources.generations, 1] }),
    })
    return new Tables(options, new Generation({ ...options, number: 1 }), next)
  }

  /** Rows that queries see here. */
  get rows(): number {
    return this.#closedGenerations.reduce((sum, { rows }) => sum + rows, this.#current.rows)
  }

  /** Everything below is visible; undefined when nothing waits. */
  get appliedSeq(): number | undefined {
    return this.#pending.firstSeq
  }

  /** T3 */
  get busy(): boolean {
    const { rows, batches, payloadBytes } = this.#pending
    return rows > maxPendingRows || batches > maxPendingBatches || payloadBytes > this.#options.memoryBytes / 4
  }

  get due(): boolean {
    return this.#closedGenerations.length > 0 || this.#isCurrentDue
  }

  /** Generations up to this number are due. */
  get dueGeneration(): number {
    return this.#isCurrentDue ? this.#current.number : this.#current.number - 1
  }

  /** How full they are; 1 is due. */
  get load(): number {
    const { sealRows, memoryBytes } = this.#options
    return Math.max(this.rows / sealRows, this.#current.bytes / (memoryBytes / 3))
  }

  /** Number of the generation that takes rows now. */
  get generation(): number {
    return this.#current.number
  }

  /** A batch that has just become durable, in order of sequence. */
  offer(batch: ReadingBatch, firstSeq: number): void {
    const end = firstSeq + batch.length
    this.take(batch, firstSeq, [[this.#next, end]])
    this.#next = end
    this.#arm()
  }

  /** The readings of a batch whose sequences are in `ranges`, all of which they account for. Nothing is armed. */
  take(batch: ReadingBatch, firstSeq: number, ranges: Ranges): void {
    const parts = intersect([[firstSeq, firstSeq + batch.length]], ranges)
    for (const [from, to] of parts) this.#pending.add({ batch, firstSeq, from: from - firstSeq, to: to - firstSeq })
    this.#pending.cover(ranges)
  }

  /** Sequences for which there is no reading. */
  cover(ranges: Ranges): void {
    this.#pending.cover(ranges)
  }

  /** When there is no row at all: everything below this sequence is accounted for elsewhere or had none. */
  get emptyBelow(): number | undefined {
    return this.rows === 0 && this.#pending.isEmpty ? this.#next : undefined
  }

  /** While the log is replayed: applies as soon as a slice is full. True when a generation is due meanwhile. */
  applyFull(): boolean {
    while (this.#pending.rows >= sliceRows && this.#tryApply()) {
      // Each turn takes a slice.
    }
    return this.due
  }

  /** Applies what was durable at the call, as far as there is room. True when that was all. */
  async apply(): Promise<boolean> {
    const target = this.#next
    while (!this.#pending.isEmpty && (this.#pending.firstSeq ?? 0) < target) {
      if (!this.#tryApply()) return false
      // T4: the event loop turns between two slices.
      if (!this.#pending.isEmpty) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    return true
  }

  /**
   * Makes everything visible that was durable at the call. While the tables are full it waits for a seal to make room;
   * throws `store_busy` when none does in time.
   */
  async applied(): Promise<void> {
    const { clock } = this.#options
    let isLate = false
    const deadline = clock.after(maxWaitMs, () => {
      isLate = true
      this.#wake()
    })
    try {
      while (!(await this.apply()) && !this.#closed) {
        if (isLate) {
          throw new FogError("store_busy", {
            message: `${this.#pending.rows} readings wait for the tables, which have no room`,
            hint: "Try again soon; if it stays so, look into the log for why segments cannot be written.",
          })
        }
        this.#arm()
        await new Promise<void>((resolve) => this.#waiting.add(resolve))
      }
    } finally {
      deadline.cancel()
    }
  }

  /**
   * The oldest generation to be sealed. When there is none but the current one, and its number is not above `upTo`, it is
   * closed and the next one begins. Undefined when there is nothing to seal.
   */
  async nextToSeal(upTo: number): Promise<Generation | undefined> {
    const [oldest] = this.#closedGenerations
    if (oldest !== undefined) return oldest
    if (this.#current.number > upTo) return undefined
    if (this.#current.rows > 0) await this.#beginNext()
    return this.#closedGenerations[0]
  }

  /** The generation is sealed, and no view has it any more. */
  sealed(generation: Generation): void {
    this.#closedGenerations = this.#closedGenerations.filter((other) => other !== generation)
    this.#arm()
    this.#wake()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#wake()
  }

  /** There may be room. */
  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }

  #arm(): void {
    if (this.#closed || this.#timer !== undefined || this.#pending.isEmpty) return
    const { clock, applyIntervalMs } = this.#options
    const wait = this.#pending.rows >= sliceRows ? 0 : applyIntervalMs
    const backOff = this.#failures === 0 ? 0 : Math.min(retryMs.first * 2 ** (this.#failures - 1), retryMs.most)
    this.#timer = clock.after(Math.max(wait, backOff), () => {
      this.#timer = undefined
      if (this.#isBroken) return void this.#replaceBroken()
      if (this.#tryApply()) this.#wake()
      this.#arm()
    })
  }

  get #isCurrentDue(): boolean {
    const { sealRows, sealAgeMs, memoryBytes, clock } = this.#options
    const { rows, bytes, begunMs } = this.#current
    if (rows >= sealRows || bytes >= memoryBytes / 3) return true
    return begunMs !== undefined && clock.monotonic() - begunMs >= sealAgeMs
  }

  /** Ends the current generation, T5 or because it is full. */
  #beginNext(): Promise<void> {
    this.#beginning ??= this.#beginNextNow().finally(() => {
      this.#beginning = undefined
    })
    return this.#beginning
  }

  async #beginNextNow(): Promise<void> {
    const { catalog } = this.#options
    const old = this.#current
    const number = old.number + 1
    const isEmpty = old.rows === 0
    await catalog.change({
      before: createGeneration(number),
      edit: ({ generations, ...rest }) => ({
        ...rest,
        generations: [...generations.filter((other) => !isEmpty || other !== old.number), number],
      }),
      after: isEmpty ? dropGeneration(old.number) : [],
    })
    // From here to the end nothing waits: rows that came meanwhile are in the old generation, the next in the new one.
    this.#current = new Generation({ ...this.#options, number })
    if (isEmpty) this.#current.cover(old.covered)
    else this.#closedGenerations.push(old)
    this.#isBroken = false
    old.finish()
  }

  /** T5 */
  async #replaceBroken(): Promise<void> {
    try {
      await this.#beginNext()
      this.#options.onDue()
    } catch {
      // There is no memory for that either: it is tried again with the next slice.
    }
    this.#arm()
  }

  /** Applies one slice. False when there is no room for it now. */
  #tryApply(): boolean {
    const { clock, logger, sealRows, memoryBytes } = this.#options
    if (this.#isBroken) return false
    if (this.rows >= sealRows * maxGenerations || this.#current.bytes >= memoryBytes) {
      this.#options.onDue()
      this.#failures++
      return false
    }
    const slice = this.#pending.peek(sliceRows, sliceBytes)
    const begun = clock.monotonic()
    try {
      this.#current.add(slice.parts, begun)
    } catch (error) {
      // T1: it is all in the log.
      if (this.#failures++ === 0) logger.warn("tables have no memory for new readings; trying again", { error })
      this.#isBroken = true
      return false
    }
    this.#failures = 0
    this.#pending.drop(slice)
    this.#current.cover(slice.covers)
    this.#applied.add(slice.rows)
    this.#seconds.observe((clock.monotonic() - begun) / 1000)
    if (this.due) this.#options.onDue()
    return true
  }
}
