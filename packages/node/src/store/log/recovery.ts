/**
 * From the files as a crash left them to a log that can go on: what is in force (group-scan.ts), what is lost
 * (quarantine.ts), and where to continue. Streams every file once; holds one group's keyed records at a time.
 */
import { type Clock, type Disk, type DiskFile, isFogError, type Logger, type Random, recordKind } from "@brume/core"
import {
  commitKind,
  epochSeed,
  type Frame,
  fileName,
  flag,
  frameHeaderBytes,
  headerBytes,
  isKnownKind,
  newerVersion,
  parseMarker,
} from "./format.ts"
import { FrameReader, isDamage } from "./frame-reader.ts"
import { type FoundRecord, GroupScan } from "./group-scan.ts"
import { decodeKeyed } from "./keyed-record.ts"
import type { KeyedState } from "./keyed-state.ts"
import { type ActiveFile, createLogFile, type LogFile } from "./log-file.ts"
import { Quarantine } from "./quarantine.ts"
import { receivedOf } from "./readings-record.ts"
import { writeSnapshot } from "./snapshot.ts"
import { loadStateBase, reportState, type StateBase } from "./state-base.ts"
import { type SurveyedFile, surveyFolder } from "./survey.ts"

export interface RecoveryOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly node: string
  /** A sequence that an epoch had certainly reached, known from elsewhere. */
  readonly provenSeq?: (epoch: string) => number
}

export interface Recovered {
  readonly epoch: string
  readonly nextSeq: number
  /** Files that do not grow any more, in order. */
  readonly files: readonly LogFile[]
  readonly active: ActiveFile
  readonly state: KeyedState
  readonly timeFloor: number
  /** Sequences of the whole snapshots, the newest first. */
  readonly snapshots: readonly number[]
  readonly quarantine: Quarantine
}

export async function recoverLog(options: RecoveryOptions): Promise<Recovered> {
  const { disk, logger } = options
  await disk.makeFolder("log")
  await disk.syncFolder("")
  const quarantine = await Quarantine.open(disk, logger)
  const survey = await surveyFolder({ ...options, quarantine })
  const base = await loadStateBase(disk, survey.snapshots)
  const epoch = survey.epoch ?? survey.snapshots[0]?.name.epoch
  if (epoch !== undefined) await reportState(base, { epoch, firstSeq: survey.logs[0]?.name.seq ?? 0 }, quarantine)
  if (survey.epoch === undefined) return startEpoch(options, base, quarantine)
  const provenSeq = Math.max(survey.snapshots[0]?.name.seq ?? 0, options.provenSeq?.(survey.epoch) ?? 0)
  const recovery = new Recovery(options, { epoch: survey.epoch, base, quarantine, provenSeq })
  return recovery.run(survey.logs)
}

/** A new life of the log, with the keyed state of the one before where a snapshot has it. */
async function startEpoch(options: RecoveryOptions, base: StateBase, quarantine: Quarantine): Promise<Recovered> {
  const { disk, clock, logger, node, random } = options
  const epoch = Buffer.from(random.bytes(8)).toString("hex")
  const header = { node, epoch, firstSeq: 0, previousSeq: 0, created: clock.now(), timeFloor: base.timeFloor }
  const records = base.state.capture()
  const isReborn = base.whole.length > 0 || base.damaged.length > 0
  if (isReborn) {
    logger.error("No log file is left; a new epoch begins with the state of the last snapshot", {
      epoch,
      keys: records.length,
      isComplete: !base.isPartial,
    })
    await writeSnapshot(disk, { header: { ...header, kind: "snapshot" }, records })
  } else logger.info("A new log begins", { epoch })
  const active = await createLogFile(disk, header)
  for (const { name } of base.whole) await quarantine.setAside(name.name, "a new epoch of the log has begun")
  const snapshots = isReborn ? [0] : []
  const { state, timeFloor } = base
  return { epoch, nextSeq: 0, files: [], active, state, timeFloor, snapshots, quarantine }
}

interface RecoveryContext {
  readonly epoch: string
  readonly base: StateBase
  readonly quarantine: Quarantine
  /** A snapshot says that the log had reached this. */
  readonly provenSeq: number
}

class Recovery {
  readonly #options: RecoveryOptions
  readonly #context: RecoveryContext
  readonly #seed: number
  readonly #files: LogFile[] = []
  #timeFloor: number

  constructor(options: RecoveryOptions, context: RecoveryContext) {
    this.#options = options
    this.#context = context
    this.#seed = epochSeed(context.epoch)
    this.#timeFloor = context.base.timeFloor
  }

  async run(logs: readonly SurveyedFile[]): Promise<Recovered> {
    const { base, quarantine, epoch } = this.#context
    let reached = logs[0]!.name.seq
    for (const [i, file] of logs.slice(0, -1).entries()) {
      const next = logs[i + 1]!
      reached = await this.#earlierFile(file, next.header?.previousSeq ?? next.name.seq, reached)
    }
    const last = await this.#lastFile(logs.at(-1)!, reached)
    if (this.#files.length === 0 && last.active === undefined) return startEpoch(this.#options, base, quarantine)
    const nextSeq = Math.max(last.nextSeq, this.#context.provenSeq)
    const active = last.active ?? (await this.#newFile(nextSeq, last.reached))
    const snapshots = base.whole.map((snapshot) => snapshot.name.seq)
    const rest = { state: base.state, timeFloor: this.#timeFloor, snapshots, quarantine }
    return { epoch, nextSeq, files: this.#files, active, ...rest }
  }

  /** A file that another one follows. Returns the sequence that the log has reached with it. */
  async #earlierFile(file: SurveyedFile, nextFileSeq: number, reached: number): Promise<number> {
    const { quarantine, epoch } = this.#context
    const handle = await this.#options.disk.open(file.path)
    let isUsable = false
    try {
      const scan = await this.#scan(file, handle)
      isUsable = this.#isUsable(file, scan)
      if (isUsable) {
        scan.finishBefore(nextFileSeq)
        await this.#keepLosses(file, scan, handle)
        this.#files.push({ name: file.name, path: file.path, start: file.start, bytes: scan.end, endSeq: scan.seq })
        return Math.max(reached, scan.seq)
      }
    } finally {
      await handle.close()
    }
    const loss = { epoch, fromSeq: reached, toSeq: Math.max(reached, nextFileSeq), name: file.name.name }
    if (quarantine.knows(epoch, loss.fromSeq, loss.toSeq)) {
      await quarantine.setAside(loss.name, "it cannot be read; its loss is known")
    } else await quarantine.keepFile({ ...loss, certainty: "acknowledged" })
    return loss.toSeq
  }

  /** The file that would grow on. Without `active` another one is needed. */
  async #lastFile(
    file: SurveyedFile,
    reached: number,
  ): Promise<{ active?: ActiveFile; nextSeq: number; reached: number }> {
    const handle = await this.#options.disk.open(file.path, { durable: true })
    try {
      const scan = await this.#scan(file, handle)
      if (!this.#isUsable(file, scan)) {
        await handle.close()
        return { nextSeq: await this.#dropLast(file, reached), reached }
      }
      const nextSeq = scan.finishLast(this.#context.provenSeq)
      await this.#keepLosses(file, scan, handle)
      const end = Math.max(scan.end, file.start)
      await this.#cut(file, handle, end)
      await this.#confirm(scan, handle)
      const kept = { name: file.name, path: file.path, start: file.start, bytes: end, endSeq: scan.seq }
      if (file.header !== undefined) return { active: { ...kept, handle }, nextSeq, reached: scan.seq }
      // A file without a readable header does not grow on. When nothing of it is in force its name may be needed again.
      await handle.close()
      if (scan.seq > file.name.seq) this.#files.push(kept)
      else await this.#options.disk.remove(file.path)
      return { nextSeq, reached: scan.seq }
    } catch (error) {
      await handle.close().catch(() => {})
      throw error
    }
  }

  /** A file without header and frames is of no use: a beginning that the crash cut short, or damaged as a whole. */
  #isUsable(file: SurveyedFile, scan: GroupScan): boolean {
    return file.header !== undefined || scan.frames > 0
  }

  /** Returns a sequence that none of the file's records can have had. */
  async #dropLast(file: SurveyedFile, reached: number): Promise<number> {
    const { logger, disk, node } = this.#options
    const { quarantine, epoch } = this.#context
    const fromSeq = Math.max(reached, file.name.seq)
    if (file.bytes <= headerBytes(node) || (await isBlank(disk, file))) {
      logger.info("Removed a log file that a crash left empty", { file: file.path })
      await disk.remove(file.path)
      await disk.syncFolder("log")
      return fromSeq
    }
    // Each sequence takes at least eight bytes.
    const toSeq = fromSeq + Math.ceil(file.bytes / 8)
    await quarantine.keepFile({ epoch, fromSeq, toSeq, certainty: "unconfirmed", name: file.name.name })
    return toSeq
  }

  async #scan(file: SurveyedFile, handle: DiskFile): Promise<GroupScan> {
    const apply = (record: FoundRecord) => {
      if (record.keyed === undefined) this.#timeFloor = Math.max(this.#timeFloor, record.received)
      else if (record.seq >= this.#context.base.seq) this.#context.base.state.apply(record.keyed, record.seq)
    }
    this.#timeFloor = Math.max(this.#timeFloor, file.header?.timeFloor ?? 0)
    const scan = new GroupScan({ seed: this.#seed, fileSeq: file.name.seq, start: file.start, apply })
    const range = { from: file.start, to: file.bytes, seed: this.#seed, firstSeq: file.name.seq }
    const reader = new FrameReader(handle, range)
    while (await reader.fill()) {
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        if (isDamage(found)) scan.damage(found)
        else offer(scan, { reader, frame: found, path: file.path })
      }
    }
    return scan
  }

  async #keepLosses(file: SurveyedFile, scan: GroupScan, handle: DiskFile): Promise<void> {
    const { quarantine, epoch } = this.#context
    for (const { fromSeq, toSeq, certainty, bytes } of scan.losses) {
      const loss = { epoch, fromSeq, toSeq, certainty }
      if (bytes !== undefined) await quarantine.keep({ ...loss, name: file.name.name }, { file: handle, ...bytes })
      else await quarantine.keep({ ...loss, name: fileName("log", epoch, fromSeq).name })
    }
    if (scan.harmless > 0) {
      this.#options.logger.warn("A log file is damaged where no record lies", {
        file: file.path,
        places: scan.harmless,
      })
    }
  }

  /** Cuts what is not in force off the end, so that it never stands behind what comes next. */
  async #cut(file: SurveyedFile, handle: DiskFile, end: number): Promise<void> {
    if (end >= file.bytes) return
    this.#options.logger.info("Cut an unfinished commit off the log", { file: file.path, bytes: file.bytes - end })
    await handle.truncate(end)
    await handle.sync()
  }

  /**
   * Writes the last group again and syncs it. Its sync may not have happened, or have failed: then the kernel holds
   * bytes that it never wrote and believes to be clean, and they would vanish at the next power cut.
   */
  async #confirm(scan: GroupScan, handle: DiskFile): Promise<void> {
    const group = scan.lastGroup
    if (group === undefined || group.isClosing) return
    const piece = new Uint8Array(Math.min(2 ** 20, group.to - group.from))
    try {
      for (let at = group.from; at < group.to; ) {
        const wanted = piece.subarray(0, Math.min(piece.length, group.to - at))
        const count = await handle.read(wanted, at)
        if (count === 0) break
        await handle.write([piece.subarray(0, count)], at)
        at += count
      }
    } catch (error) {
      // Some file systems need room even to write in place; then the sync alone must do.
      if (!isFogError(error, "store_full")) throw error
    }
    await handle.sync()
  }

  #newFile(firstSeq: number, previousSeq: number): Promise<ActiveFile> {
    const { disk, clock, node } = this.#options
    const { epoch } = this.#context
    const header = { node, epoch, firstSeq, previousSeq, created: clock.now(), timeFloor: this.#timeFloor }
    return createLogFile(disk, header)
  }
}

interface Offered {
  readonly reader: FrameReader
  readonly frame: Frame
  readonly path: string
}

function offer(scan: GroupScan, { reader, frame, path }: Offered): void {
  const { buffer } = reader
  const from = reader.placeOf(frame)
  const to = from + frame.next - frame.start + frameHeaderBytes
  if (frame.kind === commitKind) {
    const marker = parseMarker(buffer, frame)
    if (marker === undefined) scan.damage({ from, to })
    else scan.marker({ from, to, marker, seq: frame.seq, isClosing: (frame.flags & flag.closed) !== 0 })
    return
  }
  if (!isKnownKind(frame.kind)) throw newerVersion(path, `records of kind ${frame.kind}`)
  const { checksum, seq, rows } = frame
  if (frame.kind === recordKind.readings) {
    scan.record({ from, to, checksum, seq, rows, received: receivedOf(buffer, frame), keyed: undefined })
    return
  }
  const keyed = decodeKeyed(buffer, frame)
  if (keyed === undefined) scan.damage({ from, to })
  else scan.record({ from, to, checksum, seq, rows, received: 0, keyed })
}

/** Whether the file holds nothing but zeros. */
async function isBlank(disk: Disk, file: SurveyedFile): Promise<boolean> {
  const handle = await disk.open(file.path)
  try {
    const piece = Buffer.alloc(2 ** 16)
    for (let at = 0; at < file.bytes; ) {
      const count = await handle.read(piece, at)
      if (count === 0) return true
      if (piece.subarray(0, count).some((byte) => byte !== 0)) return false
      at += count
    }
    return true
  } finally {
    await handle.close()
  }
}
