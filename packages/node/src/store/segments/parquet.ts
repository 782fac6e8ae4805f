/** Writing Parquet files so that they are whole when they have their name, and reading what they say of themselves. */
import type { Disk } from "@brume/core"
import { columnList, seriesColumns } from "../tables/columns.ts"
import { quoted, type Session } from "../tables/engine.ts"
import { folder, pathOf } from "./names.ts"
import { parseRanges, type Ranges } from "./ranges.ts"

/** The key of a file's own description in its Parquet metadata. */
const metadataKey = "brume"
/** Of segments. A reader refuses a higher one. */
const formatVersion = 1

/**
 * Measured on noisy values: version 2 has delta and byte-stream-split encodings, half the bytes of version 1; the files
 * are sorted, so that least and greatest values prune as well as Bloom filters would.
 */
const parquetOptions = [
  "FORMAT parquet",
  "PARQUET_VERSION v2",
  "COMPRESSION zstd",
  "DICTIONARY_SIZE_LIMIT 8000",
  "WRITE_BLOOM_FILTER false",
  "USE_TMP_FILE false",
].join(", ")

/**
 * Rows of a row group. A query for one series looks at all groups, for about 15 µs each, and decodes those that the
 * series lies in, for about 25 ns a row. The sum is least when groups have √(600 · rows of the file) rows.
 */
export function rowGroupRows(rows: number): number {
  const best = Math.sqrt(600 * rows)
  return Math.min(Math.max(Math.ceil(best / 2048) * 2048, 20_480), 122_880)
}

/** What a segment says of itself. */
export interface Description {
  readonly node: string
  readonly epoch: string
  readonly ranges: Ranges
}

export interface Writing {
  readonly disk: Disk
  readonly session: Session
  /** In the folder of segments. */
  readonly name: string
  /** The rows, in their order. */
  readonly query: string
  /** About how many rows these are. */
  readonly expectedRows: number
  readonly description: Description
}

export interface WrittenFile {
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
}

/** The file is whole and durable when this resolves; before, a crash leaves nothing or a name with `.tmp`. */
export async function writeParquet(writing: Writing): Promise<WrittenFile> {
  const { disk, session, name, query, expectedRows, description } = writing
  const path = pathOf(name)
  const beside = `${path}.tmp`
  const metadata = JSON.stringify({ format: formatVersion, ...description })
  const options = `${parquetOptions}, ROW_GROUP_SIZE ${rowGroupRows(expectedRows)},
    KV_METADATA {${metadataKey}: ${quoted(metadata)}}`
  try {
    // DuckDB keeps the mode of a file that exists; its own would be readable by everybody.
    await (await disk.open(beside, { create: true })).close()
    const [[rows] = []] = await session.rows(`COPY (${query}) TO ${quoted(disk.absolute(beside))} (${options})`)
    await disk.sync(beside)
    await disk.rename(beside, path)
    await disk.syncFolder(folder)
    const sha256 = await disk.hash(path)
    return { rows: Number(rows), bytes: (await disk.size(path)) ?? 0, sha256 }
  } catch (error) {
    await disk.remove(beside).catch(() => {})
    throw error
  }
}

/** Undefined when the file is not a segment that this version can read. */
export async function readDescription(session: Session, file: string): Promise<Description | undefined> {
  try {
    const [[text] = []] = await session.rows(
      `SELECT decode(value) FROM parquet_kv_metadata(${quoted(file)}) WHERE decode(key) = ${quoted(metadataKey)}`,
    )
    const { format, node, epoch, ranges: given } = JSON.parse(String(text)) as Record<string, unknown>
    const ranges = parseRanges(given)
    if (format !== formatVersion || ranges === undefined || ranges.length === 0) return undefined
    return typeof node === "string" && typeof epoch === "string" ? { node, epoch, ranges } : undefined
  } catch {
    return undefined
  }
}

/** Valid JSON: one value that DuckDB cannot parse would make every query over the file fail. */
const validJson = (column: string): string =>
  `CASE WHEN ${column} IS NULL OR json_valid(${column}::VARCHAR) THEN ${column} ELSE to_json(${column}::VARCHAR) END AS ${column}`

/**
 * All rows of a generation in the order of a segment: series after series, each by time. Numbers are sorted and strings
 * joined afterwards: half the time and a third of the memory of sorting whole rows. With one thread a join keeps the
 * order of its left side.
 */
export function generationInOrder(generation: number): string {
  const series = `series_${generation}`
  return `SELECT ${columnList} FROM (
      SELECT series, time, received, value, text, ${validJson("json")}, quality, seq FROM hot_${generation} h
      JOIN (SELECT id, (row_number() OVER (ORDER BY ${seriesColumns}))::INTEGER AS place FROM ${series}) p
        ON h.series = p.id
      ORDER BY place, time, seq
    ) h JOIN (SELECT id, device, property, ${validJson("tags")}, node, epoch FROM ${series}) s ON h.series = s.id`
}

/** Statements before and after {@link filesInOrder} on the same connection. */
export function seriesOf(files: string): { readonly before: string; readonly after: string } {
  const series = `${seriesColumns}, node, epoch`
  return {
    before: `CREATE OR REPLACE TEMP TABLE merging AS
      SELECT ${series}, row_number() OVER (ORDER BY ${series})::INTEGER AS place FROM (SELECT DISTINCT ${series} FROM ${files})`,
    after: "DROP TABLE IF EXISTS merging",
  }
}

/** All rows of some segments in the order of one. */
export function filesInOrder(files: string): string {
  return `SELECT ${columnList} FROM (
      SELECT place, time, received, value, text, json, quality, seq FROM ${files} f
      JOIN merging m USING (${seriesColumns}, node, epoch)
      ORDER BY place, time, seq
    ) r JOIN merging m ON r.place = m.place`
}
