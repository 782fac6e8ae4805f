/** Durable rows that wait for the tables, and the sequences for which they account. First in, first out. */
import { intersect, type Range, type Ranges, rangesOf, subtract } from "../segments/ranges.ts"
import type { Rows } from "./row-writer.ts"

/** The head of the queue. */
export interface Slice {
  readonly parts: readonly Rows[]
  readonly rows: number
  /** What is accounted for when these are applied. */
  readonly covers: Ranges
}

interface Entry {
  rows: Rows
  /** Up to a row's own sequence, in force once that row is applied; all of it with the last row. */
  covers: Range[]
}

/** Entries that were taken are kept until so many are, since removing them one by one from an array is slow. */
const keptEntries = 1024

export class PendingRows {
  #entries: Entry[] = []
  #head = 0
  #rows = 0
  #payloadBytes = 0
  /** Covered without any row before them. */
  #coveredFirst: Range[] = []

  get isEmpty(): boolean {
    return this.#head === this.#entries.length && this.#coveredFirst.length === 0
  }

  get rows(): number {
    return this.#rows
  }

  get batches(): number {
    return this.#entries.length - this.#head
  }

  /** About the memory of texts and JSON that wait. */
  get payloadBytes(): number {
    return this.#payloadBytes
  }

  /** Sequence of the first row that waits. */
  get firstSeq(): number | undefined {
    const rows = this.#entries[this.#head]?.rows
    return rows === undefined ? undefined : rows.firstSeq + rows.from
  }

  add(rows: Rows): void {
    if (rows.from === rows.to) return
    this.#entries.push({ rows, covers: [] })
    this.#rows += rows.to - rows.from
    this.#payloadBytes += payloadBytes(rows)
  }

  /** Sequences that the rows so far account for. */
  cover(ranges: Ranges): void {
    const last = this.#head === this.#entries.length ? this.#coveredFirst : this.#entries.at(-1)!.covers
    last.push(...ranges)
  }

  /** Up to so many rows, and payloads of about so many bytes; the last batch may be cut. */
  peek(maxRows: number, maxBytes: number): Slice {
    const parts: Rows[] = []
    const covers: Range[] = []
    for (const range of this.#coveredFirst) extend(covers, range)
    let rows = 0
    let bytes = 0
    for (let at = this.#head; at < this.#entries.length && rows < maxRows && bytes < maxBytes; at++) {
      const entry = this.#entries[at]!
      const { from, to } = entry.rows
      let end = Math.min(to, from + maxRows - rows)
      let part = { ...entry.rows, to: end }
      let partBytes = payloadBytes(part)
      while (bytes + partBytes > maxBytes && end - from > 1) {
        end = from + Math.ceil((end - from) / 2)
        part = { ...entry.rows, to: end }
        partBytes = payloadBytes(part)
      }
      parts.push(part)
      rows += end - from
      bytes += partBytes
      const applied: Range = [entry.rows.firstSeq + from, entry.rows.firstSeq + end]
      // Rows that are applied are accounted for with them, also of a batch that is cut: a generation that is sealed
      // between two parts of a batch would otherwise leave rows to the log that it holds itself.
      for (const range of end < to ? intersect(entry.covers, [[0, applied[1]]]) : entry.covers) extend(covers, range)
      extend(covers, applied)
      if (end < to) break
    }
    return { parts, rows, covers: rangesOf(covers) }
  }

  /** Removes what {@link peek} returned last. */
  drop(slice: Slice): void {
    this.#coveredFirst = []
    for (const part of slice.parts) {
      const entry = this.#entries[this.#head]!
      if (part.to === entry.rows.to) this.#head++
      else entry.rows = { ...entry.rows, from: part.to }
      this.#payloadBytes -= payloadBytes(part)
    }
    this.#rows -= slice.rows
    this.#uncover(slice.parts.at(-1))
    if (this.#head < keptEntries && this.#head < this.#entries.length) return
    this.#entries = this.#entries.slice(this.#head)
    this.#head = 0
  }

  /** What is left of the batch that was cut accounts for the rest alone. */
  #uncover(last: Rows | undefined): void {
    if (last === undefined) return
    for (let at = this.#head; this.#entries[at]?.rows.batch === last.batch; at++) {
      const entry = this.#entries[at]!
      entry.covers = [...subtract(entry.covers, [[0, last.firstSeq + last.to]])]
    }
  }
}

/** Live batches cover range after range: joined at once, they stay one. */
function extend(ranges: Range[], range: Range): void {
  const last = ranges.at(-1)
  if (last === undefined || range[0] < last[0] || range[0] > last[1]) ranges.push(range)
  else if (range[1] > last[1]) ranges[ranges.length - 1] = [last[0], range[1]]
}

function payloadBytes({ batch, from, to }: Rows): number {
  const { payload } = batch
  if (payload === undefined) return 0
  let bytes = 0
  for (let row = from; row < Math.min(to, payload.length); row++) bytes += (payload[row]?.length ?? 0) * 2
  return bytes
}
