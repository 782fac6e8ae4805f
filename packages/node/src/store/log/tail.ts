/** The end of the log, where it grows: the active file, and the ones before it. */
import { type Clock, type Disk, FogError, isFogError } from "@brume/core"
import { flag } from "./format.ts"
import type { FrameBuffer } from "./frame-buffer.ts"
import { type ActiveFile, createLogFile, type LogFile } from "./log-file.ts"
import type { TimeFloor } from "./time-floor.ts"

export interface TailOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly floor: TimeFloor
  readonly node: string
  readonly epoch: string
  /** A file of this size is followed by a new one. */
  readonly fileBytes: number
}

export interface GroupSeqs {
  readonly firstSeq: number
  readonly nextSeq: number
}

/** Written when a full disk is asked whether it has room again. */
const trialBytes = 64 * 1024

/** Callers of `commit`, `commitClosing`, `cutBack` and `tryRoom` take turns; `trim` may run beside them. */
export class LogTail {
  readonly #options: TailOptions
  #earlier: readonly LogFile[]
  #active: ActiveFile

  constructor(options: TailOptions, earlier: readonly LogFile[], active: ActiveFile) {
    this.#options = options
    this.#earlier = earlier
    this.#active = active
  }

  /** In order; the last one grows. */
  get files(): readonly LogFile[] {
    return [...this.#earlier, this.#active]
  }

  get bytes(): number {
    return this.#earlier.reduce((sum, file) => sum + file.bytes, this.#active.bytes)
  }

  get fileCount(): number {
    return this.#earlier.length + 1
  }

  get firstSeq(): number {
    return (this.#earlier[0] ?? this.#active).name.seq
  }

  /**
   * Ends the group with its marker and writes it; durable when it resolves. Throws `store_full` when there is no room, and then
   * {@link cutBackDurably} makes the tail usable again; throws `store_closed` when the file cannot be trusted any more.
   */
  async commit(group: FrameBuffer, seqs: GroupSeqs): Promise<void> {
    await fatalUnlessFull(() => this.#rotate(seqs.firstSeq))
    await this.#append(group, seqs, 0)
  }

  /** Marks that nothing was under way here. */
  async commitClosing(empty: FrameBuffer, seq: number): Promise<void> {
    await this.#append(empty, { firstSeq: seq, nextSeq: seq }, flag.closed)
  }

  /** After a write that failed: takes away what it left. Throws `store_closed` when that fails. */
  async cutBack(): Promise<void> {
    await fatal(() => this.#active.handle.truncate(this.#active.bytes))
  }

  /**
   * {@link cutBack} after a write without room, for good: the want of room may have shown only when the group, with its
   * marker, was on its way to the device.
   */
  async cutBackDurably(): Promise<void> {
    await this.cutBack()
    await fatal(() => this.#active.handle.sync())
  }

  /** Throws `store_full` while there is no room: asking for free space alone would not notice a quota. */
  async tryRoom(): Promise<void> {
    const { handle, bytes } = this.#active
    try {
      await handle.write([new Uint8Array(trialBytes)], bytes)
    } finally {
      await handle.truncate(bytes)
    }
  }

  /** Removes the oldest files while all their sequences are below the limit. The active file stays. */
  async trim(belowSeq: number): Promise<number> {
    const { disk } = this.#options
    let removed = 0
    for (;;) {
      const [oldest, next = this.#active] = this.#earlier
      if (oldest === undefined || next.name.seq > belowSeq) return removed
      await disk.remove(oldest.path)
      // One by one: were the removal of a later file durable first, a crash would leave a gap.
      await disk.syncFolder("log")
      this.#earlier = this.#earlier.filter((file) => file !== oldest)
      removed++
    }
  }

  async close(): Promise<void> {
    await this.#active.handle.close()
  }

  async #append(group: FrameBuffer, seqs: GroupSeqs, flags: number): Promise<void> {
    const { handle, bytes, name } = this.#active
    const marker = { groupStart: bytes, groupFirstSeq: seqs.firstSeq, fileSeq: name.seq }
    group.commit(marker, { flags, seq: seqs.nextSeq })
    await fatalUnlessFull(() => handle.write([group.content], bytes))
    this.#active = { ...this.#active, bytes: bytes + group.length, endSeq: seqs.nextSeq }
  }

  async #rotate(firstSeq: number): Promise<void> {
    const { disk, clock, node, epoch, floor, fileBytes } = this.#options
    const full = this.#active
    if (full.bytes < fileBytes || full.endSeq === full.name.seq) return
    const header = { node, epoch, firstSeq, previousSeq: full.endSeq, created: clock.now(), timeFloor: floor.us }
    this.#active = await createLogFile(disk, header)
    const { handle, ...rest } = full
    this.#earlier = [...this.#earlier, rest]
    await handle.close()
  }
}

async function fatalUnlessFull(call: () => Promise<void>): Promise<void> {
  try {
    await call()
  } catch (cause) {
    throw isFogError(cause, "store_full") ? cause : failure(cause)
  }
}

async function fatal(call: () => Promise<void>): Promise<void> {
  try {
    await call()
  } catch (cause) {
    throw failure(cause)
  }
}

function failure(cause: unknown): FogError {
  return new FogError("store_closed", {
    message: `The log cannot go on: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: "Check the disk, then restart the node.",
    cause,
  })
}
