/**
 * Snapshots: all keyed records in force below one sequence, in a file of their own, so that the log below can go. The
 * newest two are kept: should one be damaged, the other and a longer stretch of the log give the same state.
 */
import type { Disk, DiskFile, KeyedRecord } from "@brume/core"
import {
  checksumOfGroup,
  commitKind,
  encodeHeader,
  epochSeed,
  type FileHeader,
  type FileName,
  type Frame,
  fileName,
  type Marker,
  parseMarker,
} from "./format.ts"
import { FrameBuffer } from "./frame-buffer.ts"
import { FrameReader, isDamage } from "./frame-reader.ts"
import { decodeKeyed, encodeKeyed } from "./keyed-record.ts"
import { KeyedState } from "./keyed-state.ts"

/** Written at once. */
const pieceBytes = 2 ** 20

export interface SnapshotContent {
  readonly header: FileHeader
  readonly records: readonly { readonly record: KeyedRecord; readonly seq: number }[]
}

/** Durable when it resolves; until then the file has another name. */
export async function writeSnapshot(disk: Disk, content: SnapshotContent): Promise<FileName> {
  const name = fileName("snapshot", content.header.epoch, content.header.firstSeq)
  const path = `log/${name.name}`
  const file = await disk.open(`${path}.new`, { create: true })
  try {
    await file.truncate(0)
    await writeRecords(file, content)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(`${path}.new`, path)
  await disk.syncFolder("log")
  return name
}

async function writeRecords(file: DiskFile, { header, records }: SnapshotContent): Promise<void> {
  const head = encodeHeader(header)
  const buffer = new FrameBuffer(epochSeed(header.epoch))
  let place = head.length
  await file.write([head], 0)
  for (const { record, seq } of records) {
    encodeKeyed(buffer, record, seq)
    if (buffer.length < pieceBytes) continue
    await file.write([buffer.content], place)
    place += buffer.length
    buffer.revert({ length: 0, records: buffer.records })
  }
  buffer.commit(
    { groupStart: head.length, groupFirstSeq: 0, fileSeq: header.firstSeq },
    { flags: 0, seq: header.firstSeq },
  )
  await file.write([buffer.content], place)
}

export interface LoadedSnapshot {
  readonly state: KeyedState
  /** False when something is missing or damaged; the state then holds what could be read. */
  readonly isWhole: boolean
}

/** @param start where the first frame lies. */
export async function loadSnapshot(disk: Disk, name: FileName, start: number): Promise<LoadedSnapshot> {
  const path = `log/${name.name}`
  const file = await disk.open(path)
  try {
    const seed = epochSeed(name.epoch)
    const reader = new FrameReader(file, { from: start, to: await file.size(), seed, firstSeq: "any" })
    const load = new SnapshotLoad(name.seq, seed)
    while (await reader.fill()) {
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        if (isDamage(found)) load.isDamaged = true
        else load.take(reader.buffer, found)
      }
    }
    return { state: load.state, isWhole: load.isWhole }
  } finally {
    await file.close()
  }
}

class SnapshotLoad {
  readonly state = new KeyedState()
  isDamaged = false
  readonly #checksums: number[] = []
  readonly #seq: number
  readonly #seed: number
  #marker: Marker | undefined

  constructor(seq: number, seed: number) {
    this.#seq = seq
    this.#seed = seed
  }

  take(buffer: Buffer, frame: Frame): void {
    // A marker ends the file: what follows it does not belong there.
    if (this.#marker !== undefined) this.isDamaged = true
    else if (frame.kind === commitKind) this.#marker = parseMarker(buffer, frame)
    else {
      const record = decodeKeyed(buffer, frame)
      if (record === undefined) this.isDamaged = true
      else this.state.apply(record, frame.seq)
      this.#checksums.push(frame.checksum)
    }
  }

  get isWhole(): boolean {
    const marker = this.#marker
    if (this.isDamaged || marker === undefined || marker.fileSeq !== this.#seq) return false
    const sum = checksumOfGroup(Uint32Array.from(this.#checksums), this.#seed)
    return marker.records === this.#checksums.length && marker.groupChecksum === sum
  }
}
