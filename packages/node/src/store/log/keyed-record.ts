/** A keyed record: key bytes u32 | key | value. Of a removal there is no value. */
import { type KeyedKind, type KeyedRecord, recordKind } from "@brume/core"
import { type Frame, flag } from "./format.ts"
import type { FrameBuffer } from "./frame-buffer.ts"

const kindNames: ReadonlyMap<number, KeyedKind> = new Map(
  Object.entries(recordKind)
    .filter(([name]) => name !== "readings")
    .map(([name, number]) => [number, name as KeyedKind]),
)

export const keyedKinds: readonly KeyedKind[] = [...kindNames.values()]

export function encodeKeyed(buffer: FrameBuffer, record: KeyedRecord, seq: number): void {
  const { key, value } = record
  const kind = recordKind[record.kind]
  if (!kindNames.has(kind)) throw new TypeError(`Not a kind of keyed records: ${record.kind}`)
  const start = buffer.begin(4 + key.length * 3 + (value?.length ?? 0))
  const at = buffer.length
  const keyBytes = buffer.bytes.write(key, at + 4)
  buffer.bytes.writeUInt32LE(keyBytes, at)
  buffer.length += 4 + keyBytes
  if (value !== undefined) {
    buffer.u8.set(value, buffer.length)
    buffer.length += value.length
  }
  buffer.end(start, { kind, flags: value === undefined ? flag.removed : 0, rows: 1, seq })
}

/** Undefined when the content contradicts itself. The value is a copy. */
export function decodeKeyed(buffer: Buffer, frame: Frame): KeyedRecord | undefined {
  const kind = kindNames.get(frame.kind)
  if (kind === undefined || frame.rows !== 1 || frame.end - frame.start < 4) return undefined
  const keyStart = frame.start + 4
  const keyEnd = keyStart + buffer.readUInt32LE(frame.start)
  if (keyEnd > frame.end) return undefined
  const key = buffer.toString("utf8", keyStart, keyEnd)
  const isRemoved = (frame.flags & flag.removed) !== 0
  return { kind, key, value: isRemoved ? undefined : new Uint8Array(buffer.subarray(keyEnd, frame.end)) }
}

/** A key as it comes back from the disk: a lone surrogate, which has no UTF-8, becomes U+FFFD. */
export function storedKey(key: string): string {
  return /\p{Surrogate}/u.test(key) ? key.replace(/\p{Surrogate}/gu, "\ufffd") : key
}
