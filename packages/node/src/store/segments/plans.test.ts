import fc from "fast-check"
import { expect, test } from "vitest"
import type { SegmentEntry } from "./manifest.ts"
import { planMerge } from "./merge-plan.ts"
import { planDrops } from "./retention-plan.ts"

const entryOf = (from: number, rows: number, changes: Partial<SegmentEntry> = {}): SegmentEntry => ({
  name: String(from).padStart(20, "0"),
  node: "n",
  epoch: "e",
  ranges: [[from, from + rows]],
  rows,
  bytes: rows * 3,
  sha256: "",
  minTime: 0,
  maxTime: 0,
  minReceived: from,
  maxReceived: from + rows,
  ...changes,
})

const limits = { mergeRows: 10_000, maxBytes: Number.POSITIVE_INFINITY, maxSpanUs: Number.POSITIVE_INFINITY }

/** Seals segments one after the other and merges whenever there is something to merge. */
function grow(sizes: readonly number[]): { segments: SegmentEntry[]; written: number } {
  let segments: SegmentEntry[] = []
  let written = 0
  let from = 0
  for (const rows of sizes) {
    segments.push(entryOf(from, rows))
    from += rows
    for (;;) {
      const group = planMerge(segments, limits)
      if (group === undefined) break
      const at = segments.indexOf(group[0]!)
      expect(segments.slice(at, at + group.length), "neighbours").toEqual(group)
      const merged = entryOf(
        group[0]!.minReceived,
        group.reduce((sum, one) => sum + one.rows, 0),
      )
      written += merged.rows
      segments = [...segments.slice(0, at), merged, ...segments.slice(at + group.length)]
    }
  }
  return { segments, written }
}

test("merging keeps files few and writes each row a logarithmic number of times", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 300 }), (sizes) => {
      const { segments, written } = grow(sizes)
      const rows = sizes.reduce((sum, size) => sum + size, 0)
      for (const segment of segments) expect(segment.rows).toBeLessThanOrEqual(limits.mergeRows)
      // Three files of each doubling, and those that are full; a full one is at least half full beside another.
      expect(segments.length).toBeLessThanOrEqual(3 * Math.log2(limits.mergeRows) + (3 * rows) / limits.mergeRows)
      expect(written).toBeLessThanOrEqual(rows * Math.log2(limits.mergeRows))
    }),
    { numRuns: 30 },
  )
  const { segments, written } = grow(Array.from({ length: 1_000 }, () => 100))
  expect(segments.length).toBeLessThanOrEqual(20)
  expect(written / 100_000).toBeLessThanOrEqual(5)
})

test("segments of different epochs, too large or too far apart in time are not merged", () => {
  const four = [0, 100, 200, 300].map((from) => entryOf(from, 100))
  expect(planMerge(four, limits)).toEqual(four)
  expect(planMerge(four.slice(1), limits), "three").toBeUndefined()
  expect(planMerge(four.slice(2), { ...limits, mergeRows: 250 }), "two that fill a file").toEqual(four.slice(2))
  expect(
    planMerge([...four.slice(0, 2), ...four.slice(2).map((one) => ({ ...one, epoch: "f" }))], limits),
  ).toBeUndefined()
  expect(planMerge(four, { ...limits, mergeRows: 399 }), "three that nearly fill a file").toEqual(four.slice(0, 3))
  expect(planMerge(four, { ...limits, mergeRows: 199 })).toBeUndefined()
  expect(planMerge(four, { ...limits, maxBytes: 1_199 })).toBeUndefined()
  expect(planMerge(four, { ...limits, maxSpanUs: 399 })).toBeUndefined()
  expect(planMerge([entryOf(0, 10_000), ...four.slice(1)], { ...limits, mergeRows: 1e9 }), "one large").toBeUndefined()
})

test("the oldest are dropped first, no more than needed", () => {
  const three = [0, 100, 200].map((from) => entryOf(from, 100))
  const names = (drops: ReturnType<typeof planDrops>) => drops.map(({ entry, reason }) => [entry.minReceived, reason])
  const calm = { nowUs: 1_000_000, neededBytes: 0 }
  expect(planDrops(three, {}, calm)).toEqual([])
  expect(names(planDrops(three, { maxAgeMs: 1_000 - 0.2 }, calm))).toEqual([[0, "age"]])
  expect(planDrops(three, { maxAgeMs: 1_000 - 0.1 }, calm), "the last reading is just young enough").toEqual([])
  expect(names(planDrops(three, { maxBytes: 899 }, calm))).toEqual([[0, "bytes"]])
  expect(names(planDrops([...three].reverse(), { maxBytes: 300 }, calm))).toEqual([
    [0, "bytes"],
    [100, "bytes"],
  ])
  expect(names(planDrops(three, {}, { ...calm, neededBytes: 301 }))).toEqual([
    [0, "disk"],
    [100, "disk"],
  ])
  expect(names(planDrops(three, { maxAgeMs: 0, maxBytes: 0 }, calm)).map(([, reason]) => reason)).toEqual([
    "age",
    "age",
    "age",
  ])
})
