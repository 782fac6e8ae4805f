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
