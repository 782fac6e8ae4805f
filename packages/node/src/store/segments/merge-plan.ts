/**
 * Which segments are merged next. Pure.
 *
 * Neighbours in the order of sequence are merged when the largest is at most half of the result. So a row is written
 * again only when its file at least doubles: log2(mergeRows / sealRows) times at most; and the number of files grows
 * with the logarithm of the rows until files have `mergeRows`.
 */
import type { SegmentEntry } from "./manifest.ts"

export interface MergeLimits {
  /** Most rows of a merged file. */
  readonly mergeRows: number
  /** Most bytes of a merged file, so that retention by bytes can be exact enough. */
  readonly maxBytes: number
  /** Longest time between the first and the last row received, µs, so that retention by age can. */
  readonly maxSpanUs: number
}

/** Fewer files are not worth the writing, unless they make up most of a full one. */
const fewest = 4
const nearlyFull = 0.75
/** More would be open at once for too long. */
const most = 16

/** Neighbours to merge, or undefined when there is nothing to do. @param segments by epoch and sequence. */
export function planMerge(segments: readonly SegmentEntry[], limits: MergeLimits): SegmentEntry[] | undefined {
  let best: SegmentEntry[] | undefined
  for (let first = 0; first < segments.length; first++) {
    for (let length = 2; length <= most && first + length <= segments.length; length++) {
      const group = segments.slice(first, first + length)
      if (!fits(group, limits)) continue
      if (best === undefined || costOf(group) < costOf(best)) best = group
    }
  }
  return best
}

function fits(group: readonly SegmentEntry[], limits: MergeLimits): boolean {
  const [first] = group
  const rows = rowsOf(group)
  const bytes = group.reduce((sum, entry) => sum + entry.bytes, 0)
  const from = Math.min(...group.map((entry) => entry.minReceived))
  const to = Math.max(...group.map((entry) => entry.maxReceived))
  return (
    (group.length >= fewest || rows >= limits.mergeRows * nearlyFull) &&
    group.every((entry) => entry.epoch === first!.epoch) &&
    rows <= limits.mergeRows &&
    bytes <= limits.maxBytes &&
    to - from <= limits.maxSpanUs &&
    group.every((entry) => entry.rows * 2 <= rows)
  )
}

/** Rows to write for each file less: the cheapest comes first. */
function costOf(group: readonly SegmentEntry[]): number {
  return rowsOf(group) / (group.length - 1)
}

function rowsOf(group: readonly SegmentEntry[]): number {
  return group.reduce((sum, entry) => sum + entry.rows, 0)
}
