/**
 * Bytes that wait to be sent on one connection. What was taken is never written again, so a socket may hold it as long
 * as it likes; packets that are taken one after the other share a block of memory. Blocks begin small and grow with what
 * is written: ten thousand quiet connections hold next to nothing.
 */
const firstBlockBytes = 256
const maxBlockBytes = 16_384
const nothing = Buffer.alloc(0)

export class Output {
  bytes: Buffer = nothing
  /** Where the next byte goes. */
  at = 0
  #taken = 0
  #blockBytes = firstBlockBytes

  /** Bytes that wait. */
  get length(): number {
    return this.at - this.#taken
  }

  /** Makes room: afterwards so many bytes may be written at `at`, which the writer moves. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return
    const { length } = this
    // Doubled, so that what waits is not copied again and again.
    const larger = Buffer.allocUnsafe(Math.max(this.#blockBytes, (length + count) * (length === 0 ? 1 : 2)))
    this.bytes.copy(larger, 0, this.#taken, this.at)
    this.bytes = larger
    this.#taken = 0
    this.at = length
    this.#blockBytes = Math.min(this.#blockBytes * 2, maxBlockBytes)
  }

  /** Everything that waits, as one piece. */
  take(): Buffer {
    const taken = this.bytes.subarray(this.#taken, this.at)
    this.#taken = this.at
    // A block that is larger than usual is not kept for the sake of its rest.
    if (this.bytes.length > maxBlockBytes) this.release()
    return taken
  }

  /** Gives the block back when nothing waits: for connections that have become quiet. */
  release(): void {
    if (this.length > 0) return
    this.bytes = nothing
    this.at = 0
    this.#taken = 0
    this.#blockBytes = firstBlockBytes
  }
}
