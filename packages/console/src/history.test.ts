import { describe, expect, it } from "vitest"
import {
  addToBuckets,
  addToChanges,
  type Bucket,
  bucketsStatement,
  type Change,
  columnsOf,
  parseBuckets,
  parseChanges,
  ranges,
  statesOf,
  summaryOf,
} from "./history.ts"

const point = (time: number, value: number | null, text: string | null = null) => ({ time, value, text })
const single = (start: number, value: number): Bucket => ({ start, count: 1, sum: value, low: value, high: value })

describe("history", () => {
  it("asks for one bucket per pixel or two", () => {
    for (const range of ranges) {
      expect(range.spanMs / range.bucketMs).toBeGreaterThanOrEqual(450)
      expect(range.spanMs / range.bucketMs).toBeLessThanOrEqual(720)
      expect(range.spanMs % range.bucketMs).toBe(0)
    }
  })

  it("gives names as parameters, never inside the statement", () => {
    const statement = bucketsStatement({ device: "a'b", property: "p", tags: "{}" }, 0, 2_000)
    expect(statement.sql).not.toContain("a'b")
    expect(statement.parameters).toEqual(["a'b", "p", "{}", "1970-01-01 00:00:00.000"])
  })

  it("reads rows in any order, also with integers as text", () => {
    const rows = [
      { start: "4000", count: 1, sum: 2, low: 2, high: 2 },
      { start: "2000", count: "2", sum: 3, low: 1, high: 2 },
    ]
    expect(parseBuckets(rows).map((bucket) => bucket.start)).toEqual([2_000, 4_000])
  })

  it("adds a live reading to its bucket, begins a new one, and finds the place of a late one", () => {
    const buckets = [single(0, 1), single(4_000, 5)]
    addToBuckets(buckets, point(4_500, 7), 2_000)
    addToBuckets(buckets, point(6_000, 9), 2_000)
    addToBuckets(buckets, point(2_100, 3), 2_000)
    addToBuckets(buckets, point(100, -1), 2_000)
    addToBuckets(buckets, point(7_000, null, "text"), 2_000)
    expect(buckets).toEqual([
      { start: 0, count: 2, sum: 0, low: -1, high: 1 },
      single(2_000, 3),
      { start: 4_000, count: 2, sum: 12, low: 5, high: 7 },
      single(6_000, 9),
    ])
    expect(summaryOf(buckets)).toEqual({ count: 6, low: -1, mean: 4, high: 9 })
    expect(summaryOf([])).toBeUndefined()
  })

  it("holds a bounded number of buckets", () => {
    const buckets: Bucket[] = []
    for (let second = 0; second < 2_500; second++) addToBuckets(buckets, point(second * 1_000, 1), 1_000)
    expect(buckets.length).toBe(2_000)
    expect(buckets[0]!.start).toBe(500_000)
  })

  it("breaks the line where readings are missing, but not where they are rare", () => {
    const often = [0, 2_000, 4_000, 60_000, 62_000].map((start) => single(start, 1))
    expect(columnsOf(often, 2_000).mean).toEqual([1, 1, 1, null, 1, 1])
    const rare = [0, 60_000, 120_000, 190_000].map((start) => single(start, 1))
    expect(columnsOf(rare, 2_000).mean).toEqual([1, 1, 1, 1])
    expect(columnsOf([], 2_000).time).toEqual([])
  })

  it("knows the state at the beginning of the window from the change before it", () => {
    const rows = [40, 10, 20].map((start) => ({ start, state: `at ${start}` }))
    expect(parseChanges(rows, 30).map((change) => change.start)).toEqual([20, 40])
    expect(parseChanges(rows, 5).map((change) => change.start)).toEqual([10, 20, 40])
  })

  it("follows states, ignores repetitions, and puts the longest first", () => {
    const changes: Change[] = [{ start: 0, state: "closed" }]
    for (const [time, state] of [
      [10, "closed"],
      [20, "open"],
      [30, "closed"],
      [25, "open"],
    ] as const)
      addToChanges(changes, point(time, null, state))
    expect(changes.map((change) => `${change.start} ${change.state}`)).toEqual(["0 closed", "20 open", "30 closed"])
    expect(statesOf(changes, 40)).toEqual(["closed", "open"])
    expect(statesOf(changes, 40, 1)).toEqual(["closed"])
  })
})
