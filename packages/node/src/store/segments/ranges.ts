/** Sets of sequences as half-open ranges: sorted, disjoint and not touching each other. Pure. */

/** from ≤ seq < to. */
export type Range = readonly [from: number, to: number]
export type Ranges = readonly Range[]

/** Any ranges, in any order, overlapping or empty, as a proper set. */
export function rangesOf(ranges: Iterable<Range>): Ranges {
  const sorted = [...ranges].filter(([from, to]) => from < to).sort(([a], [b]) => a - b)
  const merged: [number, number][] = []
  for (const [from, to] of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

export function unite(a: Ranges, b: Ranges): Ranges {
  return rangesOf([...a, ...b])
}

/** What is in `a` and not in `b`. */
export function subtract(a: Ranges, b: Ranges): Ranges {
  const left: Range[] = []
  let next = 0
  for (const [from, to] of a) {
    let at = from
    while (next < b.length && b[next]![1] <= at) next++
    for (let i = next; i < b.length && b[i]![0] < to; i++) {
      const [holeFrom, holeTo] = b[i]!
      if (at < holeFrom) left.push([at, holeFrom])
      at = Math.max(at, holeTo)
    }
    if (at < to) left.push([at, to])
  }
  return left
}

export function intersect(a: Ranges, b: Ranges): Ranges {
  return subtract(a, subtract(a, b))
}

/** Whether everything in `inner` is in `outer`. */
export function covers(outer: Ranges, inner: Ranges): boolean {
  return subtract(inner, outer).length === 0
}

/** The lowest sequence from `start` on that is not in the set. */
export function firstGap(ranges: Ranges, start: number): number {
  const around = ranges.find(([from, to]) => from <= start && start < to)
  return around === undefined ? start : around[1]
}

/** Lowest sequence, and the one behind the highest; [0, 0] of nothing. */
export function extent(ranges: Ranges): Range {
  return [ranges[0]?.[0] ?? 0, ranges.at(-1)?.[1] ?? 0]
}

/** Ranges that came from outside, or undefined when they are none. */
export function parseRanges(value: unknown): Ranges | undefined {
  if (!Array.isArray(value)) return undefined
  const ranges: Range[] = []
  let last = -1
  for (const range of value) {
    if (!Array.isArray(range) || range.length !== 2) return undefined
    const [from, to] = range as [unknown, unknown]
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) return undefined
    if ((from as number) <= last || (from as number) >= (to as number)) return undefined
    ranges.push([from as number, to as number])
    last = to as number
  }
  return ranges
}
