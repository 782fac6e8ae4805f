import type { KeyedRecord } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { epochSeed, parseFrame } from "./format.ts"
import { FrameBuffer } from "./frame-buffer.ts"
import { decodeKeyed, encodeKeyed, keyedKinds, storedKey } from "./keyed-record.ts"

const seed = epochSeed("0123456789abcdef")

const record: fc.Arbitrary<KeyedRecord> = fc.record({
  kind: fc.constantFrom(...keyedKinds),
  key: fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), fc.constantFrom("", "\u0000", "a/b")),
  value: fc.option(fc.uint8Array(), { nil: undefined }),
})

test("any keyed records come back as they were, one after the other", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1 }), fc.nat(2 ** 31), (records, high) => {
      const firstSeq = high * 2 ** 20
      const buffer = new FrameBuffer(seed)
      for (const [i, one] of records.entries()) encodeKeyed(buffer, one, firstSeq + i)
      let at = 0
      for (const [i, one] of records.entries()) {
        const frame = parseFrame(buffer.bytes, at, seed)!
        expect(frame.seq).toBe(firstSeq + i)
        expect(decodeKeyed(buffer.bytes, frame)).toEqual({ ...one, key: storedKey(one.key) })
        at = frame.next
      }
      expect(at).toBe(buffer.length)
    }),
  )
})

test("an empty value is not a removal", () => {
  const buffer = new FrameBuffer(seed)
  encodeKeyed(buffer, { kind: "state", key: "k", value: new Uint8Array() }, 0)
  expect(decodeKeyed(buffer.bytes, parseFrame(buffer.bytes, 0, seed)!)?.value).toEqual(new Uint8Array())
})

test("a key longer than its record is refused", () => {
  const buffer = new FrameBuffer(seed)
  encodeKeyed(buffer, { kind: "state", key: "k", value: new Uint8Array() }, 0)
  const frame = parseFrame(buffer.bytes, 0, seed)!
  buffer.bytes.writeUInt32LE(1000, frame.start)
  expect(decodeKeyed(buffer.bytes, frame)).toBeUndefined()
})

test("kinds that are not keyed have no records", () => {
  expect(keyedKinds).toEqual(["state", "effect", "document", "session", "manifest", "cursor"])
})
