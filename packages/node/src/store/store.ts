/**
 * The store: everything durable on a node. What is stored passes three layers:
 * - `log/`: an append-only log; an append is acknowledged when it is synced. Readings and keyed records.
 * - `tables/`: the recent readings in DuckDB's memory, a tenth of a second behind the log, for SQL.
 * - `segments/`: sealed readings in Parquet files; when one is listed, the log forgets its readings.
 *
 * Invariants
 * - A1 An acknowledged reading survives any crash. Until retention, every query that starts after it was applied counts
 *   it exactly once.
 * - A2 Damage is found before it is served, is quarantined and is reported with its range.
 * - A3 Memory, files and waiting are bounded: what the tables cannot take is refused with `store_busy`, what the disk
 *   cannot take with `store_full`, or the oldest segments make room.
 * - A4 One process owns the folder.
 *
 * What it is not: the judge of what users may ask (that is the room `query/`), or of what a reading may be (`devices/`).
 */
import {
  type Appended,
  type Clock,
  type Disk,
  type DurableListener,
  FogError,
  isFogError,
  type KeyedKind,
  type KeyedRecord,
  type Logger,
  type Metrics,
  type Random,
  type ReadingBatch,
  type Store,
  type StoreStats,
} from "@brume/core"
import type { DuckDBConnection } from "@duckdb/node-api"
import { openFolder } from "./folder.ts"
import { type Log, openLog } from "./log/log.ts"
import { Manifest } from "./segments/manifest.ts"
import { parseName } from "./segments/names.ts"
import type { Pin } from "./segments/pins.ts"
import { extent, firstGap, intersect, type Ranges, rangesOf, subtract } from "./segments/ranges.ts"
import { recover } from "./segments/recovery.ts"
import type { Retention } from "./segments/retention-plan.ts"
import { isIntact, Shelf } from "./segments/shelf.ts"
import { Upkeep } from "./segments/upkeep.ts"
import { Catalog } from "./tables/catalog.ts"
import { type Engine, openEngine } from "./tables/engine.ts"
import { Tables } from "./tables/tables.ts"

export interface StoreOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  /** This node's name. */
  readonly node: string
  readonly log: { readonly fileBytes: number; readonly maxDelayMs: number; readonly maxPendingBytes: number }
  readonly tables: {
    /** Rows at which the tables are sealed into a segment. */
    readonly sealRows: number
    /** Age of the oldest row at which they are, however few rows there are. */
    readonly sealAgeMs: number
    /** How long an acknowledged reading may take until SQL sees it. */
    readonly applyIntervalMs: number
    /** Limit of DuckDB: tables, sealing, merging and all queries together. */
    readonly memoryBytes: number
  }
  readonly segments: {
    /** Most rows of a merged segment. */
    readonly mergeRows: number
    readonly retention: Retention
    /** Bytes of segments verified before queries are answered after opening, and again every hour. 0 verifies none. */
    readonly verifyBytes: number
  }
  /** With less free space the store counts as full. */
  readonly minFreeBytes: number
  readonly whenFull: "reject" | "drop-oldest"
}

/** The store as the node's own rooms see it: core's, and what a query needs. */
export interface NodeStore extends Store {
  /** A connection to DuckDB, which has the views `readings` and `latest`. Waits for verification. Close it before the store. */
  connect(): Promise<DuckDBConnection>
  /** While it is held, every file that the views of now name stays. Take it before a statement, release it after. */
  pin(): Promise<Pin>
  /** Everything that is durable at the call is visible to SQL when it resolves. */
  applied(): Promise<void>
  /** Seals everything that is durable at the call. */
  seal(): Promise<void>
}

/** Of DuckDB's memory limit: what it may write to `tmp/` when memory is short, in sealing, merging and large queries. */
const tempPerMemory = 8

export async function openStore(options: StoreOptions): Promise<NodeStore> {
  const { disk, node, clock, logger } = options
  const opened: (() => Promise<void>)[] = []
  try {
    const lock = await disk.lock("lock")
    opened.push(() => lock.release())
    await openFolder({ disk, node, clock, logger })
    const log = await openOwnLog(options)
    opened.push(() => log.close())
    const { memoryBytes } = options.tables
    const engine = await openEngine({ disk, memoryBytes, tempBytes: memoryBytes * tempPerMemory })
    opened.push(() => engine.close())
    const catalog = new Catalog(disk, await engine.session())
    const manifest = new Manifest(log)
    const shelf = new Shelf({ disk, logger, manifest, catalog, session: await engine.session(), log })
    opened.push(() => shelf.close())
    await recover(shelf)
    await show(shelf)
    const store = await LayeredStore.open({ options, log, engine, catalog, shelf }, opened)
    return store
  } catch (error) {
    await closeAll(opened).catch(() => {})
    throw error
  }
}

/** DuckDB reads a file of each view when it is made. Should that be a damaged one, all are verified, as if it were time. */
async function show(shelf: Shelf): Promise<void> {
  try {
    await shelf.settle()
  } catch (error) {
    shelf.logger.warn("a segment cannot be opened; verifying all", { error })
    for (const entry of shelf.manifest.segments) {
      if (!(await isIntact(shelf.disk, entry))) await shelf.quarantine(entry)
    }
    // For what hangs on the segments that are left.
    await recover(shelf)
    await shelf.settle()
  }
}

interface Layers {
  readonly options: StoreOptions
  readonly log: Log
  readonly engine: Engine
  readonly catalog: Catalog
  readonly shelf: Shelf
}

class LayeredStore implements NodeStore {
  readonly #options: StoreOptions
  readonly #log: Log
  readonly #engine: Engine
  readonly #shelf: Shelf
  readonly #tables: Tables
  readonly #upkeep: Upkeep
  readonly #opened: (() => Promise<void>)[]
  /** Verification that queries wait for. */
  #verified: Promise<void> = Promise.resolve()
  /** While readings come from the log, it must not be cut. */
  #isReplaying = true
  #logBytesTrimmed = 0
  #closed: Promise<void> | undefined

  private constructor({ options, log, engine, shelf }: Layers, tables: Tables, opened: (() => Promise<void>)[]) {
    this.#options = options
    this.#log = log
    this.#engine = engine
    this.#shelf = shelf
    this.#tables = tables
    this.#opened = opened
    const { mergeRows, retention, verifyBytes } = options.segments
    this.#upkeep = new Upkeep({
      ...options,
      shelf,
      tables,
      mergeRows,
      retention,
      verifyBytes,
      restore: (ranges) => this.#feed(ranges),
      trim: (atOnce) => this.#trim(atOnce),
    })
    this.#measure()
  }

  static async open(layers: Layers, opened: (() => Promise<void>)[]): Promise<LayeredStore> {
    const { options, log, shelf } = layers
    let hurry = (): void => {}
    const tablesOptions = { ...layers, ...options, ...options.tables, epoch: log.epoch, onDue: () => hurry() }
    const tables = await Tables.open(tablesOptions, log.nextSeq)
    opened.push(async () => tables.close())
    const store = new LayeredStore(layers, tables, opened)
    opened.push(() => store.#upkeep.close())
    await store.#feed(subtract(rangesOf([[0, log.nextSeq]]), shelf.manifest.accounted(log.epoch)))
    store.#isReplaying = false
    opened.push(async () => unsubscribe())
    const unsubscribe = log.onDurable((batch, firstSeq) => tables.offer(batch, firstSeq))
    hurry = () => store.#upkeep.hurry()
    store.#verified = store.#upkeep.begin()
    // Whoever connects hears of a failure; until then it is no unhandled one.
    store.#verified.catch(() => {})
    return store
  }

  get node(): string {
    return this.#log.node
  }

  get epoch(): string {
    return this.#log.epoch
  }

  get nextSeq(): number {
    return this.#log.nextSeq
  }

  get durableSeq(): number {
    return this.#log.durableSeq
  }

  append(batch: ReadingBatch, records?: readonly KeyedRecord[]): Appended {
    if (this.#tables.busy) {
      throw new FogError("store_busy", {
        message: "More readings wait for the tables than the limit allows",
        hint: "Send them again soon, and more slowly; if it stays so, look into the log for what holds the tables up.",
      })
    }
    try {
      return this.#log.append(batch, records)
    } catch (error) {
      if (isFogError(error, "store_full")) this.#upkeep.makeRoom()
      throw error
    }
  }

  put(records: readonly KeyedRecord[]): Appended {
    return this.#log.put(records)
  }

  get(kind: KeyedKind, key: string): Uint8Array | undefined {
    return this.#log.get(kind, key)
  }

  entries(kind: KeyedKind): IterableIterator<[string, Uint8Array]> {
    return this.#log.entries(kind)
  }

  onDurable(listener: DurableListener): () => void {
    return this.#log.onDurable(listener)
  }

  async connect(): Promise<DuckDBConnection> {
    await this.#verified
    return this.#engine.connect()
  }

  async pin(): Promise<Pin> {
    await this.#verified
    return this.#shelf.pin()
  }

  applied(): Promise<void> {
    return this.#tables.applied()
  }

  seal(): Promise<void> {
    return this.#upkeep.seal()
  }

  stats(): StoreStats {
    const { segments, latest, damaged } = this.#shelf.manifest
    const { bytes, files } = this.#log.stats()
    return {
      epoch: this.#log.epoch,
      nextSeq: this.#log.nextSeq,
      durableSeq: this.#log.durableSeq,
      appliedSeq: this.#tables.appliedSeq ?? this.#log.durableSeq,
      logBytes: bytes,
      logFiles: files,
      segmentBytes: segments.reduce((sum, entry) => sum + entry.bytes, latest?.bytes ?? 0),
      segmentFiles: segments.length,
      segmentRows: segments.reduce((sum, entry) => sum + entry.rows, 0),
      tableRows: this.#tables.rows,
      damaged: [...this.#log.damaged, ...damaged.map(({ entry: _, ...range }) => range)],
      state: this.#log.state,
    }
  }

  close(): Promise<void> {
    this.#closed ??= closeAll(this.#opened)
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Puts readings of these sequences from the log into the tables, which account for all of them then. */
  async #feed(ranges: Ranges): Promise<void> {
    const [from, to] = extent(ranges)
    let done = from
    await this.#log.replay(Math.max(from, this.#log.firstSeq), async (batch, firstSeq) => {
      const end = Math.min(firstSeq + batch.length, to)
      if (done >= end) return
      this.#tables.take(batch, firstSeq, intersect(ranges, [[done, end]]))
      done = end
      if (this.#tables.applyFull()) await this.#upkeep.seal()
      await this.#roomInTables()
    })
    this.#tables.cover(intersect(ranges, [[done, to]]))
    await this.#tables.applied()
  }

  /** A3, while readings come faster than DuckDB has room for them. */
  async #roomInTables(): Promise<void> {
    for (let attempt = 0; this.#tables.busy; attempt++) {
      if (attempt === roomAttempts) await this.#tables.applied()
      await new Promise<void>((resolve) => this.#options.clock.after(roomPauseMs, resolve))
      this.#tables.applyFull()
    }
  }

  /** The log forgets readings that are sealed, dropped or lost for good. */
  async #trim(atOnce = false): Promise<void> {
    if (this.#isReplaying) return
    const { fileBytes } = this.#options.log
    const below = this.#tables.emptyBelow ?? firstGap(this.#shelf.manifest.accounted(this.epoch), 0)
    // Files go when their keyed records are in a snapshot too. Writing one is worth it only now and then.
    if (!atOnce && this.#log.stats().bytes < this.#logBytesTrimmed + fileBytes) return
    await this.#log.snapshot()
    await this.#log.trim(below)
    this.#logBytesTrimmed = this.#log.stats().bytes
  }

  #measure(): void {
    const { metrics } = this.#options
    const gauge = (name: string, help: string, read: (stats: StoreStats) => number): void =>
      metrics.gauge(`brume_store_${name}`, help, () => read(this.stats()))
    gauge("segment_bytes", "Bytes of segment files.", (stats) => stats.segmentBytes)
    gauge("segment_files", "Segment files.", (stats) => stats.segmentFiles)
    gauge("segment_rows", "Readings in segments.", (stats) => stats.segmentRows)
    gauge("damaged_ranges", "Ranges of acknowledged records that cannot be read.", (stats) => stats.damaged.length)
  }
}

const roomAttempts = 100
const roomPauseMs = 100

async function openOwnLog(options: StoreOptions): Promise<Log> {
  const { disk, minFreeBytes, whenFull } = options
  const sealed = new Map<string, number>()
  for (const name of (await disk.list("segments")).map(parseName)) {
    if (name.kind === "segment") sealed.set(name.epoch, Math.max(sealed.get(name.epoch) ?? 0, name.range[1]))
  }
  // Where the oldest segments make room, the log refuses only when that was not enough.
  return openLog({
    ...options,
    ...options.log,
    minFreeBytes: whenFull === "reject" ? minFreeBytes : minFreeBytes / 2,
    provenSeq: (epoch) => sealed.get(epoch) ?? 0,
  })
}

/** In reverse order, all of them. The first failure is thrown at the end. */
async function closeAll(opened: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const close of [...opened].reverse()) await close().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
