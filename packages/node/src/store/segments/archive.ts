/**
 * The archive: segments whose readings are all older than a day before the newest. The view scans them apart, under a
 * condition that they fulfil anyway. A query for recent times contradicts it, so that DuckDB leaves the whole archive
 * out when it plans, instead of looking at each of its row groups. Pure.
 *
 * The price is that a query without a condition on time reads that column too. So it begins with many rows.
 */
import type { SegmentEntry } from "./manifest.ts"

export interface Archive {
  readonly names: readonly string[]
  /** No reading in it is later, µs since 1970 UTC. */
  readonly maxTime: number
}

const dayUs = 86_400_000_000
/** Fewer rows are looked through in the time that planning a second scan takes. */
const fewestRows = 16_000_000

/** Undefined when it would not pay. */
export function archiveOf(segments: readonly SegmentEntry[]): Archive | undefined {
  // A device whose clock is far ahead must not make everything else seem old.
  const newest = Math.max(...segments.map((entry) => Math.min(entry.maxTime, entry.maxReceived)))
  const old = segments.filter((entry) => entry.maxTime < newest - dayUs)
  if (old.reduce((sum, { rows }) => sum + rows, 0) < fewestRows) return undefined
  return { names: old.map(({ name }) => name), maxTime: Math.max(...old.map((entry) => entry.maxTime)) }
}
