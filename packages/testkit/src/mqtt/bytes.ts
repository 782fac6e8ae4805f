/**
 * The primitive encodings of MQTT (chapter 1.5), written for tests: encoders take what they are told, also what is
 * malformed; the reader refuses everything that the standard refuses.
 */

/** A violation of the standard in bytes that a broker sent. */
export class MqttViolation extends Error {
  override readonly name = "MqttViolation"
}

export const byte = (value: number): Buffer => Buffer.from([value & 0xff])

export function two(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

export function four(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A variable byte integer. [MQTT-1.5.5-1] */
export function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 128 : low)
  } while (rest > 0)
  return Buffer.from(bytes)
}

/** Binary with a two-byte length, and a string when one is given. */
export function sized(value: string | Uint8Array): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.from(value)
  return Buffer.concat([two(bytes.length), bytes])
}

/** A whole packet: its first byte, the length of the rest, the rest. */
export function frame(first: number, ...body: readonly Uint8Array[]): Buffer {
  const rest = Buffer.concat(body)
  return Buffer.concat([byte(first), varint(rest.length), rest])
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export class BytesReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  take(count: number): Buffer {
    if (count > this.left) throw new MqttViolation(`${count} bytes announced, ${this.left} left in the packet`)
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  byte(): number {
    return this.take(1)[0]!
  }

  two(): number {
    return this.take(2).readUInt16BE()
  }

  four(): number {
    return this.take(4).readUInt32BE()
  }

  varint(): number {
    let value = 0
    for (let index = 0; index < 4; index++) {
      const low = this.byte()
      value += (low & 127) * 128 ** index
      if (low < 128) {
        if (index > 0 && low === 0) throw new MqttViolation("[MQTT-1.5.5-1] an integer of more bytes than it needs")
        return value
      }
    }
    throw new MqttViolation("a variable byte integer of more than four bytes")
  }

  binary(): Buffer {
    return this.take(this.two())
  }

  string(): string {
    const bytes = this.binary()
    try {
      const text = utf8.decode(bytes)
      if (!text.includes("\0")) return text
    } catch {
      throw new MqttViolation(`[MQTT-1.5.4-1] ill-formed UTF-8: ${bytes.toString("hex")}`)
    }
    throw new MqttViolation("[MQTT-1.5.4-2] U+0000 in a string")
  }

  end(): void {
    if (this.left > 0) throw new MqttViolation(`${this.left} bytes behind the end of the packet`)
  }
}
