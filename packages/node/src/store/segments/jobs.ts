/**
 * What is done to segments: sealing, merging, dropping. Each job writes files beside what
 * exists and then makes one change of the shelf (S1–S3), so that it is done or not done, whenever the power fails.
 *
 * Invariants
 * - G1 Every row of a closed generation is in exactly one of: the generation, a listed segment.
 * - G2 A merged segment has the rows of those that it replaces, no more and no fewer.
 * - G3 Readings that retention dropped do not come back.
 * - G4 The file of latest values has the newest row of each series that has one in a listed segment.
 *
 * What they are not: a decision about when, and safe to run side by side. Both are upkeep's.
 */
import type { Generation } from "../tables/generation.ts"
import { countGone, latestAfterSeal, latestOfFiles, latestWithoutGone } from "./latest.ts"
import type { LatestEntry, SegmentEntry } from "./manifest.ts"
import { pathOf } from "./names.ts"
import { filesInOrder, generationInOrder, seriesOf } from "./parquet.ts"
import { extent, rangesOf } from "./ranges.ts"
import { writeLatest, writeSegment } from "./segment-writer.ts"
import type { Shelf } from "./shelf.ts"

/** G1. */
export async function seal(shelf: Shelf, generation: Generation): Promise<SegmentEntry> {
  const { disk, log, manifest } = shelf
  const { number, covered, rows, time, received } = generation
  const query = generationInOrder(number)
  const { node, epoch } = log
  const entry = await writeSegment(shelf, { query, node, epoch, ranges: covered, rows, time, received })
  let latest: LatestEntry
  try {
    const previous = manifest.latest === undefined ? manifest.segments : [manifest.latest]
    const rowsBefore = previous.length === 0 ? undefined : shelf.rowsOf(previous)
    latest = await writeLatest(shelf, latestAfterSeal(rowsBefore, number), extent(covered)[1])
  } catch (error) {
    await disk.remove(pathOf(entry.name)).catch(() => {})
    throw error
  }
  await shelf.change({ manifest: { add: [entry], latest }, generation: number })
  return entry
}

/** G2. */
export async function merge(shelf: Shelf, group: readonly SegmentEntry[]): Promise<SegmentEntry> {
  const { session } = shelf
  const files = shelf.rowsOf(group)
  const { before, after } = seriesOf(files)
  const most = (numberOf: (entry: SegmentEntry) => number): number => Math.max(...group.map(numberOf))
  const least = (numberOf: (entry: SegmentEntry) => number): number => Math.min(...group.map(numberOf))
  let entry: SegmentEntry
  try {
    await session.run(before)
    entry = await writeSegment(shelf, {
      query: filesInOrder(files),
      node: group.at(-1)!.node,
      epoch: group[0]!.epoch,
      ranges: rangesOf(group.flatMap(({ ranges }) => ranges)),
      rows: group.reduce((sum, { rows }) => sum + rows, 0),
      time: { min: least((one) => one.minTime), max: most((one) => one.maxTime) },
      received: { min: least((one) => one.minReceived), max: most((one) => one.maxReceived) },
    })
  } finally {
    await session.run(after).catch(() => {})
  }
  await shelf.change({ manifest: { add: [entry], remove: group } })
  return entry
}

/** G3: the sequences are remembered in the same commit, so that neither the log nor a left-over file brings them back. */
export async function drop(shelf: Shelf, entries: readonly SegmentEntry[]): Promise<void> {
  const dropped = entries.map(({ epoch, ranges }) => ({ epoch, ranges }))
  await shelf.change({ manifest: { remove: entries, dropped } })
}

/** G4, after segments are gone. Until then the file has readings that are nowhere else. */
export async function refreshLatest(shelf: Shelf): Promise<void> {
  const { log, manifest, session } = shelf
  const { latest, listed, segments } = manifest
  if (segments.length === 0) {
    if (latest !== undefined) await shelf.change({ manifest: { latest: "none" } })
    return
  }
  const files = shelf.rowsOf(segments)
  if (latest !== undefined) {
    const [[gone] = []] = await session.rows(countGone(shelf.rowsOf([latest]), listed))
    if (Number(gone) === 0) return
  }
  const query = latest === undefined ? latestOfFiles(files) : latestWithoutGone(shelf.rowsOf([latest]), listed, files)
  await shelf.change({
    manifest: { latest: await writeLatest(shelf, query, extent(manifest.listedOf(log.epoch))[1]) },
  })
}
