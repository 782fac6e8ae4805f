/**
 * Packets on their way to one client, gathered until the turn ends, so that a turn costs one call to the system for each
 * client. The memory is lent: a client that is idle has none.
 */
import type { Output } from "../wire/output.ts"
import type { Link } from "./link.ts"

const chunkBytes = 16_384
/** Chunks that are kept while nobody needs them. */
const keptChunks = 64

/** Memory that is used again and again. */
export class ChunkPool {
  readonly #free: Buffer[] = []

  take(bytes: number): Buffer {
    if (bytes > chunkBytes) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)
  }

  give(chunk: Buffer): void {
    if (chunk.length === chunkBytes && this.#free.length < keptChunks) this.#free.push(chunk)
  }
}

const nothing = Buffer.alloc(0)

export class Outbox implements Output {
  bytes: Buffer = nothing
  at = 0
  readonly #link: Link
  readonly #pool: ChunkPool

  constructor(link: Link, pool: ChunkPool) {
    this.#link = link
    this.#pool = pool
  }

  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return
    this.flush()
    this.bytes = this.#pool.take(count)
  }

  /** Bytes of a whole packet that belong to whoever made it. */
  append(packet: Buffer): void {
    if (packet.length > chunkBytes) {
      this.flush()
      this.#link.write(packet)
      return
    }
    this.reserve(packet.length)
    this.bytes.set(packet, this.at)
    this.at += packet.length
  }

  flush(): void {
    const { bytes, at } = this
    if (bytes.length === 0) return
    this.bytes = nothing
    this.at = 0
    if (at === 0 || this.#link.write(bytes.subarray(0, at))) this.#pool.give(bytes)
  }
}
