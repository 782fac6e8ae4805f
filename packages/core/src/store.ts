/**
 * The store as other rooms see it: an append-only log of readings and keyed records, durable before it is acknowledged.
 */
import type { Closeable } from "./ambient.ts"
import type { ReadingBatch } from "./reading.ts"

/**
 * What a record of the log is about. The numbers are written to disk: never reuse one.
 * All but readings are *keyed*: the last record of a (kind, key) is in force, and snapshots keep only that one.
 */
export const recordKind = {
  readings: 1,
  /** Keys of functions, rules and twins. */
  state: 2,
  /** Idempotency keys and outcomes. */
  effect: 3,
  /** Desired state: tokens, later apps, rules, devices, secrets. */
  document: 4,
  /** MQTT sessions, retained messages, packet ids. */
  session: 5,
  /** Which segments exist, and what each replaces. */
  manifest: 6,
  /** How far somebody has read. */
  cursor: 7,
} as const

export type KeyedKind = Exclude<keyof typeof recordKind, "readings">

export interface Appended {
  /** Sequence of the first reading (or of the record); a batch takes `length` consecutive ones. */
  readonly seq: number
  /**
   * Resolves when the record is on disk; rejects with `store_closed` or `store_full` when it never will be.
   * Shared by everything that is written and synced together.
   */
  readonly durable: Promise<void>
}

export interface KeyedRecord {
  readonly kind: KeyedKind
  readonly key: string
  /** undefined removes the key. */
  readonly value: Uint8Array | undefined
}

/** Called after the sync, in order of sequence, once per appended batch. Must not throw or keep the arrays beyond reading them. */
export type DurableListener = (batch: ReadingBatch, firstSeq: number) => void

export interface Store extends Closeable {
  /** This node's name. */
  readonly node: string
  /** This life of the log. */
  readonly epoch: string
  /**
   * Appends readings and, in the same commit, keyed records: either all of it survives a crash or nothing.
   * Throws at once, having written nothing: `store_full`, `store_busy` (too much waits for the disk), `store_closed`.
   */
  append(batch: ReadingBatch, records?: readonly KeyedRecord[]): Appended
  /** Appends keyed records in one commit. Readable by {@link get} at once, durable when `durable` resolves. */
  put(records: readonly KeyedRecord[]): Appended
  get(kind: KeyedKind, key: string): Uint8Array | undefined
  /** All keys of a kind, in no order. */
  entries(kind: KeyedKind): IterableIterator<[key: string, value: Uint8Array]>
  /** Sequence that the next record gets. */
  readonly nextSeq: number
  /** Everything below this sequence is on disk. */
  readonly durableSeq: number
  /** Returns the function that ends the subscription. */
  onDurable(listener: DurableListener): () => void
  stats(): StoreStats
}

export interface StoreStats {
  readonly epoch: string
  /** Sequence that the next record gets. */
  readonly nextSeq: number
  readonly durableSeq: number
  /** Everything below this sequence is visible to SQL. */
  readonly appliedSeq: number
  readonly logBytes: number
  readonly logFiles: number
  readonly segmentBytes: number
  readonly segmentFiles: number
  readonly segmentRows: number
  /** Rows in the tables, not yet sealed. */
  readonly tableRows: number
  /** Ranges of acknowledged records that cannot be read any more. */
  readonly damaged: readonly DamagedRange[]
  /** Whether new readings are accepted, and why not. */
  readonly state: "accepting" | "full" | "failed"
}

export interface DamagedRange {
  readonly epoch: string
  /** Half open: from ≤ seq < to. */
  readonly fromSeq: number
  readonly toSeq: number
  /** The file in which it lay, below the data folder, and where its bytes were moved. */
  readonly file: string
  readonly quarantined: string
  /** `acknowledged`: certainly was; `unconfirmed`: the last commit before a crash, which may never have been. */
  readonly certainty: "acknowledged" | "unconfirmed"
}
