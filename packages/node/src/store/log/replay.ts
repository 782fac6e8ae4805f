/** Reads the durable readings of the log again. */
import { type Disk, type ReadingBatch, recordKind } from "@brume/core"
import { epochSeed, type Frame, frameHeaderBytes } from "./format.ts"
import { FrameReader, isDamage } from "./frame-reader.ts"
import type { LogFile } from "./log-file.ts"
import type { DamagedBytes, Quarantine } from "./quarantine.ts"
import { decodeReadings, type SeriesDecoder } from "./readings-record.ts"

export type ReplayVisit = (batch: ReadingBatch, firstSeq: number) => void | Promise<void>

export interface ReplayOptions {
  readonly disk: Disk
  readonly epoch: string
  readonly quarantine: Quarantine
  readonly decoder: SeriesDecoder
  readonly fromSeq: number
  readonly visit: ReplayVisit
}

/** Visits, in order, the readings of one file that have any row at or above `fromSeq`. */
export async function replayFile(options: ReplayOptions, logFile: LogFile): Promise<void> {
  const { disk, epoch, decoder, fromSeq, visit } = options
  const file = await disk.open(logFile.path)
  try {
    const firstSeq = logFile.name.seq
    const reader = new FrameReader(file, { from: logFile.start, to: logFile.bytes, seed: epochSeed(epoch), firstSeq })
    const gap = new Gap(options, logFile)
    while (await reader.fill()) {
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        if (isDamage(found)) {
          gap.open({ file, from: found.from, to: found.to })
          continue
        }
        await gap.close(found)
        if (found.kind !== recordKind.readings || found.seq + found.rows <= fromSeq) continue
        const batch = decodeReadings(reader.buffer, found, decoder)
        if (batch === undefined) {
          const from = reader.placeOf(found)
          await gap.report({ file, from, to: from + found.end - found.start + frameHeaderBytes }, found)
        } else {
          // Waiting for nothing would cost more than decoding a small batch.
          const visited = visit(batch, found.seq)
          if (visited !== undefined) await visited
        }
      }
    }
    await gap.close({ seq: logFile.endSeq, rows: 0 })
  } finally {
    await file.close()
  }
}

/** Damage on the way: recovery has reported what it met, this reports what came since. */
class Gap {
  readonly #options: ReplayOptions
  readonly #logFile: LogFile
  #seq: number
  #damage: DamagedBytes | undefined

  constructor(options: ReplayOptions, logFile: LogFile) {
    this.#options = options
    this.#logFile = logFile
    this.#seq = logFile.name.seq
  }

  open(damage: DamagedBytes): void {
    this.#damage = damage
  }

  close(next: Pick<Frame, "seq" | "rows">): Promise<void> | undefined {
    const from = this.#seq
    const damage = this.#damage
    this.#seq = next.seq + next.rows
    this.#damage = undefined
    return damage === undefined ? undefined : this.report(damage, { seq: from, rows: next.seq - from })
  }

  async report(damage: DamagedBytes, lost: Pick<Frame, "seq" | "rows">): Promise<void> {
    const { epoch, quarantine } = this.#options
    const toSeq = lost.seq + lost.rows
    if (lost.rows <= 0) return
    const loss = { epoch, fromSeq: lost.seq, toSeq, certainty: "acknowledged" as const, name: this.#logFile.name.name }
    await quarantine.keep(loss, damage)
  }
}
