/**
 * Decides which records of a file are in force. Pure: it is told of frames and damage in the order of the file.
 *
 * - S1 A group whose marker and records are all right is in force.
 * - S2 The writer begins a group only after the one before is on disk. So whatever valid comes after a group (a frame,
 *   a later file, a snapshot) proves that the group was acknowledged: its intact records are in force, its damage is a
 *   loss of acknowledged records.
 * - S3 A damaged group with its marker and nothing after it may have been under way in a crash: it is `unconfirmed`, and
 *   nothing of it is in force, since a commit is whole or not at all.
 * - S4 Records without a marker and with nothing after them are a torn tail: never acknowledged.
 */
import type { KeyedRecord } from "@brume/core"
import { checksumOfGroup, type Marker } from "./format.ts"

/** A valid record. */
export interface FoundRecord {
  readonly from: number
  readonly to: number
  readonly checksum: number
  readonly seq: number
  readonly rows: number
  /** Of readings; 0 of others. */
  readonly received: number
  /** Undefined of readings. */
  readonly keyed: KeyedRecord | undefined
}

export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** Records that cannot be read: sequences, and bytes if there are any. */
export interface ScanLoss {
  readonly fromSeq: number
  readonly toSeq: number
  readonly certainty: "acknowledged" | "unconfirmed"
  readonly bytes: ByteRange | undefined
}

export interface FoundMarker {
  readonly marker: Marker
  /** The sequence after the group's last one. */
  readonly seq: number
  readonly from: number
  readonly to: number
  readonly isClosing: boolean
}

interface Suspect extends FoundMarker {
  readonly records: readonly FoundRecord[]
  readonly damages: readonly ByteRange[]
}

export interface ScanOptions {
  readonly seed: number
  /** First sequence in the file's name. */
  readonly fileSeq: number
  /** Where the first frame lies. */
  readonly start: number
  /** Puts a record in force. */
  readonly apply: (record: FoundRecord) => void
}

export class GroupScan {
  readonly #options: ScanOptions
  readonly losses: ScanLoss[] = []
  /** Damage that cost no record: markers, headers, padding. */
  harmless = 0
  /** Valid frames. */
  frames = 0
  /** The sequence after the last one in force. */
  seq: number
  /** Where what is in force ends. */
  end: number
  /** The last group in force, and whether it is a closing one. */
  lastGroup: (ByteRange & { readonly isClosing: boolean }) | undefined
  #records: FoundRecord[] = []
  #damages: ByteRange[] = []
  #suspect: Suspect | undefined

  constructor(options: ScanOptions) {
    this.#options = options
    this.seq = options.fileSeq
    this.end = options.start
  }

  damage(range: ByteRange): void {
    this.#damages.push(range)
  }

  record(record: FoundRecord): void {
    this.frames++
    this.#proveSuspect()
    this.#records.push(record)
  }

  marker(found: FoundMarker): void {
    const { marker } = found
    if (marker.fileSeq !== this.#options.fileSeq || marker.groupStart > found.from || marker.groupStart < this.end) {
      this.damage(found)
      return
    }
    this.frames++
    this.#proveSuspect()
    const { groupStart } = marker
    const isInGroup = (range: ByteRange) => range.from >= groupStart
    const allDamages = this.#damages.flatMap((damage) => splitAt(damage, groupStart))
    // S2: what lies between the last group and this one are groups whose markers are gone. If nothing does, sequences
    // that were skipped were never given to a record that was acknowledged.
    const isBefore = (range: ByteRange) => !isInGroup(range)
    if (this.end < groupStart) {
      this.#settle(this.#records.filter(isBefore), allDamages.filter(isBefore), marker.groupFirstSeq)
    }
    this.end = groupStart
    const records = this.#records.filter(isInGroup)
    const damages = allDamages.filter(isInGroup)
    this.#records = []
    this.#damages = []
    if (damages.length > 0 || !isWhole(records, found, this.#options.seed)) {
      this.#suspect = { ...found, records, damages }
      return
    }
    // S1
    for (const record of records) this.#options.apply(record)
    this.#inForce(found)
  }

  /** Ends a file that others follow, the first of which was begun when `seq` had been reached. S2. */
  finishBefore(seq: number): void {
    this.#proveSuspect()
    this.#settleRest(this.#records, this.#damages, seq)
    this.end = Math.max(this.end, this.#records.at(-1)?.to ?? 0, this.#damages.at(-1)?.to ?? 0)
  }

  /**
   * Ends the last file. `provenSeq` is known to have been reached.
   * @returns the first sequence that was certainly never given to a reading or record.
   */
  finishLast(provenSeq: number): number {
    if (provenSeq > this.seq) this.#finishProven(provenSeq)
    let nextSeq = this.seq
    const suspect = this.#suspect
    if (suspect !== undefined) {
      // S3
      const { groupStart, groupFirstSeq } = suspect.marker
      const bytes = { from: groupStart, to: suspect.to }
      if (suspect.seq > groupFirstSeq) {
        this.losses.push({ fromSeq: groupFirstSeq, toSeq: suspect.seq, certainty: "unconfirmed", bytes })
      }
      nextSeq = suspect.seq
    }
    // S4. The sequences of the tail are not used again: should it have been acknowledged after all, and its marker be
    // damaged, then others may know them. Each takes at least eight bytes.
    const lastRecord = this.#records.at(-1)
    if (lastRecord !== undefined) nextSeq = Math.max(nextSeq, lastRecord.seq + lastRecord.rows)
    const damaged = this.#damages.reduce((sum, { from, to }) => sum + to - from, 0)
    return nextSeq + Math.ceil(damaged / 8)
  }

  #finishProven(provenSeq: number): void {
    if (this.#suspect !== undefined && this.#suspect.marker.groupFirstSeq < provenSeq) this.#proveSuspect()
    const firstBeyond = this.#records.findIndex((record) => record.seq >= provenSeq)
    const count = firstBeyond < 0 ? this.#records.length : firstBeyond
    const end = this.#records[count]?.from ?? Math.max(this.#records.at(-1)?.to ?? 0, this.#damages.at(-1)?.to ?? 0)
    const isProven = (damage: ByteRange) => damage.from < end
    this.#settleRest(this.#records.slice(0, count), this.#damages.filter(isProven), provenSeq)
    this.#records = this.#records.slice(count)
    this.#damages = this.#damages.filter((damage) => !isProven(damage))
    this.end = Math.max(this.end, end)
  }

  /** At the end of a file: up to a sequence that was certainly reached. Of what is missing there may be no bytes. */
  #settleRest(records: readonly FoundRecord[], damages: readonly ByteRange[], endSeq: number): void {
    if (records.length > 0 || damages.length > 0) this.#settle(records, damages, endSeq)
    else if (endSeq > this.seq) {
      this.losses.push({ fromSeq: this.seq, toSeq: endSeq, certainty: "acknowledged", bytes: undefined })
      this.seq = endSeq
    }
  }

  #proveSuspect(): void {
    const suspect = this.#suspect
    if (suspect === undefined) return
    this.#suspect = undefined
    this.seq = Math.max(this.seq, suspect.marker.groupFirstSeq)
    this.#settle(suspect.records, suspect.damages, suspect.seq)
    this.#inForce(suspect)
  }

  #inForce(found: FoundMarker): void {
    this.seq = Math.max(this.seq, found.seq)
    this.end = found.to
    this.lastGroup = { from: found.marker.groupStart, to: found.to, isClosing: found.isClosing }
  }

  /**
   * Puts intact records in force and reports what is missing between them. Sequences that are missing without a trace
   * count too: a disk may have written one block in another's place.
   */
  #settle(records: readonly FoundRecord[], damages: readonly ByteRange[], endSeq: number): void {
    let next = 0
    for (const record of records) {
      const before: ByteRange[] = []
      for (; next < damages.length && damages[next]!.from < record.from; next++) before.push(damages[next]!)
      this.#pass(record.seq, before, record.from)
      this.#options.apply(record)
      this.seq = Math.max(this.seq, record.seq + record.rows)
    }
    this.#pass(endSeq, damages.slice(next), records.at(-1)?.to ?? this.end)
  }

  /** Goes on to a sequence: what lies before it and was not seen is lost. */
  #pass(seq: number, damages: readonly ByteRange[], place: number): void {
    const bytes = damages.length === 0 ? { from: place, to: place } : spanOf(damages)
    if (seq > this.seq) this.losses.push({ fromSeq: this.seq, toSeq: seq, certainty: "acknowledged", bytes })
    else if (damages.length > 0) this.harmless++
    this.seq = Math.max(this.seq, seq)
  }
}

/** Whether exactly the records of the marker are there, one after the other. */
function isWhole(records: readonly FoundRecord[], found: FoundMarker, seed: number): boolean {
  const { marker } = found
  if (records.length !== marker.records) return false
  const checksums = new Uint32Array(records.length)
  let place = marker.groupStart
  for (const [i, record] of records.entries()) {
    if (record.from !== place) return false
    place = record.to
    checksums[i] = record.checksum
  }
  return place === found.from && checksumOfGroup(checksums, seed) === marker.groupChecksum
}

/** Damage may reach from one group into the next. */
function splitAt(range: ByteRange, place: number): ByteRange[] {
  if (range.from >= place || range.to <= place) return [range]
  return [
    { from: range.from, to: place },
    { from: place, to: range.to },
  ]
}

function spanOf(ranges: readonly ByteRange[]): ByteRange {
  return { from: ranges[0]!.from, to: ranges.at(-1)!.to }
}
