import fc from "fast-check"
import { expect, test } from "vitest"
import { encodeFrames, FrameReader } from "./frames.ts"

/** Cuts bytes at the given places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
}

test("frames come out as they went in, however their bytes are split and joined", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string({ minLength: 1, unit: "grapheme" }), fc.string({ minLength: 1 })), { maxLength: 20 }),
      fc.array(fc.nat(2_000), { maxLength: 30 }),
      (texts, cuts) => {
        const reader = new FrameReader(100_000)
        const read: string[] = []
        for (const piece of pieces(encodeFrames(texts), cuts))
          expect(reader.read(piece, (text) => read.push(text))).toBe(undefined)
        // A half of a surrogate pair has no bytes of its own.
        expect(read).toEqual(texts.map((text) => Buffer.from(text).toString()))
      },
    ),
  )
})

test("byte by byte, and all at once", () => {
  const texts = ["a", "grüße", "霧".repeat(1_000), "[]"]
  const bytes = encodeFrames(texts)
  const read: string[] = []
  const reader = new FrameReader(10_000)
  for (const byte of bytes) reader.read(Buffer.from([byte]), (text) => read.push(text))
  reader.read(bytes, (text) => read.push(text))
  expect(read).toEqual([...texts, ...texts])
})

test("random bytes are either frames within the limit or refused, and never more memory than the limit", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
      const reader = new FrameReader(64)
      for (const chunk of chunks) {
        const wrong = reader.read(Buffer.from(chunk), (text) => expect(text.length).toBeLessThanOrEqual(64))
        if (wrong === undefined) continue
        expect(wrong).toMatch(/^it (sent an empty frame|announced a frame of \d+ bytes)/)
        return
      }
    }),
  )
})

test("a frame beyond the limit is refused by its header, and one at the limit is read", () => {
  const reader = new FrameReader(5)
  const read: string[] = []
  expect(reader.read(encodeFrames(["12345"]), (text) => read.push(text))).toBe(undefined)
  expect(read).toEqual(["12345"])
  expect(reader.read(encodeFrames(["123456"]), (text) => read.push(text))).toContain("announced a frame of 6 bytes")
  expect(new FrameReader(5).read(Buffer.from([255, 255, 255, 255]), () => {})).toContain("4294967295")
  expect(new FrameReader(5).read(Buffer.alloc(4), () => {})).toContain("empty")
})
