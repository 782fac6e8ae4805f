/** Where packets are written. */
export interface Output {
  /** Read it anew after {@link reserve}: it may be another one. */
  bytes: Buffer
  /** Where the next byte goes; whoever writes moves it. */
  at: number
  /** Makes room: afterwards so many bytes may be written at `at`. */
  reserve(count: number): void
}

const blockBytes = 16_384

/**
 * Packets as one piece of memory. What was taken is never written again, so a socket may hold it as long as it likes; a
 * block of memory is shared by the packets that are taken one after the other.
 */
export class OutputBuffer implements Output {
  bytes: Buffer = Buffer.allocUnsafe(0)
  /** Where the next byte goes. */
  at = 0
  #taken = 0

  /** Bytes that wait. */
  get length(): number {
    return this.at - this.#taken
  }

  /** Makes room: afterwards so many bytes may be written at `at`, which the writer moves. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return
    const { length } = this
    // Doubled, so that a long answer is not copied again and again.
    const larger = Buffer.allocUnsafe(Math.max(blockBytes, (length + count) * (length === 0 ? 1 : 2)))
    this.bytes.copy(larger, 0, this.#taken, this.at)
    this.bytes = larger
    this.#taken = 0
    this.at = length
  }

  /** Everything that waits, as one piece. */
  take(): Buffer {
    const taken = this.bytes.subarray(this.#taken, this.at)
    this.#taken = this.at
    return taken
  }
}
