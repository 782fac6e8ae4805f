/**
 * Damaged bytes, kept for people to look at. The folder is also the memory of what was lost: each file's name tells the
 * range of sequences, so that a loss stays reported after its log file was trimmed, until somebody removes the file.
 */
import type { DamagedRange, Disk, DiskFile, Logger } from "@brume/core"

const folder = "quarantine"
const pieceBytes = 2 ** 20
/** Copies made in one life of the process; beyond it damage is reported without its bytes being copied. */
const maxCopies = 1000

export interface Loss {
  readonly epoch: string
  readonly fromSeq: number
  readonly toSeq: number
  readonly certainty: DamagedRange["certainty"]
  /** Name of the file in the log's folder. */
  readonly name: string
}

export interface DamagedBytes {
  readonly file: DiskFile
  readonly from: number
  readonly to: number
}

export class Quarantine {
  readonly #disk: Disk
  readonly #logger: Logger
  readonly #ranges: Map<string, DamagedRange>
  #copies = 0

  private constructor(disk: Disk, logger: Logger, ranges: Map<string, DamagedRange>) {
    this.#disk = disk
    this.#logger = logger
    this.#ranges = ranges
  }

  static async open(disk: Disk, logger: Logger): Promise<Quarantine> {
    const ranges = new Map<string, DamagedRange>()
    for (const name of await disk.list(folder)) {
      const range = parseName(name)
      if (range !== undefined) ranges.set(name, range)
    }
    return new Quarantine(disk, logger, ranges)
  }

  /** Everything that is known to be lost, of any life of the log, by epoch and sequence. */
  get ranges(): readonly DamagedRange[] {
    return [...this.#ranges.keys()].sort().map((name) => this.#ranges.get(name)!)
  }

  /** Whether the loss of all these sequences is known already. */
  knows(epoch: string, fromSeq: number, toSeq: number): boolean {
    let at = fromSeq
    for (const range of this.ranges) {
      if (range.epoch === epoch && range.fromSeq <= at) at = Math.max(at, range.toSeq)
    }
    return at >= toSeq
  }

  /** Whether it is known that keyed records from before this sequence, or a later one, are lost. */
  knowsLostState(epoch: string, seq: number): boolean {
    for (const range of this.#ranges.values()) {
      if (range.epoch === epoch && range.fromSeq === range.toSeq && range.fromSeq >= seq) return true
    }
    return false
  }

  /** Reports a loss and copies its bytes, if there are any. Known losses are not reported again. */
  async keep(loss: Loss, bytes?: DamagedBytes): Promise<void> {
    const name = nameOf(loss, bytes?.from ?? 0)
    if (this.#ranges.has(name) || (loss.fromSeq < loss.toSeq && this.knows(loss.epoch, loss.fromSeq, loss.toSeq)))
      return
    let kept = ""
    if (this.#copies++ < maxCopies) kept = await this.#copy(name, bytes)
    this.#report(name, loss, kept)
  }

  /** Reports a loss and moves the whole file here. */
  async keepFile(loss: Loss): Promise<void> {
    const name = nameOf(loss, 0)
    await this.#move(loss.name, name)
    this.#report(name, loss, `${folder}/${name}`)
  }

  /** Moves a file of the log's folder here that is of no use there, though nothing of this log is lost with it. */
  async setAside(name: string, reason: string): Promise<void> {
    let target = name
    for (let i = 2; (await this.#disk.size(`${folder}/${target}`)) !== undefined; i++) target = `${name}.${i}`
    await this.#move(name, target)
    this.#logger.warn("Set aside a file of the log's folder", {
      file: `log/${name}`,
      to: `${folder}/${target}`,
      reason,
    })
  }

  #report(name: string, loss: Loss, quarantined: string): void {
    const { epoch, fromSeq, toSeq, certainty } = loss
    const range: DamagedRange = { epoch, fromSeq, toSeq, file: `log/${loss.name}`, quarantined, certainty }
    this.#ranges.set(name, range)
    this.#logger.error("Records of the log cannot be read", { ...range })
  }

  async #copy(name: string, bytes: DamagedBytes | undefined): Promise<string> {
    const path = `${folder}/${name}`
    await this.#makeFolder()
    const target = await this.#disk.open(`${path}.new`, { create: true })
    try {
      await target.truncate(0)
      if (bytes !== undefined) await copyBytes(bytes, target)
      await target.sync()
    } finally {
      await target.close()
    }
    await this.#disk.rename(`${path}.new`, path)
    await this.#disk.syncFolder(folder)
    return path
  }

  async #move(name: string, target: string): Promise<void> {
    await this.#makeFolder()
    await this.#disk.rename(`log/${name}`, `${folder}/${target}`)
    await this.#disk.syncFolder(folder)
    await this.#disk.syncFolder("log")
  }

  async #makeFolder(): Promise<void> {
    await this.#disk.makeFolder(folder)
    await this.#disk.syncFolder("")
  }
}

async function copyBytes(source: DamagedBytes, target: DiskFile): Promise<void> {
  const piece = new Uint8Array(Math.min(pieceBytes, source.to - source.from))
  for (let at = source.from; at < source.to; ) {
    const wanted = piece.subarray(0, Math.min(piece.length, source.to - at))
    const count = await source.file.read(wanted, at)
    if (count === 0) return
    await target.write([piece.subarray(0, count)], at - source.from)
    at += count
  }
}

function nameOf(loss: Loss, place: number): string {
  const digits = (seq: number) => String(seq).padStart(20, "0")
  return `${loss.epoch}-${digits(loss.fromSeq)}-${digits(loss.toSeq)}.${loss.certainty}.${loss.name}@${place}`
}

function parseName(name: string): DamagedRange | undefined {
  const match = /^([0-9a-f]{16})-(\d{20})-(\d{20})\.(acknowledged|unconfirmed)\.(.+)@\d+$/.exec(name)
  if (match === null) return undefined
  return {
    epoch: match[1]!,
    fromSeq: Number(match[2]),
    toSeq: Number(match[3]),
    file: `log/${match[5]}`,
    quarantined: `${folder}/${name}`,
    certainty: match[4] as DamagedRange["certainty"],
  }
}
