/**
 * Upkeep: when segments are sealed, merged, dropped and verified. One job at a time; sealing comes before merging, and
 * interrupts it when readings come faster than both can be done.
 *
 * A job that fails has changed nothing and is tried again later. A full disk is met by the declared policy: this
 * drops the oldest segments, or the log refuses new readings.
 */
import type { Clock, Counter, Histogram, Logger, Metrics, Timer } from "@brume/core"
import type { Tables } from "../tables/tables.ts"
import { drop, merge, refreshLatest, seal } from "./jobs.ts"
import type { SegmentEntry } from "./manifest.ts"
import { type MergeLimits, planMerge } from "./merge-plan.ts"
import { type Ranges, rangesOf } from "./ranges.ts"
import { type DropReason, planDrops, type Retention } from "./retention-plan.ts"
import { isIntact, type Shelf } from "./shelf.ts"
import { SteadyClock } from "./steady-clock.ts"
import { Verification } from "./verification.ts"

export interface UpkeepOptions {
  readonly shelf: Shelf
  readonly tables: Tables
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly mergeRows: number
  readonly retention: Retention
  readonly verifyBytes: number
  readonly minFreeBytes: number
  readonly whenFull: "reject" | "drop-oldest"
  /** Puts readings that the log still has into the tables again. */
  readonly restore: (ranges: Ranges) => Promise<void>
  /** Lets the log forget what is sealed: when it is worth it, or at once. */
  readonly trim: (atOnce?: boolean) => Promise<void>
}

const tickMs = 1_000
/** How often age, bytes and free space are looked at. */
const retentionMs = 10_000
const retryMs = { first: 1_000, most: 60_000 }
/** Retention by bytes and by age is exact to this part of its limit: no merged segment is larger. */
const retentionParts = 8
/** A generation that is so many times full interrupts a merge. */
const urgentLoad = 2

type Job = "seal" | "merge" | "retain" | "quarantine"

export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #verification: Verification
  readonly #steadyClock: SteadyClock
  readonly #mergeLimits: MergeLimits
  readonly #seals: Histogram
  readonly #merges: Counter
  readonly #failedJobs: Counter
  readonly #droppedReadings: Counter
  #last: Promise<unknown> = Promise.resolve()
  #running: Job | undefined
  readonly #waiting = new Set<Job>()
  readonly #retries = new Map<Job, { failures: number; atMs: number }>()
  #retainedMs = Number.NEGATIVE_INFINITY
  /** The running merge gives way. */
  #isInterrupted = false
  #isLatestStale = false
  #freeBytes = 0
  #timer: Timer | undefined
  #closed = false

  constructor(options: UpkeepOptions) {
    this.#options = options
    const { clock, metrics, mergeRows, retention, shelf, verifyBytes } = options
    const { maxAgeMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = retention
    this.#mergeLimits = {
      mergeRows,
      maxBytes: maxBytes / retentionParts,
      maxSpanUs: (maxAgeMs * 1000) / retentionParts,
    }
    this.#steadyClock = new SteadyClock(clock, Math.min(3_600_000, maxAgeMs / 10))
    this.#verification = new Verification({
      shelf,
      clock,
      budgetBytes: verifyBytes,
      onDamaged: (entry) => this.#takeOut(entry),
    })
    this.#seals = metrics.histogram(
      "brume_store_seal_seconds",
      "Time to write one segment.",
      [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    )
    this.#merges = metrics.counter("brume_store_merged_segments_total", "Segments that were merged into others.")
    this.#failedJobs = metrics.counter("brume_store_failed_jobs_total", "Jobs to be tried again.", ["job"])
    this.#droppedReadings = metrics.counter(
      "brume_store_dropped_readings_total",
      "Readings deleted by retention, or because the disk is full.",
      ["reason"],
    )
    metrics.gauge(
      "brume_store_free_bytes",
      "Free bytes of the disk when they were last looked at.",
      () => this.#freeBytes,
    )
  }

  /** Verifies, which queries wait for, and begins to work. */
  async begin(): Promise<void> {
    this.#tick()
    await this.#verification.begin()
  }

  /** A generation is due. */
  hurry(): void {
    if (this.#running === "merge" && this.#options.tables.load >= urgentLoad) {
      this.#isInterrupted = true
      this.#options.shelf.session.interrupt()
    }
    this.#start("seal", () => this.#seal(this.#options.tables.dueGeneration))
  }

  /** The log refuses readings because the disk is full. */
  makeRoom(): void {
    if (this.#options.whenFull === "drop-oldest") this.#start("retain", () => this.#retain())
  }

  /** Seals everything that is durable now. Rejects when that fails. */
  async seal(): Promise<void> {
    const { tables } = this.#options
    let isApplied: boolean
    do {
      isApplied = await tables.apply()
      await this.#run("seal", () => this.#seal(tables.generation))
    } while (!isApplied)
  }

  /** Drops what retention says now. Rejects when that fails. */
  retain(): Promise<void> {
    return this.#run("retain", () => this.#retain())
  }

  /** Merges while there is something to merge. Rejects when that fails. */
  async merge(): Promise<void> {
    while (await this.#run("merge", () => this.#merge())) {
      // Each turn merges one group.
    }
  }

  /** Ends when no job runs. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    // What a job has not listed yet was not done, and is done after the next opening.
    await this.#options.shelf.session.stop()
    await this.#verification.close()
    await this.#last
  }

  #tick(): void {
    if (this.#closed) return
    const { clock, tables } = this.#options
    this.#timer = clock.after(tickMs, () => this.#tick())
    if (tables.due) this.hurry()
    if (clock.monotonic() - this.#retainedMs >= retentionMs) this.#start("retain", () => this.#retain())
    else if (tables.load < 0.5 && this.#mergeGroup() !== undefined) this.#start("merge", () => this.#merge())
  }

  /** In the background, unless it waits already or failed a moment ago. */
  #start(job: Job, call: () => Promise<unknown>): void {
    const { clock } = this.#options
    const retry = this.#retries.get(job)
    if (this.#closed || this.#waiting.has(job) || this.#running === job) return
    if (retry !== undefined && clock.monotonic() < retry.atMs) return
    void this.#run(job, call).catch(() => {})
  }

  /** One after the other. */
  #run<T>(job: Job, call: () => Promise<T>): Promise<T> {
    this.#waiting.add(job)
    const result = this.#last.then(async () => {
      this.#waiting.delete(job)
      this.#running = job
      try {
        await this.#options.shelf.settle()
        const value = await call()
        this.#retries.delete(job)
        return value
      } catch (error) {
        this.#failed(job, error)
        throw error
      } finally {
        this.#running = undefined
      }
    })
    this.#last = result.catch(() => {})
    return result
  }

  #failed(job: Job, error: unknown): void {
    if (this.#closed) return
    const { clock, logger } = this.#options
    const failures = (this.#retries.get(job)?.failures ?? 0) + 1
    const delayMs = Math.min(retryMs.first * 2 ** (failures - 1), retryMs.most)
    this.#retries.set(job, { failures, atMs: clock.monotonic() + delayMs })
    this.#failedJobs.add(1, { job })
    logger.warn("upkeep of segments failed and is tried again", { job, failures, delayMs, error })
  }

  /** All generations up to this one. */
  async #seal(upTo: number): Promise<void> {
    const { clock, logger, shelf, tables, trim } = this.#options
    for (;;) {
      const begun = clock.monotonic()
      const generation = await tables.nextToSeal(upTo)
      if (generation === undefined) return
      // When only the views failed to follow, it is listed already.
      if (shelf.shows(generation.number)) {
        const { name, rows, bytes } = await seal(shelf, generation)
        const seconds = (clock.monotonic() - begun) / 1000
        this.#seals.observe(seconds)
        logger.debug("sealed a segment", { name, rows, bytes, seconds })
      }
      tables.sealed(generation)
      await trim()
    }
  }

  #mergeGroup(): SegmentEntry[] | undefined {
    return planMerge(this.#options.shelf.manifest.segments, this.#mergeLimits)
  }

  /** True when it merged. */
  async #merge(): Promise<boolean> {
    const { logger, minFreeBytes, shelf } = this.#options
    const group = this.#mergeGroup()
    if (group === undefined || this.#closed) return false
    const bytes = group.reduce((sum, entry) => sum + entry.bytes, 0)
    // The result lies beside its sources for a while.
    if ((await shelf.disk.freeBytes()) < minFreeBytes + 2 * bytes) return false
    this.#isInterrupted = false
    try {
      const { name, rows } = await merge(shelf, group)
      this.#merges.add(group.length)
      logger.debug("merged segments", { name, rows, segments: group.length })
      return true
    } catch (error) {
      if (this.#isInterrupted) {
        logger.debug("a merge gave way to sealing", { segments: group.length })
        return false
      }
      // A damaged source would make it fail for ever.
      for (const entry of group) if (!(await isIntact(shelf.disk, entry))) await this.#takeOutNow(entry)
      throw error
    }
  }

  async #retain(): Promise<void> {
    const { clock, logger, minFreeBytes, retention, shelf, tables, trim, whenFull } = this.#options
    this.#retainedMs = clock.monotonic()
    if (this.#isLatestStale) await this.#refreshLatest()
    this.#freeBytes = await shelf.disk.freeBytes()
    // A tenth more than needed, so that it does not begin again at once.
    const isFull = whenFull === "drop-oldest" && this.#freeBytes < minFreeBytes
    const neededBytes = isFull ? minFreeBytes * 1.1 - this.#freeBytes : 0
    const { maxAgeMs, maxBytes } = retention
    const limits = this.#steadyClock.isSteady ? { maxAgeMs, maxBytes } : { maxBytes }
    const drops = planDrops(shelf.manifest.segments, limits, { nowUs: clock.now(), neededBytes })
    if (isFull && drops.length === 0 && tables.rows > 0) await this.#seal(tables.generation)
    if (drops.length === 0) return isFull ? trim(true) : undefined
    await drop(
      shelf,
      drops.map(({ entry }) => entry),
    )
    for (const reason of ["age", "bytes", "disk"] satisfies DropReason[]) {
      const dropped = drops.filter((one) => one.reason === reason).map(({ entry }) => entry)
      if (dropped.length === 0) continue
      const rows = dropped.reduce((sum, entry) => sum + entry.rows, 0)
      this.#droppedReadings.add(rows, { reason })
      const facts = { reason, rows, segments: dropped.length, newestUs: dropped.at(-1)!.maxReceived }
      if (reason === "disk") logger.warn("the disk is full: dropped the oldest readings", facts)
      else logger.info("dropped readings by retention", facts)
    }
    await this.#refreshLatest()
    await trim(isFull)
  }

  /** G4; it is tried again with the next retention. */
  async #refreshLatest(): Promise<void> {
    const { logger, shelf } = this.#options
    try {
      await refreshLatest(shelf)
      this.#isLatestStale = false
    } catch (error) {
      this.#isLatestStale = true
      logger.warn("latest values still have readings that are gone", { error })
    }
  }

  async #takeOut(entry: SegmentEntry): Promise<void> {
    await this.#run("quarantine", async () => {
      if (this.#options.shelf.manifest.has(entry.name)) await this.#takeOutNow(entry)
    })
  }

  async #takeOutNow(entry: SegmentEntry): Promise<void> {
    const { restore, shelf } = this.#options
    const inLog = await shelf.quarantine(entry)
    await this.#refreshLatest()
    if (inLog.length > 0) await restore(rangesOf(inLog))
  }
}
