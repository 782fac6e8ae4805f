/**
 * Frames: 4 bytes of length, most significant first, and so many bytes of JSON. What a child sends is read as hostile.
 *
 * - A frame that came whole is read where it lies; of one that comes in pieces no more is held than it announced, and it
 *   may announce no more than the limit.
 */

const headerBytes = 4

/** All texts as frames, in one buffer: one write for a turn of the event loop. */
export function encodeFrames(texts: readonly string[]): Buffer {
  let size = 0
  const lengths = new Array<number>(texts.length)
  for (let place = 0; place < texts.length; place++) {
    const length = Buffer.byteLength(texts[place]!)
    lengths[place] = length
    size += headerBytes + length
  }
  const frames = Buffer.allocUnsafe(size)
  let at = 0
  for (let place = 0; place < texts.length; place++) {
    const length = lengths[place]!
    const text = texts[place]!
    at = frames.writeUInt32BE(length, at)
    // A text with as many bytes as characters is ASCII.
    if (length === text.length) frames.write(text, at, "latin1")
    else frames.write(text, at, "utf8")
    at += length
  }
  return frames
}

export class FrameReader {
  /** Bytes of one frame at most. */
  limit: number
  #header = Buffer.alloc(headerBytes)
  #headerFilled = 0
  #frame: Buffer | undefined
  #filled = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Calls `each` with the text of every frame that is whole now. Returns what is wrong with the bytes, if anything is. */
  read(chunk: Buffer, each: (text: string) => void): string | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.#frame !== undefined) {
        at += this.#fill(chunk, at)
        if (this.#filled < this.#frame.length) return undefined
        const text = this.#frame.toString("utf8")
        this.#frame = undefined
        each(text)
        continue
      }
      if (this.#headerFilled > 0 || chunk.length - at < headerBytes) {
        const taken = chunk.copy(this.#header, this.#headerFilled, at, at + headerBytes - this.#headerFilled)
        this.#headerFilled += taken
        at += taken
        if (this.#headerFilled < headerBytes) return undefined
        this.#headerFilled = 0
        const wrong = this.#begin(this.#header.readUInt32BE(0))
        if (wrong !== undefined) return wrong
        continue
      }
      const length = chunk.readUInt32BE(at)
      at += headerBytes
      if (length > 0 && length <= this.limit && at + length <= chunk.length) {
        each(chunk.toString("utf8", at, at + length))
        at += length
        continue
      }
      const wrong = this.#begin(length)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  #begin(length: number): string | undefined {
    if (length === 0) return "it sent an empty frame"
    if (length > this.limit) return `it announced a frame of ${length} bytes; at most ${this.limit} are taken`
    this.#frame = Buffer.allocUnsafe(length)
    this.#filled = 0
    return undefined
  }

  #fill(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#frame!, this.#filled, at, at + this.#frame!.length - this.#filled)
    this.#filled += taken
    return taken
  }
}
