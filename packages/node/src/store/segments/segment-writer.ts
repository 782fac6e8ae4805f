/** Writes the files of the shelf and describes them for the manifest. Nothing is listed here. */
import { FogError } from "@brume/core"
import type { Span } from "../tables/generation.ts"
import type { LatestEntry, SegmentEntry } from "./manifest.ts"
import { latestName, pathOf, segmentName } from "./names.ts"
import { writeParquet } from "./parquet.ts"
import { extent, type Ranges } from "./ranges.ts"
import type { Shelf } from "./shelf.ts"

/** What a segment is made of. */
export interface SegmentContent {
  /** Its rows, in order. */
  readonly query: string
  readonly node: string
  readonly epoch: string
  readonly ranges: Ranges
  /** As many rows as the query must have. */
  readonly rows: number
  readonly time: Span
  readonly received: Span
}

export async function writeSegment(shelf: Shelf, content: SegmentContent): Promise<SegmentEntry> {
  const { disk, session } = shelf
  const { query, node, epoch, ranges, time, received } = content
  const name = await shelf.freeName((turn) => segmentName(epoch, extent(ranges), turn))
  const description = { node, epoch, ranges }
  const writing = { disk, session, name, query, expectedRows: content.rows, description }
  const { rows, bytes, sha256 } = await writeParquet(writing)
  if (rows !== content.rows) {
    await disk.remove(pathOf(name))
    throw new FogError("internal", {
      message: `The segment ${name} came out with ${rows} rows instead of ${content.rows}, and is not used`,
    })
  }
  return {
    name,
    node,
    epoch,
    ranges,
    rows,
    bytes,
    sha256,
    minTime: time.min,
    maxTime: time.max,
    minReceived: received.min,
    maxReceived: received.max,
  }
}

/** @param to sequence behind the newest reading that the file may have. */
export async function writeLatest(shelf: Shelf, query: string, to: number): Promise<LatestEntry> {
  const { disk, session, log } = shelf
  const name = await shelf.freeName((turn) => latestName(log.epoch, to, turn))
  const description = { node: log.node, epoch: log.epoch, ranges: to === 0 ? [] : ([[0, to]] as const) }
  const { bytes, sha256 } = await writeParquet({ disk, session, name, query, expectedRows: 0, description })
  return { name, bytes, sha256 }
}
