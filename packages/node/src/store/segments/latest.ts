/** The newest sealed row of each series: a file of its own, so that nobody searches all segments for it. SQL only. */
import { columnList, generationLatest, newestOf, seriesColumns } from "../tables/columns.ts"
import { quoted } from "../tables/engine.ts"
import type { Ranges } from "./ranges.ts"

/** Sequences by epoch whose readings are in listed segments. A row of the file whose reading is in none is *gone*. */
export type Listed = readonly { readonly epoch: string; readonly ranges: Ranges }[]

const inOrder = (rows: string): string => `SELECT * FROM (${rows}) ORDER BY ${seriesColumns}`

/** The file after a seal. @param previous the file before, or all segments; undefined when there is neither. */
export function latestAfterSeal(previous: string | undefined, generation: number): string {
  const rows = generationLatest(generation)
  return inOrder(newestOf(previous === undefined ? rows : `${newestCandidates(previous)} UNION ALL ${rows}`))
}

/** The file, found from the segments alone. @param files all of them, as a FROM item. */
export function latestOfFiles(files: string): string {
  return inOrder(newestOf(newestCandidates(files)))
}

/** How many rows of the file are gone. */
export function countGone(latest: string, listed: Listed): string {
  return `SELECT count(*) FROM ${latest} WHERE NOT (${isListed(listed)})`
}

/** The file without rows that are gone; their series fall back to what is left. @param files all segments that are left. */
export function latestWithoutGone(latest: string, listed: Listed, files: string): string {
  const bereft = `(SELECT ${seriesColumns} FROM ${latest} WHERE NOT (${isListed(listed)}))`
  const theirs = `(SELECT ${columnList} FROM ${files} SEMI JOIN ${bereft} USING (${seriesColumns}))`
  const kept = `SELECT ${columnList} FROM ${latest} WHERE ${isListed(listed)}`
  return inOrder(newestOf(`${kept} UNION ALL ${newestCandidates(theirs)}`))
}

/** The newest rows of each series by time; several where times are equal. */
function newestCandidates(files: string): string {
  return `SELECT ${columnList} FROM ${files} JOIN (
      SELECT ${seriesColumns}, max(time) AS time FROM ${files} GROUP BY ${seriesColumns}
    ) USING (${seriesColumns}, time)`
}

function isListed(listed: Listed): string {
  const conditions = listed.flatMap(({ epoch, ranges }) =>
    ranges.map(([from, to]) => `(epoch = ${quoted(epoch)} AND seq >= ${from} AND seq < ${to})`),
  )
  return conditions.length === 0 ? "false" : conditions.join(" OR ")
}
