/**
 * The log: everything durable on a node is a record in it, readings and keyed records in one sequence.
 *
 * Invariants
 * - L1 What was acknowledged (`durable` resolved) is on the disk, and comes back after any crash or power cut.
 * - L2 A commit is whole or not at all: after a crash the log holds every acknowledged group and perhaps the last one
 *   that was not, never a part of one.
 * - L3 What is served is what was appended: each record has a checksum that starts with the epoch, each group one over
 *   its records. Damage is found, reported with its range of sequences, kept in quarantine/, and never served.
 * - L4 Damage costs the records that it hit: all others stay readable.
 * - L5 A sequence that was durable never comes back with other content.
 * - L6 Memory is bounded: `maxPendingBytes` and one batch for what waits, one group's keyed records and some MB while
 *   reading; keyed state is held in memory as a whole.
 *
 * The parts: format.ts (bytes), readings-record.ts and keyed-record.ts (payloads), writer.ts and tail.ts (group commit),
 * space.ts (a full disk), snapshot.ts (compacted keyed records), survey.ts, group-scan.ts and recovery.ts (after a stop),
 * replay.ts (reading again), quarantine.ts (damage). docs/decisions/log-format.md argues for the format.
 *
 * What it is not: a queue, an index, or a place for SQL. It knows nothing of tables and segments; they tell it how far
 * it may be trimmed.
 */
import type {
  Appended,
  Clock,
  Closeable,
  DamagedRange,
  Disk,
  DurableListener,
  KeyedKind,
  KeyedRecord,
  Logger,
  Metrics,
  Random,
  ReadingBatch,
} from "@brume/core"
import { fileName } from "./format.ts"
import { SeriesDecoder } from "./readings-record.ts"
import { type Recovered, recoverLog } from "./recovery.ts"
import { type ReplayVisit, replayFile } from "./replay.ts"
import { writeSnapshot } from "./snapshot.ts"
import { Space } from "./space.ts"
import { LogTail } from "./tail.ts"
import { TimeFloor } from "./time-floor.ts"
import { GroupWriter } from "./writer.ts"

export interface LogOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  readonly node: string
  /** A log file of this size is followed by a new one; trimming removes whole files. */
  readonly fileBytes: number
  /** How long a commit waits for more; 0 for not at all. Longer spares SD cards and delays acknowledgements. */
  readonly maxDelayMs: number
  /** When so much waits for the disk, `store_busy` is thrown. */
  readonly maxPendingBytes: number
  /** Below so much free space readings are refused with `store_full`. */
  readonly minFreeBytes: number
  /**
   * A sequence that an epoch had certainly reached, e.g. because readings below it are sealed elsewhere. When the log
   * ends before it, its end was lost, and its sequences are not given again (L5).
   */
  readonly provenSeq?: (epoch: string) => number
}

export interface Log extends Closeable {
  readonly node: string
  /** 16 hex digits: this life of the log. */
  readonly epoch: string
  /** Lowest sequence that is still in the log. */
  readonly firstSeq: number
  /** Sequence that the next record gets. */
  readonly nextSeq: number
  /** Everything below this sequence is on disk. */
  readonly durableSeq: number
  /** Sets the batch's `received`. Throws `store_full`, `store_busy` or `store_closed`, having changed nothing. */
  append(batch: ReadingBatch, records?: readonly KeyedRecord[]): Appended
  /** Also possible while readings are refused for want of space, as long as the disk takes it. Values are copied. */
  put(records: readonly KeyedRecord[]): Appended
  /** The value in force, durable or not yet. Not to be changed. */
  get(kind: KeyedKind, key: string): Uint8Array | undefined
  entries(kind: KeyedKind): IterableIterator<[string, Uint8Array]>
  /** Returns the function that ends the subscription. */
  onDurable(listener: DurableListener): () => void
  /**
   * Visits durable batches of readings with any row at or above `fromSeq`, in order, up to what was durable at the call.
   * A batch may begin below `fromSeq`; it belongs to the visitor.
   */
  replay(fromSeq: number, visit: ReplayVisit): Promise<void>
  /** Writes all keyed records to a file of their own, durable when it resolves. The newest two are kept. */
  snapshot(): Promise<void>
  /**
   * Removes whole files that hold nothing at or above `belowSeq`, nothing that the older one of two snapshots does not
   * cover, and nothing that a replay is about to read. Before the second snapshot nothing is removed.
   */
  trim(belowSeq: number): Promise<void>
  /** Everything that could not be read, of any epoch, until its file in quarantine/ is removed. */
  readonly damaged: readonly DamagedRange[]
  readonly state: "accepting" | "full" | "failed"
  stats(): { bytes: number; files: number }
}

/** Throws `store_version`, `store_full` or `disk_failed`. */
export async function openLog(options: LogOptions): Promise<Log> {
  const recovered = await recoverLog(options)
  const log = new DurableLog(options, recovered)
  await log.start()
  return log
}

class DurableLog implements Log {
  readonly node: string
  readonly epoch: string
  readonly #options: LogOptions
  readonly #recovered: Recovered
  readonly #floor: TimeFloor
  readonly #tail: LogTail
  readonly #space: Space
  readonly #writer: GroupWriter
  /** Where running replays are. */
  readonly #replays = new Set<{ seq: number }>()
  /** Sequences of the kept snapshots, the newest first. */
  #snapshots: readonly number[]
  /** Snapshots and trimming, one after the other. */
  #upkeep: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined

  constructor(options: LogOptions, recovered: Recovered) {
    const { disk, clock, logger } = options
    const { epoch, state } = recovered
    this.node = options.node
    this.epoch = epoch
    this.#options = options
    this.#recovered = recovered
    this.#snapshots = recovered.snapshots
    this.#floor = new TimeFloor(clock, recovered.timeFloor)
    const { fileBytes, minFreeBytes } = options
    const tailOptions = { disk, clock, floor: this.#floor, node: options.node, epoch, fileBytes }
    this.#tail = new LogTail(tailOptions, recovered.files, recovered.active)
    const tryRoom = () => this.#writer.exclusively(() => this.#tail.tryRoom())
    this.#space = new Space({ disk, clock, logger, minFreeBytes, tryRoom })
    const parts = { state, floor: this.#floor, tail: this.#tail, space: this.#space }
    this.#writer = new GroupWriter({ ...options, ...parts, epoch, nextSeq: recovered.nextSeq })
  }

  async start(): Promise<void> {
    await this.#space.check()
  }

  get firstSeq(): number {
    return this.#tail.firstSeq
  }

  get nextSeq(): number {
    return this.#writer.nextSeq
  }

  get durableSeq(): number {
    return this.#writer.durableSeq
  }

  get damaged(): readonly DamagedRange[] {
    return this.#recovered.quarantine.ranges
  }

  get state(): "accepting" | "full" | "failed" {
    if (this.#writer.hasFailed) return "failed"
    return this.#space.isFull ? "full" : "accepting"
  }

  append(batch: ReadingBatch, records: readonly KeyedRecord[] = []): Appended {
    return this.#writer.append(batch, records)
  }

  put(records: readonly KeyedRecord[]): Appended {
    return this.#writer.put(records)
  }

  get(kind: KeyedKind, key: string): Uint8Array | undefined {
    return this.#recovered.state.get(kind, key)
  }

  entries(kind: KeyedKind): IterableIterator<[string, Uint8Array]> {
    return this.#recovered.state.entries(kind)
  }

  onDurable(listener: DurableListener): () => void {
    return this.#writer.onDurable(listener)
  }

  async replay(fromSeq: number, visit: ReplayVisit): Promise<void> {
    const { quarantine } = this.#recovered
    const files = this.#tail.files
    const position = { seq: fromSeq }
    const decoder = new SeriesDecoder()
    this.#replays.add(position)
    try {
      for (const [i, file] of files.entries()) {
        const next = files[i + 1]
        if (next !== undefined && next.name.seq <= fromSeq) continue
        position.seq = Math.max(fromSeq, file.name.seq)
        const { epoch } = this
        await replayFile({ ...this.#options, epoch, quarantine, decoder, fromSeq, visit }, file)
      }
    } finally {
      this.#replays.delete(position)
    }
  }

  snapshot(): Promise<void> {
    return this.#oneByOne(() => this.#snapshotNow())
  }

  trim(belowSeq: number): Promise<void> {
    return this.#oneByOne(async () => {
      const covered = this.#snapshots[1] ?? 0
      const replayed = [...this.#replays].map((position) => position.seq)
      const limit = Math.min(belowSeq, covered, this.durableSeq, ...replayed)
      const removed = await this.#tail.trim(limit)
      if (removed > 0) this.#options.logger.debug("Trimmed the log", { files: removed, firstSeq: this.firstSeq })
    })
  }

  stats(): { bytes: number; files: number } {
    return { bytes: this.#tail.bytes, files: this.#tail.fileCount }
  }

  close(): Promise<void> {
    this.#closed ??= this.#upkeep.then(() => this.#writer.close())
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #snapshotNow(): Promise<void> {
    const { disk, node, clock } = this.#options
    const seq = this.nextSeq
    if (this.#snapshots[0] === seq) return
    const records = this.#recovered.state.capture()
    const times = { created: clock.now(), timeFloor: this.#floor.us }
    // What was captured may not be durable yet. Were it in a snapshot and then lost, the snapshot would invent it.
    await this.#writer.flush()
    const header = { kind: "snapshot" as const, node, epoch: this.epoch, firstSeq: seq, previousSeq: 0, ...times }
    await writeSnapshot(disk, { header, records })
    const [, ...superfluous] = this.#snapshots
    this.#snapshots = [seq, ...this.#snapshots.slice(0, 1)]
    for (const old of superfluous) await disk.remove(`log/${fileName("snapshot", this.epoch, old).name}`)
    await disk.syncFolder("log")
    this.#options.logger.debug("Wrote a snapshot", { seq, keys: records.length })
  }

  #oneByOne<T>(call: () => Promise<T>): Promise<T> {
    const mine = this.#upkeep.then(call)
    this.#upkeep = mine.catch(() => {})
    return mine
  }
}
