import { batchOf } from "@brume/core"
import { SeededRandom } from "@brume/testkit"
import { expect, test } from "vitest"
import { PendingRows } from "./pending-rows.ts"

test("rows leave in the order in which they came, whatever the slices, and account for their sequences at the end", () => {
  const random = new SeededRandom(1)
  const pending = new PendingRows()
  let next = 0
  const left: number[] = []
  let coveredTo = 0
  const take = (): void => {
    const slice = pending.peek(random.below(50) + 1, random.below(2_000) + 1)
    for (const { firstSeq, from, to } of slice.parts) for (let row = from; row < to; row++) left.push(firstSeq + row)
    pending.drop(slice)
    for (const [from, to] of slice.covers) {
      expect(from).toBe(coveredTo)
      coveredTo = to
    }
    expect(left.at(-1) ?? -1, "covered before it left").toBeGreaterThanOrEqual(coveredTo - 6)
    expect(left.at(-1) ?? -1, "left without being covered").toBeLessThan(coveredTo)
  }
  const all: number[] = []
  for (let step = 0; step < 3_000; step++) {
    const count = random.below(60)
    // A few sequences of records that are no readings lie between.
    const firstSeq = next + random.below(5)
    const batch = batchOf(
      Array.from({ length: count }, (_, i) => (i % 3 === 0 ? { text: "x".repeat(i) } : { value: i })),
    )
    pending.add({ batch, firstSeq, from: 0, to: count })
    pending.cover([[next, firstSeq + count]])
    for (let row = 0; row < count; row++) all.push(firstSeq + row)
    next = firstSeq + count
    if (random.chance(0.6)) take()
  }
  while (!pending.isEmpty) take()
  expect(left).toEqual(all)
  expect(coveredTo).toBe(next)
  expect([pending.rows, pending.batches, pending.payloadBytes]).toEqual([0, 0, 0])
})

test("a batch that is cut is accounted for part by part, each sequence once", () => {
  const pending = new PendingRows()
  const batch = batchOf(Array.from({ length: 10 }, (_, i) => ({ value: i })))
  pending.add({ batch, firstSeq: 100, from: 0, to: 6 })
  pending.add({ batch, firstSeq: 100, from: 8, to: 10 })
  pending.cover([
    [100, 106],
    [108, 110],
  ])
  const covered: unknown[] = []
  while (!pending.isEmpty) {
    const slice = pending.peek(4, 1_000)
    pending.drop(slice)
    covered.push(slice.covers)
  }
  expect(covered).toEqual([
    [[100, 104]],
    [
      [104, 106],
      [108, 110],
    ],
  ])
})
