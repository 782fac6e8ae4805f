/** PUBACK, PUBREC, PUBREL and PUBCOMP: two to five bytes that are written millions of times. */
import { type AcknowledgementType, fixedFlags, type ProtocolVersion } from "./packet-type.ts"

export const maxAcknowledgementBytes = 5

/**
 * Writes at `at` and returns the place behind; at most {@link maxAcknowledgementBytes}.
 * @param code is written in 5.0 when it is not 0 (3.4.2.1); 3.1.1 has no place for it.
 */
export function writeAcknowledgement(
  bytes: Uint8Array,
  at: number,
  type: AcknowledgementType,
  packetId: number,
  code: number,
  version: ProtocolVersion,
): number {
  const hasCode = code !== 0 && version === 5
  bytes[at] = (type << 4) | fixedFlags[type]!
  bytes[at + 1] = hasCode ? 3 : 2
  bytes[at + 2] = packetId >> 8
  bytes[at + 3] = packetId & 0xff
  if (!hasCode) return at + 4
  bytes[at + 4] = code
  return at + 5
}
