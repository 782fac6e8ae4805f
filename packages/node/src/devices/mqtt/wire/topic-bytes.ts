/**
 * Whether bytes are a text, a topic name or a topic filter, without making a string of them.
 *
 * A text is well-formed UTF-8 without U+0000 [MQTT-1.5.4-1, MQTT-1.5.4-2]. Control characters and non-characters are
 * allowed by the protocol and stay. Each function goes over the bytes once.
 */

const slash = 0x2f
const plus = 0x2b
const hash = 0x23

/** By byte: 0 needs no look in any text, 1 is the zero, 2 a wildcard, 3 begins or continues a sequence. */
const kinds = new Uint8Array(256)
kinds[0] = 1
kinds[plus] = 2
kinds[hash] = 2
kinds.fill(3, 0x80)

export function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const kind = kinds[bytes[at]!]!
    if (kind === 3) {
      at = behindSequence(bytes, at, end)
      if (at < 0) return false
    } else if (kind === 1) return false
    else at++
  }
  return true
}

/** A text without wildcards [MQTT-3.3.2-2]. An empty one is the caller's business: with an alias it is good. */
export function isTopicText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const kind = kinds[bytes[at]!]!
    if (kind === 0) at++
    else if (kind === 3) {
      at = behindSequence(bytes, at, end)
      if (at < 0) return false
    } else return false
  }
  return true
}

/** `#` is the whole last level, `+` a whole level; at least one character. [MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1] */
export function isFilterText(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end || !isText(bytes, start, end)) return false
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte !== plus && byte !== hash) continue
    if (at > start && bytes[at - 1] !== slash) return false
    if (at + 1 < end && (byte === hash || bytes[at + 1] !== slash)) return false
  }
  return true
}

const shareBytes: readonly number[] = [..."$share/"].map((letter) => letter.charCodeAt(0))

/** Whether a filter claims to be a shared subscription. */
export function isShared(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= shareBytes.length && shareBytes.every((byte, index) => bytes[start + index] === byte)
}

/**
 * `$share/<name>/<filter>` with a name of at least one character and no wildcards. [MQTT-4.8.2-1, MQTT-4.8.2-2]
 * `$share` alone is a filter like any other.
 */
export function isSharedFilterText(bytes: Uint8Array, start: number, end: number): boolean {
  const nameStart = start + shareBytes.length
  let nameEnd = nameStart
  while (nameEnd < end && bytes[nameEnd] !== slash) nameEnd++
  if (nameEnd === nameStart || nameEnd >= end) return false
  return isTopicText(bytes, nameStart, nameEnd) && isFilterText(bytes, nameEnd + 1, end)
}

/** The place behind a sequence of several bytes, or -1: overlong, surrogate, beyond U+10FFFF, cut. (RFC 3629, section 4) */
function behindSequence(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  if (first < 0xc2 || first > 0xf4) return -1
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  if (at + length > end) return -1
  const second = bytes[at + 1]!
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (second < least || second > most) return -1
  for (let place = at + 2; place < at + length; place++) if ((bytes[place]! & 0xc0) !== 0x80) return -1
  return at + length
}
