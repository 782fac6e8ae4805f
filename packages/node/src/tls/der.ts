/** The few parts of DER (ITU-T X.690) that a certificate is made of. */

export type Der = Uint8Array

const encode = (tag: number, ...parts: readonly Uint8Array[]): Der => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content])
}

/** Short form below 128, else the number of length bytes and these. */
function lengthOf(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

export const sequence = (...parts: readonly Der[]): Der => encode(0x30, ...parts)
export const setOf = (part: Der): Der => encode(0x31, part)
export const octets = (content: Uint8Array): Der => encode(0x04, content)
export const utf8 = (text: string): Der => encode(0x0c, Buffer.from(text))
export const yes: Der = encode(0x01, Buffer.from([0xff]))

/** A positive whole number from its bytes. */
export function positive(bytes: Uint8Array): Der {
  const first = bytes.findIndex((byte) => byte !== 0)
  const significant = first < 0 ? Buffer.from([0]) : bytes.subarray(first)
  // The highest bit would make it negative.
  return encode(0x02, ...(significant[0]! >= 0x80 ? [Buffer.from([0]), significant] : [significant]))
}

/** Whole bytes as a string of bits. */
export const bits = (content: Uint8Array): Der => encode(0x03, Buffer.from([0]), content)

/** `YYYYMMDDHHMMSSZ`; up to 2049 a certificate writes two digits of the year. [RFC 5280 4.1.2.5] */
export function time(text: string): Der {
  return text < "2050" ? encode(0x17, Buffer.from(text.slice(2))) : encode(0x18, Buffer.from(text))
}

/** An object identifier such as `2.5.4.3`. */
export function identifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const groups = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return encode(0x06, Buffer.from(bytes))
}

/** A part with a number of its context around it. */
export const around = (number: number, part: Der): Der => encode(0xa0 | number, part)
/** A part whose number of its context stands for its type. */
export const instead = (number: number, content: Uint8Array): Der => encode(0x80 | number, content)
