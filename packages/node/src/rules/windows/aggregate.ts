/** The aggregates that a window can make, by their names in SQL. */

export type Aggregate =
  | { readonly kind: "rows" }
  | { readonly kind: "count"; readonly of: "value" | "text" }
  | { readonly kind: "sum" | "avg" | "min" | "max" }
  | { readonly kind: "variance"; readonly isSample: boolean; readonly isRoot: boolean }
  /** The value, or the text, at the first or the last time. */
  | { readonly kind: "first" | "last"; readonly of: "value" | "text" }
  /** When the value was first lowest, or highest; the time of the first reading, or the last. */
  | { readonly kind: "when"; readonly of: "min" | "max" | "first" | "last" }
  | { readonly kind: "quantile"; readonly fraction: number; readonly isContinuous: boolean }

export type ColumnType = "double" | "string" | "timestamp"

/** What must be kept of a window for some aggregates. */
export interface Needs {
  readonly sum: boolean
  readonly moments: boolean
  readonly extremes: boolean
  /** Times of the extremes. */
  readonly extremeTimes: boolean
  /** First and last value, with their times. */
  readonly ends: boolean
  /** Times of the first and the last reading. */
  readonly span: boolean
  readonly texts: boolean
  readonly values: boolean
}

export function needsOf(aggregates: readonly Aggregate[]): Needs {
  const some = (test: (aggregate: Aggregate) => boolean): boolean => aggregates.some(test)
  const isWhenExtreme = (aggregate: Aggregate): boolean =>
    aggregate.kind === "when" && (aggregate.of === "min" || aggregate.of === "max")
  return {
    sum: some(({ kind }) => kind === "sum" || kind === "avg"),
    moments: some(({ kind }) => kind === "variance"),
    extremes: some((aggregate) => aggregate.kind === "min" || aggregate.kind === "max" || isWhenExtreme(aggregate)),
    extremeTimes: some(isWhenExtreme),
    ends: some((aggregate) => (aggregate.kind === "first" || aggregate.kind === "last") && aggregate.of === "value"),
    span: some((aggregate) => aggregate.kind === "when" && !isWhenExtreme(aggregate)),
    texts: some((aggregate) => "of" in aggregate && aggregate.of === "text"),
    values: some(({ kind }) => kind === "quantile"),
  }
}

export function typeOf(aggregate: Aggregate): ColumnType {
  if (aggregate.kind === "when") return "timestamp"
  return (aggregate.kind === "first" || aggregate.kind === "last") && aggregate.of === "text" ? "string" : "double"
}

/** What stands in the brackets. */
export type Argument = "*" | "value" | "text" | "time" | number

type Make = (given: readonly Argument[]) => Aggregate | undefined

const ofValue =
  (aggregate: Aggregate): Make =>
  (given) =>
    given.length === 1 && given[0] === "value" ? aggregate : undefined

const orTime =
  (aggregate: Aggregate, of: "first" | "last"): Make =>
  (given) =>
    given.length === 1 && given[0] === "time" ? { kind: "when", of } : ofValue(aggregate)(given)

const end =
  (kind: "first" | "last"): Make =>
  ([of, ...more]) => {
    if (more.length > 0) return undefined
    if (of === "value" || of === "text") return { kind, of }
    return of === "time" ? { kind: "when", of: kind } : undefined
  }

const quantile =
  (isContinuous: boolean): Make =>
  ([of, fraction, ...more]) =>
    of === "value" && typeof fraction === "number" && fraction >= 0 && fraction <= 1 && more.length === 0
      ? { kind: "quantile", fraction, isContinuous }
      : undefined

const extreme =
  (of: "min" | "max"): Make =>
  (given) => {
    const said = given.join(",")
    if (said === "time,value") return { kind: "when", of }
    return said === "value,time" ? { kind: of === "min" ? "first" : "last", of: "value" } : undefined
  }

const variance = (isSample: boolean, isRoot: boolean): Make => ofValue({ kind: "variance", isSample, isRoot })

interface Known {
  /** How it is written, for whoever wrote it otherwise. */
  readonly usage: string
  readonly make: Make
}

/** All aggregates, by their names. */
export const knownAggregates: Readonly<Record<string, Known>> = {
  count: {
    usage: "count(*), count(value) or count(text)",
    make: ([of = "*", ...more]) => {
      if (more.length > 0) return undefined
      if (of === "*") return { kind: "rows" }
      return of === "value" || of === "text" ? { kind: "count", of } : undefined
    },
  },
  sum: { usage: "sum(value)", make: ofValue({ kind: "sum" }) },
  avg: { usage: "avg(value)", make: ofValue({ kind: "avg" }) },
  mean: { usage: "mean(value)", make: ofValue({ kind: "avg" }) },
  min: { usage: "min(value) or min(time)", make: orTime({ kind: "min" }, "first") },
  max: { usage: "max(value) or max(time)", make: orTime({ kind: "max" }, "last") },
  stddev: { usage: "stddev(value)", make: variance(true, true) },
  stddev_samp: { usage: "stddev_samp(value)", make: variance(true, true) },
  stddev_pop: { usage: "stddev_pop(value)", make: variance(false, true) },
  variance: { usage: "variance(value)", make: variance(true, false) },
  var_samp: { usage: "var_samp(value)", make: variance(true, false) },
  var_pop: { usage: "var_pop(value)", make: variance(false, false) },
  first: { usage: "first(value), first(text) or first(time)", make: end("first") },
  last: { usage: "last(value), last(text) or last(time)", make: end("last") },
  arg_min: { usage: "arg_min(time, value) or arg_min(value, time)", make: extreme("min") },
  arg_max: { usage: "arg_max(time, value) or arg_max(value, time)", make: extreme("max") },
  median: { usage: "median(value)", make: ofValue({ kind: "quantile", fraction: 0.5, isContinuous: true }) },
  quantile_cont: { usage: "quantile_cont(value, 0.95)", make: quantile(true) },
  quantile_disc: { usage: "quantile_disc(value, 0.95)", make: quantile(false) },
  approx_quantile: { usage: "approx_quantile(value, 0.95)", make: quantile(true) },
}
