import fc from "fast-check"
import { expect, test } from "vitest"
import {
  covers,
  extent,
  firstGap,
  intersect,
  parseRanges,
  type Range,
  type Ranges,
  rangesOf,
  subtract,
  unite,
} from "./ranges.ts"

const ranges = fc
  .array(
    fc.tuple(fc.nat(60), fc.nat(12)).map(([from, length]): Range => [from, from + length]),
    { maxLength: 8 },
  )
  .map(rangesOf)

const members = (set: Ranges): Set<number> => {
  const all = new Set<number>()
  for (const [from, to] of set) for (let seq = from; seq < to; seq++) all.add(seq)
  return all
}

const isProper = (set: Ranges): boolean => set.every(([from, to], i) => from < to && (i === 0 || set[i - 1]![1] < from))

test("union, difference and intersection agree with sets of single numbers", () => {
  fc.assert(
    fc.property(ranges, ranges, (a, b) => {
      const [inA, inB] = [members(a), members(b)]
      const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((x, y) => x - y)
      expect(sorted(members(unite(a, b)))).toEqual(sorted(new Set([...inA, ...inB])))
      expect(sorted(members(subtract(a, b)))).toEqual(sorted([...inA].filter((seq) => !inB.has(seq))))
      expect(sorted(members(intersect(a, b)))).toEqual(sorted([...inA].filter((seq) => inB.has(seq))))
      for (const set of [unite(a, b), subtract(a, b), intersect(a, b)]) expect(isProper(set)).toBe(true)
      expect(covers(a, b)).toBe([...inB].every((seq) => inA.has(seq)))
    }),
  )
})

test("the first gap is the lowest number that is missing", () => {
  fc.assert(
    fc.property(ranges, fc.nat(70), (set, start) => {
      const all = members(set)
      let expected = start
      while (all.has(expected)) expected++
      expect(firstGap(set, start)).toBe(expected)
    }),
  )
})

test("the extent reaches from the lowest to behind the highest", () => {
  expect(extent([])).toEqual([0, 0])
  expect(
    extent([
      [3, 5],
      [9, 12],
    ]),
  ).toEqual([3, 12])
})

test("ranges survive JSON, and anything else is refused", () => {
  fc.assert(
    fc.property(ranges, (set) => {
      expect(parseRanges(JSON.parse(JSON.stringify(set)))).toEqual(set)
    }),
  )
  for (const wrong of [
    undefined,
    1,
    [[1]],
    [[1, 1]],
    [[2, 1]],
    [[-1, 2]],
    [[1, 2.5]],
    [["1", 2]],
    [
      [1, 5],
      [4, 6],
    ],
  ]) {
    expect(parseRanges(wrong)).toBeUndefined()
  }
})
