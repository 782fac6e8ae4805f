/** Packets that leave together. What was taken is never written again, so a socket may hold it as long as it likes. */
import type { Output } from "../wire/output.ts"

const leastBytes = 4_096

export class GatheredOutput implements Output {
  bytes: Buffer = Buffer.allocUnsafe(0)
  at = 0

  reserve(count: number): void {
    const needed = this.at + count
    if (needed <= this.bytes.length) return
    // Doubled, so that what waits is not copied again and again.
    const larger = Buffer.allocUnsafe(Math.max(leastBytes, needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.at)
    this.bytes = larger
  }

  /** Everything that waits, as one piece. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.at)
    this.bytes = this.bytes.subarray(this.at)
    this.at = 0
    return taken
  }
}
