import { batchOf, maxTimeUs, type ReadingBatch, Series, SeriesCache } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { epochSeed, type Frame, parseFrame } from "./format.ts"
import { FrameBuffer } from "./frame-buffer.ts"
import { decodeReadings, encodeReadings, SeriesDecoder } from "./readings-record.ts"

const seed = epochSeed("0123456789abcdef")

function roundTrip(batch: ReadingBatch, seq = 5, decoder = new SeriesDecoder()): ReadingBatch | undefined {
  const buffer = new FrameBuffer(seed)
  encodeReadings(buffer, batch, seq)
  const frame = parseFrame(buffer.bytes, 0, seed)
  expect(frame).toMatchObject({ seq, rows: batch.length, next: buffer.length })
  return decodeReadings(buffer.bytes, frame!, decoder)
}

/** Everything of a batch, row by row; -0 and NaN are told apart by Object.is in toEqual. */
function rowsOf(batch: ReadingBatch | undefined) {
  if (batch === undefined) return undefined
  const origin = { node: "n", epoch: "e", firstSeq: 0 }
  return Array.from({ length: batch.length }, (_, row) => ({ ...batch.readingAt(row, origin), raw: batch.value[row] }))
}

const wellFormed = fc.string({ unit: "grapheme", maxLength: 20 })
const anyText = fc.oneof(wellFormed, fc.constantFrom("", "\u0000", "\ufeff\u2028", "👩‍👩‍👧", "e\u0301", "\u{10ffff}"))
const time = fc.oneof(
  fc.integer({ min: -maxTimeUs, max: maxTimeUs }),
  fc.constantFrom(0, -1, maxTimeUs, -maxTimeUs, 1_735_689_600_000_000),
)
const number = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, Number.MIN_VALUE, -Number.MIN_VALUE, Number.MAX_VALUE, 2 ** -1074, Number.EPSILON),
)
const value = fc.oneof(
  { weight: 3, arbitrary: number.map((value) => ({ value })) },
  anyText.map((text) => ({ text })),
  fc.json({ maxDepth: 2 }).map((json) => ({ json })),
  fc.bigInt().map((digits) => ({ json: String(digits), value: Number(digits) })),
)
const reading = fc
  .tuple(
    anyText,
    anyText,
    fc.constantFrom("{}", '{"a":"b"}', '{"a":"\\u0000é"}'),
    time,
    value,
    fc.integer({ max: 255, min: 0 }),
  )
  .map(([device, property, tags, time, value, quality]) => ({ device, property, tags, time, quality, ...value }))

test("any batch comes back as it was", () => {
  fc.assert(
    fc.property(fc.array(reading, { minLength: 1, maxLength: 80 }), time, (readings, received) => {
      const batch = batchOf(readings)
      batch.received = received
      expect(rowsOf(roundTrip(batch))).toEqual(rowsOf(batch))
    }),
  )
})

test.each([1, 2, 255, 256, 257, 65_536, 65_537])("a batch of %i series keeps each reading with its own", (count) => {
  const batch = batchOf([])
  for (let i = 0; i < count; i++) batch.addNumber(new Series(`device-${i}`, "p"), i, i)
  batch.addNumber(batch.series[count - 1]!, 7, 7)
  const back = roundTrip(batch)!
  expect(back.series.length).toBe(count)
  for (const row of [0, 1, count >> 1, count - 1, count].filter((row) => row <= count)) {
    expect(back.series[back.seriesIndex[row]!]!.device).toBe(batch.series[batch.seriesIndex[row]!]!.device)
    expect(back.value[row]).toBe(batch.value[row])
  }
})

test("equal kinds, equal qualities, one series and missing numbers take no room", () => {
  const size = (batch: ReadingBatch) => {
    const buffer = new FrameBuffer(seed)
    encodeReadings(buffer, batch, 0)
    return buffer.length
  }
  const cache = new SeriesCache()
  const numbers = (count: number) =>
    batchOf(
      Array.from({ length: count }, (_, i) => ({ value: i, time: i })),
      cache,
    )
  const texts = (count: number) =>
    batchOf(
      Array.from({ length: count }, (_, i) => ({ text: "", time: i })),
      cache,
    )
  expect(size(numbers(1001)) - size(numbers(1))).toBe(1000 * 16)
  expect(size(texts(1001)) - size(texts(1))).toBe(1000 * 12)
})

test("text without UTF-8 comes back with replacement characters", () => {
  expect(roundTrip(batchOf([{ text: "a\ud800b" }]))?.payload).toEqual(["a\ufffdb"])
})

test("one decoder gives one Series for one identity, also across records", () => {
  const decoder = new SeriesDecoder()
  const first = roundTrip(batchOf([{ device: "a" }, { device: "b" }]), 0, decoder)!
  const second = roundTrip(batchOf([{ device: "b" }]), 9, decoder)!
  expect(second.series[0]).toBe(first.series[1])
})

test("a full decoder starts anew and stays right", () => {
  const decoder = new SeriesDecoder(2)
  for (const device of ["a", "b", "c", "a"]) {
    expect(roundTrip(batchOf([{ device }]), 0, decoder)!.series[0]!.device).toBe(device)
  }
})

test("content that contradicts itself is refused, whatever it is", () => {
  const buffer = new FrameBuffer(seed)
  encodeReadings(
    buffer,
    batchOf([
      { device: "a", text: "x" },
      { device: "b", value: 1 },
    ]),
    0,
  )
  const frame = parseFrame(buffer.bytes, 0, seed)!
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(buffer.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (changes) => {
        const bytes = Buffer.from(new ArrayBuffer(buffer.length))
        bytes.set(buffer.content)
        for (const [at, byte] of changes) if (at >= frame.start) bytes[at] = byte
        const read = decodeReadings(bytes, frame as Frame, new SeriesDecoder())
        if (read !== undefined) expect(read.length).toBe(2)
      },
    ),
    { numRuns: 2000 },
  )
})

test("a batch beyond the record limit is refused by its size", () => {
  const batch = batchOf([{ text: "x".repeat(30 * 2 ** 20) }])
  expect(() => encodeReadings(new FrameBuffer(seed), batch, 0)).toThrow(
    expect.objectContaining({ code: "payload_too_large" }),
  )
})
