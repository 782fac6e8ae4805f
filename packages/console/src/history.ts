/**
 * The past of one series in buckets, from SQL, and its live tail.
 *
 * H1: a bucket keeps lowest, highest, sum and count, so that a live reading can join the bucket that SQL began.
 * H2: a series holds at most `maxBuckets` buckets: older ones leave as the window moves on.
 */
import type { Point, SeriesId } from "./series.ts"

export interface Range {
  readonly id: string
  readonly label: string
  readonly spanMs: number
  /** Divides the span into 450 to 700 buckets: about one per pixel pair. */
  readonly bucketMs: number
}

const minuteMs = 60_000

export const ranges: readonly Range[] = [
  { id: "15m", label: "15 min", spanMs: 15 * minuteMs, bucketMs: 2_000 },
  { id: "1h", label: "1 h", spanMs: 60 * minuteMs, bucketMs: 5_000 },
  { id: "24h", label: "24 h", spanMs: 1_440 * minuteMs, bucketMs: 2 * minuteMs },
  { id: "7d", label: "7 d", spanMs: 10_080 * minuteMs, bucketMs: 15 * minuteMs },
]

const maxBuckets = 2_000

export interface Bucket {
  /** Start of the bucket, ms since 1970 UTC. */
  readonly start: number
  count: number
  sum: number
  low: number
  high: number
}

export interface Statement {
  readonly sql: string
  readonly parameters: readonly (string | number)[]
  /** The node stops it after this time. @default the node's limit */
  readonly timeoutMs?: number
}

/** Numbers of a series since `from` in buckets, oldest first. */
export function bucketsStatement(id: SeriesId, from: number, bucketMs: number): Statement {
  return {
    sql: `SELECT (epoch_ms(time) // ${bucketMs}) * ${bucketMs} AS start, count(value) AS count, sum(value) AS sum,
  min(value) AS low, max(value) AS high
FROM readings
WHERE device = $1 AND property = $2 AND tags = $3 AND time >= $4::TIMESTAMP AND value IS NOT NULL
GROUP BY start ORDER BY start DESC LIMIT ${maxBuckets}`,
    parameters: [id.device, id.property, id.tags, timestamp(from)],
  }
}

/** How far before the window the state at its beginning is looked for. */
const lookBackMs = 1_440 * minuteMs

/** The changes of a text or JSON series, newest first, from a day before `from` on. */
export function changesStatement(id: SeriesId, from: number): Statement {
  return {
    sql: `SELECT epoch_ms(time) AS start, state FROM (
  SELECT time, seq, coalesce(text, json::VARCHAR) AS state,
    lag(coalesce(text, json::VARCHAR)) OVER (ORDER BY time, seq) AS before
  FROM readings WHERE device = $1 AND property = $2 AND tags = $3 AND time >= $4::TIMESTAMP
) WHERE state IS DISTINCT FROM before ORDER BY time DESC, seq DESC LIMIT ${maxBuckets}`,
    parameters: [id.device, id.property, id.tags, timestamp(from - lookBackMs)],
  }
}

/** Decoration must not keep a busy node busy. */
const sparksTimeoutMs = 3_000

/** Sixty averages of every numeric series over the last half hour, for the small lines beside the values. */
export function sparksStatement(from: number): Statement {
  return {
    sql: `SELECT device, property, tags::VARCHAR AS tags, (epoch_ms(time) // 30000) * 30000 AS start, avg(value) AS mean
FROM readings WHERE time >= $1::TIMESTAMP AND value IS NOT NULL
GROUP BY ALL ORDER BY start DESC LIMIT 20000`,
    parameters: [timestamp(from)],
    timeoutMs: sparksTimeoutMs,
  }
}

/** As DuckDB reads it: UTC, without a zone. */
function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", "")
}

export function parseBuckets(rows: readonly Readonly<Record<string, unknown>>[]): Bucket[] {
  return rows
    .map((row) => ({
      start: Number(row.start),
      count: Number(row.count),
      sum: Number(row.sum),
      low: Number(row.low),
      high: Number(row.high),
    }))
    .sort((a, b) => a.start - b.start)
}

/** H1. Takes a reading that is late as well as one that is new. */
export function addToBuckets(buckets: Bucket[], point: Point, bucketMs: number): void {
  if (point.value === null) return
  const start = Math.floor(point.time / bucketMs) * bucketMs
  let at = buckets.length
  while (at > 0 && buckets[at - 1]!.start > start) at--
  const bucket = buckets[at - 1]
  if (bucket?.start === start) {
    bucket.count++
    bucket.sum += point.value
    bucket.low = Math.min(bucket.low, point.value)
    bucket.high = Math.max(bucket.high, point.value)
    return
  }
  buckets.splice(at, 0, { start, count: 1, sum: point.value, low: point.value, high: point.value })
  if (buckets.length > maxBuckets) buckets.shift() // H2
}

export interface Columns {
  /** s since 1970 UTC, as the chart wants it. */
  readonly time: number[]
  readonly mean: (number | null)[]
  readonly low: (number | null)[]
  readonly high: (number | null)[]
}

/** Columns for the chart. Where several usual intervals are missing, a row of nulls breaks the line. */
export function columnsOf(buckets: readonly Bucket[], bucketMs: number): Columns {
  const usual = median(buckets.slice(1).map((bucket, index) => bucket.start - buckets[index]!.start))
  const widest = Math.max(6 * usual, 3 * bucketMs)
  const columns: Columns = { time: [], mean: [], low: [], high: [] }
  let before: Bucket | undefined
  for (const bucket of buckets) {
    if (before !== undefined && bucket.start - before.start > widest) push(columns, before.start + bucketMs, undefined)
    push(columns, bucket.start, bucket)
    before = bucket
  }
  return columns
}

function push(columns: Columns, start: number, bucket: Bucket | undefined): void {
  columns.time.push(start / 1_000)
  columns.mean.push(bucket === undefined ? null : bucket.sum / bucket.count)
  columns.low.push(bucket?.low ?? null)
  columns.high.push(bucket?.high ?? null)
}

function median(values: number[]): number {
  if (values.length === 0) return 0
  values.sort((a, b) => a - b)
  return values[values.length >> 1]!
}

export interface Summary {
  readonly count: number
  readonly low: number
  readonly mean: number
  readonly high: number
}

export function summaryOf(buckets: readonly Bucket[]): Summary | undefined {
  if (buckets.length === 0) return undefined
  const count = buckets.reduce((total, bucket) => total + bucket.count, 0)
  return {
    count,
    low: Math.min(...buckets.map((bucket) => bucket.low)),
    mean: buckets.reduce((total, bucket) => total + bucket.sum, 0) / count,
    high: Math.max(...buckets.map((bucket) => bucket.high)),
  }
}

/** From `start` on a property was in this state. */
export interface Change {
  readonly start: number
  readonly state: string
}

/** The changes since `from`, and the last one before it, oldest first. */
export function parseChanges(rows: readonly Readonly<Record<string, unknown>>[], from: number): Change[] {
  const changes = rows
    .map((row) => ({ start: Number(row.start), state: String(row.state) }))
    .sort((a, b) => a.start - b.start)
  return changes.slice(
    Math.max(
      0,
      changes.findLastIndex((change) => change.start <= from),
    ),
  )
}

/** A late reading cannot be placed without those around it: it is left to the next look into the history. */
export function addToChanges(changes: Change[], point: Point): void {
  if (point.text === null) return
  const last = changes.at(-1)
  if (last !== undefined && (point.time < last.start || point.text === last.state)) return
  changes.push({ start: point.time, state: point.text })
  if (changes.length > maxBuckets) changes.shift() // H2
}

/** States by the time spent in them, longest first; at most `limit`, the rest share one place. */
export function statesOf(changes: readonly Change[], until: number, limit = 8): string[] {
  const spent = new Map<string, number>()
  for (const [index, { start, state }] of changes.entries()) {
    const end = changes[index + 1]?.start ?? Math.max(until, start)
    spent.set(state, (spent.get(state) ?? 0) + end - start)
  }
  return [...spent]
    .sort((a, b) => b[1] - a[1])
    .slice(0, limit)
    .map(([state]) => state)
}
