/**
 * A keyed hash of short bytes: HalfSipHash-1-3, the 32-bit member of the SipHash family that is meant for hash tables.
 * Who does not know the key cannot choose topics that collide.
 */
export function topicHash(bytes: Uint8Array, start: number, end: number, key: Int32Array): number {
  let v0 = key[0]!
  let v1 = key[1]!
  let v2 = v0 ^ 0x6c796765
  let v3 = v1 ^ 0x74656462
  const whole = start + ((end - start) & ~3)
  let at = start
  let rest = 3
  for (;;) {
    let word = 0
    if (at < whole) {
      word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      at += 4
      v3 ^= word
    } else if (rest === 3) {
      // The last word: what is left, and the length.
      word = (end - start) << 24
      for (let shift = 0; at < end; shift += 8) word |= bytes[at++]! << shift
      v3 ^= word
      rest = 2
    } else {
      // Three rounds without input end it.
      if (rest === 2) v2 ^= 0xff
      if (rest < 0) return (v1 ^ v3) >>> 0
      rest--
    }
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
}
