/** Results of windows that were told already and got late readings: what SQL over the stored readings says of them now. */
import type { Query, QueryRow } from "@brume/core"
import type { Aggregate } from "./aggregate.ts"
import { filterCondition, quoted, timeLiteral } from "./filter-sql.ts"
import type { LateWindow } from "./late-windows.ts"
import type { Value } from "./select.ts"
import { floorDivided } from "./shape.ts"
import { type ResultOrigin, resultOf, type WindowResult } from "./window-result.ts"
import type { Windowed } from "./windowed.ts"

export interface LateResultsOptions {
  readonly query: Pick<Query, "rows">
  readonly rule: Windowed
  readonly node: string
  /** Readings of this life of the log count below this sequence. */
  readonly epoch: string
  readonly belowSeq: number
}

/** One statement for all windows that begin at the same time. */
export async function lateResults(
  windows: readonly LateWindow[],
  options: LateResultsOptions,
): Promise<WindowResult[]> {
  const { plan } = options.rule
  const isSession = plan.type === "session"
  const byStart = new Map<number, LateWindow[]>()
  for (const window of windows) {
    const start = isSession ? floorDivided(window.startUs, plan.sizeUs) * plan.sizeUs : window.startUs
    const known = byStart.get(start)
    if (known === undefined) byStart.set(start, [window])
    else known.push(window)
  }
  const results: WindowResult[] = []
  for (const [start, late] of byStart) {
    const rows = await options.query.rows(isSession ? sessionSql(start, options) : paneSql(start, options), [
      JSON.stringify([...new Set(late.map(({ group }) => group.device ?? ""))]),
    ])
    const wanted = new Map<string, number[]>()
    for (const { group, startUs } of late) wanted.set(keyOf(group), [...(wanted.get(keyOf(group)) ?? []), startUs])
    for (const row of rows) {
      const [from, last] = [row.from as number, row.last as number]
      if (!wanted.get(keyOf(row as Nameable))?.some((at) => at >= from && at <= last)) continue
      results.push(resultOfRow(row, options))
    }
  }
  return results
}

function paneSql(startUs: number, options: LateResultsOptions): string {
  const { plan } = options.rule
  const endUs = startUs + plan.sizeUs
  return `SELECT ${groupColumns(options)}, ${startUs} AS "from", ${startUs} AS last, ${endUs} AS until,
    count(*) FILTER (received >= ${timeLiteral(endUs + plan.latenessUs)}) AS revision${aggregateColumns(plan.aggregates)}
    FROM readings WHERE ${condition(options, startUs, endUs)} GROUP BY ALL`
}

/** Readings that are less than a gap apart, all of them; the number of readings stands for the revision. */
function sessionSql(limitUs: number, options: LateResultsOptions): string {
  const { plan } = options.rule
  const order = `OVER (PARTITION BY device, property ORDER BY time, received, seq)`
  const endUs = limitUs + plan.sizeUs
  return `WITH wanted AS (
      SELECT ${groupColumns(options)}, time, received, value, text, seq FROM readings
      WHERE ${condition(options, limitUs, endUs)}
    ), marked AS (
      SELECT *, coalesce(epoch_us(time) - lag(epoch_us(time)) ${order} < ${plan.gapUs}, false) AS joined FROM wanted
    ), numbered AS (SELECT *, count(*) FILTER (NOT joined) ${order} AS session FROM marked)
    SELECT device, property, session, epoch_us(min(time)) AS "from", epoch_us(max(time)) AS last,
      least(epoch_us(max(time)) + ${plan.gapUs}, ${endUs}) AS until,
      count(*) AS revision${aggregateColumns(plan.aggregates)}
    FROM numbered GROUP BY device, property, session`
}

function groupColumns({ rule: { plan } }: LateResultsOptions): string {
  return `${plan.byDevice ? "device" : "NULL::VARCHAR AS device"}, ${plan.byProperty ? "property" : "NULL::VARCHAR AS property"}`
}

function condition({ rule, epoch, belowSeq }: LateResultsOptions, fromUs: number, toUs: number): string {
  const { filter, plan } = rule
  return [
    `time >= ${timeLiteral(fromUs)} AND time < ${timeLiteral(toUs)}`,
    // The parameter is used also where windows are not by device: a statement has all that are given.
    plan.byDevice
      ? `device IN (SELECT unnest(from_json($1, '["VARCHAR"]')))`
      : `$1 IS NOT NULL AND ${filterCondition("device", filter.device)}`,
    filterCondition("property", filter.property),
    `(epoch <> ${quoted(epoch)} OR seq < ${belowSeq})`,
  ].join(" AND ")
}

/** NULLs first in no order: only readings with a number, or a text, are looked at. */
function aggregateColumns(aggregates: readonly Aggregate[]): string {
  return aggregates.map((aggregate, at) => `, ${aggregateSql(aggregate)} AS a${at}`).join("")
}

function aggregateSql(aggregate: Aggregate): string {
  switch (aggregate.kind) {
    case "rows":
      return "count(*)"
    case "count":
      return `count(${aggregate.of})`
    case "variance":
      return `${aggregate.isRoot ? "stddev" : "var"}_${aggregate.isSample ? "samp" : "pop"}(value)`
    case "first":
    case "last": {
      const order = aggregate.kind === "first" ? "time, received, seq" : "time DESC, received DESC, seq DESC"
      return `first(${aggregate.of} ORDER BY ${order}) FILTER (${aggregate.of} IS NOT NULL)`
    }
    case "when":
      if (aggregate.of === "first") return "epoch_us(min(time))"
      if (aggregate.of === "last") return "epoch_us(max(time))"
      return `first(epoch_us(time) ORDER BY value ${aggregate.of === "min" ? "ASC" : "DESC"}, time) FILTER (value IS NOT NULL)`
    case "quantile":
      return `quantile_${aggregate.isContinuous ? "cont" : "disc"}(value, ${aggregate.fraction})`
    default:
      return `${aggregate.kind}(value)`
  }
}

function resultOfRow(row: QueryRow, { rule, node }: LateResultsOptions): WindowResult {
  const { plan } = rule
  const aggregates = plan.aggregates.map((_, at) => (row[`a${at}`] ?? undefined) as Value)
  const values = plan.columns.map(({ formula }) => formula(aggregates))
  const origin: ResultOrigin = { rule: rule.name, node, plan }
  const extent = {
    device: (row.device ?? undefined) as string | undefined,
    property: (row.property ?? undefined) as string | undefined,
    startUs: row.from as number,
    endUs: row.until as number,
    revision: row.revision as number,
  }
  return resultOf(origin, extent, values)
}

interface Nameable {
  readonly device?: string | null | undefined
  readonly property?: string | null | undefined
}

function keyOf({ device, property }: Nameable): string {
  return `${device ?? ""}\u0000${property ?? ""}`
}
