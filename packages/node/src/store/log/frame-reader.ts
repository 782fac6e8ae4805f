/**
 * Reads the frames of a file in pieces. Where bytes are no frame it searches on for the next one, so that damage costs
 * no more than the records it hit.
 */
import type { DiskFile } from "@brume/core"
import { alignment, announcedBytes, type Frame, frameHeaderBytes, isKnownKind, parseFrame } from "./format.ts"

const pieceBytes = 4 * 2 ** 20

/** Bytes that are no frame. `isLast` when no frame comes after them. */
export interface Damage {
  readonly kind: "damage"
  readonly from: number
  readonly to: number
  readonly isLast: boolean
}

export interface FrameRange {
  /** Multiple of 8. */
  readonly from: number
  readonly to: number
  /** Checksum of the epoch. */
  readonly seed: number
  /** Frames below this sequence, or below the one before, are left over from something else and count as damage. */
  readonly firstSeq: number | "any"
}

/**
 * Usage: `while (await reader.fill()) for (let found = reader.next(); found !== undefined; found = reader.next()) …`.
 * A frame's places refer to `buffer`, until the next `fill`.
 */
export class FrameReader {
  readonly #file: DiskFile
  readonly #range: FrameRange
  /** Begins at the start of its memory. */
  buffer: Buffer
  /** Place in the file of the buffer's first byte. */
  #base: number
  #filled = 0
  /** Whether nothing is left to read behind what the buffer holds. */
  #isAll = false
  #at = 0
  /** Bytes from `#at` on that the frame there needs in the buffer. */
  #needed = frameHeaderBytes
  #damageStart: number | undefined
  #found: Frame | undefined
  /** The next frame's sequence must not be below. */
  #expectedSeq: number

  constructor(file: DiskFile, range: FrameRange) {
    this.#file = file
    this.#range = range
    this.#base = range.from
    this.#expectedSeq = range.firstSeq === "any" ? 0 : range.firstSeq
    this.buffer = newBuffer(Math.min(pieceBytes, Math.max(frameHeaderBytes, range.to - range.from)))
  }

  /** Where a frame of the buffer begins in the file. */
  placeOf(frame: Frame): number {
    return this.#base + frame.start - frameHeaderBytes
  }

  /** Reads on. False when everything was given out. */
  async fill(): Promise<boolean> {
    if (this.#found !== undefined) return true
    const place = this.#base + this.#at
    if (place >= this.#range.to && this.#damageStart === undefined) return false
    const kept = this.#filled - this.#at
    const capacity = Math.max(this.#needed, Math.min(pieceBytes, this.#range.to - place))
    const target = capacity > this.buffer.length ? newBuffer(capacity) : this.buffer
    this.buffer.copy(target, 0, this.#at, this.#filled)
    this.buffer = target
    this.#base = place
    this.#at = 0
    this.#filled = kept
    await this.#readOn(Math.min(this.buffer.length, this.#range.to - this.#base))
    this.#needed = frameHeaderBytes
    return true
  }

  async #readOn(end: number): Promise<void> {
    while (this.#filled < end) {
      const count = await this.#file.read(this.buffer.subarray(this.#filled, end), this.#base + this.#filled)
      // The file is shorter than it was a moment ago: what is missing counts as damage.
      if (count === 0) break
      this.#filled += count
    }
    this.#isAll = this.#filled < end || this.#base + end === this.#range.to
  }

  /** The next frame or damage that the buffer holds; undefined when `fill` must read on. */
  next(): Frame | Damage | undefined {
    if (this.#found !== undefined) return this.#give(this.#found)
    for (;;) {
      const rest = this.#filled - this.#at
      if (rest < frameHeaderBytes) {
        if (!this.#isAll) return undefined
        if (rest > 0) this.#damageStart ??= this.#base + this.#at
        return this.#end()
      }
      const bytes = this.#plausibleBytes()
      if (bytes > rest && !this.#isAll) {
        this.#needed = bytes
        return undefined
      }
      const frame = bytes === 0 || bytes > rest ? undefined : this.#parse()
      if (frame !== undefined) return this.#give(frame)
      this.#damageStart ??= this.#base + this.#at
      this.#at += alignment
    }
  }

  /** Bytes of a frame that may begin here; 0 when none can. */
  #plausibleBytes(): number {
    const bytes = announcedBytes(this.buffer, this.#at)
    if (this.#base + this.#at + bytes > this.#range.to) return 0
    // While searching, only kinds that this version writes are tried; in sequence, a newer version's shall be noticed.
    return this.#damageStart !== undefined && !isKnownKind(this.buffer[this.#at + 8]!) ? 0 : bytes
  }

  #parse(): Frame | undefined {
    const frame = parseFrame(this.buffer, this.#at, this.#range.seed)
    return frame === undefined || frame.seq < this.#expectedSeq ? undefined : frame
  }

  /** Damage is given out before the frame behind it. */
  #give(frame: Frame): Frame | Damage {
    const from = this.#damageStart
    if (from !== undefined) {
      this.#damageStart = undefined
      this.#found = frame
      return { kind: "damage", from, to: this.#base + this.#at, isLast: false }
    }
    this.#found = undefined
    this.#at = frame.next
    if (this.#range.firstSeq !== "any") this.#expectedSeq = frame.seq + frame.rows
    return frame
  }

  #end(): Damage | undefined {
    const from = this.#damageStart
    this.#damageStart = undefined
    this.#at = this.#filled
    this.#base = this.#range.to - this.#filled
    return from === undefined ? undefined : { kind: "damage", from, to: this.#range.to, isLast: true }
  }
}

export function isDamage(found: Frame | Damage): found is Damage {
  return found.kind === "damage"
}

function newBuffer(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes))
}
