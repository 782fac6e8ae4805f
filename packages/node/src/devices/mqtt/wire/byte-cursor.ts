/**
 * Reads the fields of one packet. The first thing that is wrong is kept in `refusal`; from then on the cursor stands at
 * its end and gives zeros and empty texts, so that parsers read on without asking after each field, and every loop ends.
 */
import { maxVariableInteger } from "./packet-type.ts"
import { malformed, type Refusal } from "./reason.ts"
import { isText } from "./topic-bytes.ts"

const cut = malformed("A field reaches beyond its packet")
const badInteger = malformed("A variable byte integer has more than four bytes, or more than it needs")
const badText = malformed("A text is not well-formed UTF-8, or has the character U+0000")
const nothing = Buffer.alloc(0)

export class ByteCursor {
  bytes: Buffer = nothing
  at = 0
  end = 0
  refusal: Refusal | undefined
  /** Where the text or binary that was passed last begins and ends. */
  from = 0
  to = 0

  begin(bytes: Buffer, at: number, end: number): void {
    this.bytes = bytes
    this.at = at
    this.end = end
    this.refusal = undefined
  }

  refuse(refusal: Refusal): void {
    this.refusal ??= refusal
    this.at = this.end
  }

  get isAtEnd(): boolean {
    return this.at >= this.end
  }

  byte(): number {
    return this.#has(1) ? this.bytes[this.at++]! : 0
  }

  twoBytes(): number {
    if (!this.#has(2)) return 0
    const { bytes, at } = this
    this.at = at + 2
    return (bytes[at]! << 8) | bytes[at + 1]!
  }

  fourBytes(): number {
    if (!this.#has(4)) return 0
    const { bytes, at } = this
    this.at = at + 4
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  }

  /** [MQTT-1.5.5-1]: at most four bytes, and no more than the value needs. */
  variableInteger(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      if (!this.#has(1)) return 0
      const byte = this.bytes[this.at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (byte !== 0 || shift === 0) return value
        break
      }
    }
    this.refuse(badInteger)
    return 0
  }

  /** Goes behind a binary; `from` and `to` are its place. */
  passBinary(): void {
    const length = this.twoBytes()
    if (!this.#has(length)) {
      this.from = this.at
      this.to = this.at
      return
    }
    this.from = this.at
    this.at += length
    this.to = this.at
  }

  /** As {@link passBinary}, for a text. */
  passText(): void {
    this.passBinary()
    if (this.refusal === undefined && !isText(this.bytes, this.from, this.to)) this.refuse(badText)
  }

  text(): string {
    this.passText()
    return this.passedText()
  }

  /** A copy, which may be kept. */
  binary(): Buffer {
    this.passBinary()
    return Buffer.from(this.bytes.subarray(this.from, this.to))
  }

  passedText(): string {
    return this.refusal === undefined ? this.bytes.toString("utf8", this.from, this.to) : ""
  }

  #has(count: number): boolean {
    if (this.at + count <= this.end) return true
    this.refuse(cut)
    return false
  }
}

/** Bytes that a variable byte integer takes. */
export function variableIntegerBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4
}

/** Writes a variable byte integer; returns the place behind it. */
export function writeVariableInteger(bytes: Uint8Array, at: number, value: number): number {
  if (value > maxVariableInteger) throw new RangeError(`${value} is no variable byte integer`)
  let rest = value
  let place = at
  while (rest >= 0x80) {
    bytes[place++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[place++] = rest
  return place
}
