/** The columns of a reading in SQL: one list, so that tables, segments and views agree. */

/** Columns of the views and of every segment, in their order. */
export const columns = [
  "time",
  "received",
  "device",
  "property",
  "value",
  "text",
  "json",
  "tags",
  "quality",
  "node",
  "epoch",
  "seq",
] as const

export const columnList: string = columns.join(", ")

/** The identity of a series. */
export const seriesColumns = "device, property, tags"

/** Newest first. Sequences of different epochs say nothing about time; the epoch makes the order total. */
export const newestFirst = "time DESC, seq DESC, epoch DESC"

/** What queries see before anything is stored. */
export const noRows: string = `SELECT ${[
  "NULL::TIMESTAMP AS time",
  "NULL::TIMESTAMP AS received",
  "NULL::VARCHAR AS device",
  "NULL::VARCHAR AS property",
  "NULL::DOUBLE AS value",
  "NULL::VARCHAR AS text",
  "NULL::JSON AS json",
  "NULL::JSON AS tags",
  "NULL::UTINYINT AS quality",
  "NULL::VARCHAR AS node",
  "NULL::VARCHAR AS epoch",
  "NULL::BIGINT AS seq",
].join(", ")} WHERE false`

/** The two tables of a generation. Strings of a series stand once, in the second. */
export function createGeneration(generation: number): string[] {
  return [
    `CREATE TABLE hot_${generation} (series INTEGER, time TIMESTAMP, received TIMESTAMP, value DOUBLE, text VARCHAR,
      json JSON, quality UTINYINT, seq BIGINT)`,
    `CREATE TABLE series_${generation} (id INTEGER, device VARCHAR, property VARCHAR, tags JSON, node VARCHAR,
      epoch VARCHAR)`,
  ]
}

export function dropGeneration(generation: number): string[] {
  return [`DROP TABLE hot_${generation}`, `DROP TABLE series_${generation}`]
}

/** All rows of a generation. */
export function generationRows(generation: number): string {
  return `SELECT ${columnList} FROM hot_${generation} h JOIN series_${generation} s ON h.series = s.id`
}

/**
 * The newest row of each series of a generation. Integers are compared first and rows fetched by their sequence:
 * twenty times as fast as a window over whole rows.
 */
export function generationLatest(generation: number): string {
  const hot = `hot_${generation}`
  return `SELECT ${columnList} FROM ${hot} h JOIN series_${generation} s ON h.series = s.id JOIN (
      SELECT max(c.seq) AS newest FROM ${hot} c
      JOIN (SELECT series AS of, max(time) AS at FROM ${hot} GROUP BY series) t ON c.series = t.of AND c.time = t.at
      GROUP BY c.series
    ) n ON h.seq = n.newest`
}

/** The newest row of each series out of rows of all kinds. */
export function newestOf(rows: string): string {
  return `SELECT ${columnList} FROM (
      SELECT ${columnList}, row_number() OVER (PARTITION BY ${seriesColumns} ORDER BY ${newestFirst}) AS place
      FROM (${rows})
    ) WHERE place = 1`
}
