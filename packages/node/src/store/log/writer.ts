/**
 * Group commit: everything that arrives while one group is being written and synced is gathered in the next. No timer
 * is needed, and the busier the disk the larger the groups.
 *
 * - W1 One durable write for each group, one after the other: a group begins only after the one before is durable.
 * - W2 What a refused call would have changed is unchanged: sequences, keyed state, the pending buffer.
 * - W3 A group that fails takes all later ones with it; their keyed values are rolled back and their sequences given
 *   again, as nothing of them can come back: for want of room, what is left of them is cut off durably first.
 * - W4 A write that fails for any other reason is never tried again: the log has failed, and a restart finds out what is
 *   on the disk.
 */
import {
  type Appended,
  type Clock,
  type DurableListener,
  FogError,
  isFogError,
  type KeyedRecord,
  type Logger,
  type Metrics,
  type ReadingBatch,
} from "@brume/core"
import { epochSeed } from "./format.ts"
import { FrameBuffer } from "./frame-buffer.ts"
import { encodeKeyed } from "./keyed-record.ts"
import type { KeyedState, Undo } from "./keyed-state.ts"
import { encodeReadings } from "./readings-record.ts"
import type { Space } from "./space.ts"
import type { LogTail } from "./tail.ts"
import type { TimeFloor } from "./time-floor.ts"

export interface WriterOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly epoch: string
  readonly nextSeq: number
  /** How long a group waits for more before it is written, ms; 0 for not at all. */
  readonly maxDelayMs: number
  /** When so much waits for the disk, more is refused. One batch may exceed it. */
  readonly maxPendingBytes: number
  readonly state: KeyedState
  readonly floor: TimeFloor
  readonly tail: LogTail
  readonly space: Space
}

class Group {
  readonly buffer: FrameBuffer
  readonly firstSeq: number
  nextSeq: number
  readonly batches: { readonly batch: ReadingBatch; readonly seq: number }[] = []
  readonly undos: Undo[] = []
  readonly durable: Promise<void>
  readonly openedAt: number
  resolve: () => void = () => {}
  reject: (reason: FogError) => void = () => {}

  constructor(buffer: FrameBuffer, firstSeq: number, openedAt: number) {
    this.buffer = buffer
    this.firstSeq = firstSeq
    this.nextSeq = firstSeq
    this.openedAt = openedAt
    this.durable = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Nobody needs to wait for it; a rejection that nobody looks at must not end the process.
    this.durable.catch(() => {})
  }
}

export class GroupWriter {
  readonly #options: WriterOptions
  readonly #listeners = new Set<DurableListener>()
  readonly #meters: Meters
  readonly #seed: number
  /** Emptied buffers for the next groups; two are in use at a time. */
  readonly #buffers: FrameBuffer[] = []
  #durableSeq: number
  #pending: Group | undefined
  #writing: Group | undefined
  #running: Promise<void> | undefined
  /** What uses the tail, one after the other: commits, trials of a full disk, trimming. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Ends the wait of `maxDelayMs`. */
  #hurry: () => void = () => {}
  #ended: FogError | undefined
  #hasFailed = false

  constructor(options: WriterOptions) {
    this.#options = options
    this.#durableSeq = options.nextSeq
    this.#seed = epochSeed(options.epoch)
    this.#meters = createMeters(options.metrics, () => this.#waitingBytes)
  }

  get durableSeq(): number {
    return this.#durableSeq
  }

  get nextSeq(): number {
    return (this.#pending ?? this.#writing)?.nextSeq ?? this.#durableSeq
  }

  get hasFailed(): boolean {
    return this.#hasFailed
  }

  onDurable(listener: DurableListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  append(batch: ReadingBatch, records: readonly KeyedRecord[]): Appended {
    if (batch.length === 0) return this.put(records)
    this.#mustTake()
    if (this.#options.space.isFull) throw this.#options.space.refusal()
    this.#options.floor.stamp(batch)
    return this.#gather((group) => {
      const seq = group.nextSeq
      encodeReadings(group.buffer, batch, seq)
      group.nextSeq += batch.length
      this.#encodeRecords(group, records)
      group.batches.push({ batch, seq })
    }, records)
  }

  put(records: readonly KeyedRecord[]): Appended {
    if (records.length === 0) return { seq: this.nextSeq, durable: this.flush() }
    this.#mustTake()
    return this.#gather((group) => this.#encodeRecords(group, records), records)
  }

  /** Resolves when everything appended so far is durable; rejects when it never will be. */
  flush(): Promise<void> {
    return (this.#pending ?? this.#writing)?.durable ?? Promise.resolve()
  }

  /** Calls while nothing is being written. */
  exclusively<T>(call: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(call)
    this.#turn = mine.catch(() => {})
    return mine
  }

  /** Writes what is pending and the closing marker. Nothing is accepted from now on. */
  async close(): Promise<void> {
    this.#ended ??= new FogError("store_closed", {
      message: "The log is closed",
      hint: "The node is stopping; send it again when the node is back.",
    })
    this.#hurry()
    await this.#running
    const { tail, space, logger } = this.#options
    space.close()
    if (!this.#hasFailed) {
      await this.exclusively(() => tail.commitClosing(new FrameBuffer(this.#seed), this.#durableSeq)).catch((error) => {
        logger.warn("The log is closed without its closing marker", { error })
      })
    }
    await tail.close().catch((error) => logger.warn("Cannot close the log's file", { error }))
  }

  get #waitingBytes(): number {
    return (this.#pending?.buffer.length ?? 0) + (this.#writing?.buffer.length ?? 0)
  }

  #mustTake(): void {
    if (this.#ended !== undefined) throw this.#ended
    if (this.#waitingBytes < this.#options.maxPendingBytes) return
    throw new FogError("store_busy", {
      message: `${this.#waitingBytes} bytes wait for the disk already; the limit is ${this.#options.maxPendingBytes}`,
      hint: "Wait for earlier readings to be acknowledged, then send again.",
    })
  }

  /** W2: when encoding throws, the group is as before. */
  #gather(encode: (group: Group) => void, records: readonly KeyedRecord[]): Appended {
    const group = this.#openGroup()
    const { nextSeq, buffer } = group
    const before = { length: buffer.length, records: buffer.records }
    try {
      encode(group)
    } catch (error) {
      group.nextSeq = nextSeq
      buffer.revert(before)
      throw error
    }
    let seq = group.nextSeq - records.length
    for (const { kind, key, value } of records) {
      group.undos.push(this.#options.state.apply({ kind, key, value: value?.slice() }, seq++))
    }
    if (this.#waitingBytes >= this.#options.maxPendingBytes / 2) this.#hurry()
    return { seq: nextSeq, durable: group.durable }
  }

  #encodeRecords(group: Group, records: readonly KeyedRecord[]): void {
    for (const record of records) encodeKeyed(group.buffer, record, group.nextSeq++)
  }

  #openGroup(): Group {
    if (this.#pending !== undefined) return this.#pending
    const buffer = this.#buffers.pop() ?? new FrameBuffer(this.#seed)
    const group = new Group(buffer, this.nextSeq, this.#options.clock.monotonic())
    this.#pending = group
    this.#running ??= this.#run()
    return group
  }

  async #run(): Promise<void> {
    // What the caller appends in the same breath goes into the same group.
    await Promise.resolve()
    for (;;) {
      await this.#delay()
      const group = this.#pending
      if (group === undefined) break
      this.#pending = undefined
      this.#writing = group
      await this.#commit(group)
      group.buffer.clear()
      if (this.#buffers.length < 2) this.#buffers.push(group.buffer)
    }
    this.#running = undefined
  }

  /** Waits for more, at most `maxDelayMs` after the group's first record. */
  async #delay(): Promise<void> {
    const { clock, maxDelayMs, maxPendingBytes } = this.#options
    if (maxDelayMs === 0 || this.#pending === undefined || this.#ended !== undefined) return
    if (this.#pending.buffer.length >= maxPendingBytes / 2) return
    const waitMs = this.#pending.openedAt + maxDelayMs - clock.monotonic()
    if (waitMs <= 0) return
    await new Promise<void>((resolve) => {
      const timer = clock.after(waitMs, resolve)
      this.#hurry = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#hurry = () => {}
  }

  /** Never rejects: how it went shows in the group's promise. */
  async #commit(group: Group): Promise<void> {
    const { tail, clock, space } = this.#options
    const began = clock.monotonic()
    try {
      // Empty when the encoding of its only record was refused.
      if (group.buffer.length > 0) await this.exclusively(() => tail.commit(group.buffer, group))
    } catch (error) {
      await this.#giveUp(group, error as FogError)
      return
    }
    this.#durableSeq = group.nextSeq
    this.#writing = undefined
    this.#meters.committed(group, clock.monotonic() - began)
    space.note(group.buffer.length)
    for (const { batch, seq } of group.batches) for (const listener of this.#listeners) this.#tell(listener, batch, seq)
    group.resolve()
  }

  #tell(listener: DurableListener, batch: ReadingBatch, seq: number): void {
    try {
      listener(batch, seq)
    } catch (error) {
      this.#options.logger.error("A listener to durable readings threw", { error })
    }
  }

  async #giveUp(group: Group, error: FogError): Promise<void> {
    const { tail, space, state, logger } = this.#options
    let reason = error
    const isFull = isFogError(error, "store_full")
    if (isFull) space.exhaust()
    // Also when the log has failed: what nobody was promised shall not come back after a restart, if that can be had.
    await this.exclusively(() => (isFull ? tail.cutBackDurably() : tail.cutBack())).catch((failure) => {
      reason = isFull ? failure : error
    })
    if (!isFogError(reason, "store_full")) {
      this.#hasFailed = true
      this.#ended = reason
      logger.error("The log has failed: nothing more is accepted", { error: reason })
    }
    // W3
    const later = this.#pending
    this.#pending = undefined
    this.#writing = undefined
    for (const lost of later === undefined ? [group] : [later, group]) {
      for (const undo of lost.undos.reverse()) state.undo(undo)
      lost.reject(reason)
    }
  }
}

interface Meters {
  committed(group: Group, durationMs: number): void
}

function createMeters(metrics: Metrics, pendingBytes: () => number): Meters {
  const commits = metrics.counter("brume_store_log_commits_total", "Groups that were written and synced.")
  const bytes = metrics.counter("brume_store_log_written_bytes_total", "Bytes that were written to the log.")
  const sequences = metrics.counter("brume_store_log_sequences_total", "Readings and keyed records made durable.")
  const bounds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
  const seconds = metrics.histogram("brume_store_log_commit_seconds", "Time to write and sync a group.", bounds)
  metrics.gauge("brume_store_log_pending_bytes", "Bytes that wait for the disk.", pendingBytes)
  return {
    committed: (group, durationMs) => {
      commits.add(1)
      bytes.add(group.buffer.length)
      sequences.add(group.nextSeq - group.firstSeq)
      seconds.observe(durationMs / 1000)
    },
  }
}
