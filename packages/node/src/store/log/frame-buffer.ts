/** A reusable buffer in which frames are built one after the other. */
import { FogError } from "@brume/core"
import {
  alignment,
  checksum,
  checksumOfGroup,
  commitKind,
  frameHeaderBytes,
  type Marker,
  markerPayloadBytes,
  maxPayloadBytes,
  padded,
  writeMarker,
} from "./format.ts"

const firstCapacity = 64 * 1024
/** A buffer that grew beyond this is not kept for the next group. */
const keptCapacity = 2 * 2 ** 20

export interface FrameLabel {
  readonly kind: number
  readonly flags: number
  readonly rows: number
  readonly seq: number
}

/**
 * Whoever encodes a payload calls {@link begin}, writes through the views from `length` on, moves `length`, and calls
 * {@link end}. The views change when the buffer grows: take them after {@link reserve}.
 */
export class FrameBuffer {
  readonly #seed: number
  bytes!: Buffer
  u8!: Uint8Array
  u16!: Uint16Array
  u32!: Uint32Array
  f64!: Float64Array
  /** Bytes written. */
  length = 0
  /** Frames ended since the last marker, and their checksums. */
  records = 0
  #checksums = new Uint32Array(64)

  /** @param seed begins every checksum: that of the epoch. */
  constructor(seed: number) {
    this.#seed = seed
    this.#allocate(firstCapacity)
  }

  /** Makes room for this many more bytes. */
  reserve(bytes: number): void {
    const needed = this.length + bytes
    if (needed <= this.u8.length) return
    const { u8 } = this
    this.#allocate(padded(Math.max(needed, u8.length * 2)))
    this.u8.set(u8.subarray(0, this.length))
  }

  /** Starts a frame whose payload takes at most so many bytes; returns where it starts. Throws when that is too many. */
  begin(payloadBytes: number): number {
    if (payloadBytes > maxPayloadBytes) {
      throw new FogError("payload_too_large", {
        message: `A record of up to ${payloadBytes} bytes is beyond the log's limit of ${maxPayloadBytes}`,
        hint: "Append smaller batches.",
      })
    }
    this.reserve(frameHeaderBytes + payloadBytes + alignment)
    const start = this.length
    this.length += frameHeaderBytes
    return start
  }

  /** Zeros up to the next multiple of 8. */
  pad(): void {
    while (this.length % alignment !== 0) this.u8[this.length++] = 0
  }

  end(start: number, label: FrameLabel): void {
    const payloadBytes = this.length - start - frameHeaderBytes
    this.pad()
    const word = start >> 2
    this.u32[word + 1] = payloadBytes
    this.u32[word + 2] = label.kind | (label.flags << 8)
    this.u32[word + 3] = label.rows
    this.u32[word + 4] = label.seq >>> 0
    this.u32[word + 5] = Math.floor(label.seq / 0x1_0000_0000)
    const sum = checksum(this.u8.subarray(start + 4, this.length), this.#seed)
    this.u32[word] = sum
    if (this.records === this.#checksums.length) this.#checksums = widened(this.#checksums)
    this.#checksums[this.records++] = sum
  }

  /** Ends a group, or a snapshot, with the marker of all records since the last one. */
  commit(marker: Omit<Marker, "records" | "groupChecksum">, label: Omit<FrameLabel, "kind" | "rows">): void {
    const { records } = this
    const groupChecksum = checksumOfGroup(this.#checksums.subarray(0, records), this.#seed)
    const start = this.begin(markerPayloadBytes)
    writeMarker(this.bytes, this.length, { ...marker, records, groupChecksum })
    this.length += markerPayloadBytes
    this.end(start, { ...label, kind: commitKind, rows: 0 })
    this.records = 0
  }

  /** Goes back to an earlier length and number of records. */
  revert(to: { readonly length: number; readonly records: number }): void {
    this.length = to.length
    this.records = to.records
  }

  get content(): Uint8Array {
    return this.u8.subarray(0, this.length)
  }

  /** Empties it for the next group. */
  clear(): void {
    this.length = 0
    this.records = 0
    if (this.u8.length > keptCapacity) this.#allocate(firstCapacity)
  }

  #allocate(capacity: number): void {
    const memory = new ArrayBuffer(capacity)
    this.bytes = Buffer.from(memory)
    this.u8 = new Uint8Array(memory)
    this.u16 = new Uint16Array(memory)
    this.u32 = new Uint32Array(memory)
    this.f64 = new Float64Array(memory)
  }
}

function widened(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const wider = new Uint32Array(array.length * 2)
  wider.set(array)
  return wider
}
