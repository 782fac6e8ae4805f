/** A rule's window, checked and compiled. Durations are µs. */
import type { DocumentMistake } from "@brume/core"
import { parseDuration } from "../duration.ts"
import { type Aggregate, type ColumnType, type Needs, needsOf } from "./aggregate.ts"
import { parseSelect, type SelectColumn } from "./select.ts"
import type { WindowSpec } from "./window-spec.ts"

export interface WindowPlan {
  readonly type: "tumbling" | "sliding" | "session"
  /** How long a window is; sessions end at its multiples since 1970 at the latest. */
  readonly sizeUs: number
  /** Windows begin at its multiples since 1970; of tumbling ones it is the size. */
  readonly slideUs: number
  /** The part of which sliding windows are made up: the largest that divides size and slide. */
  readonly paneUs: number
  /** A silence of so long ends a session; 0 for others. */
  readonly gapUs: number
  readonly latenessUs: number
  readonly late: "drop" | "update"
  readonly byDevice: boolean
  readonly byProperty: boolean
  readonly aggregates: readonly Aggregate[]
  readonly columns: readonly SelectColumn[]
  readonly needs: Needs
  /** What `when` and templates may name, by what it is. */
  readonly variables: Readonly<Record<string, ColumnType>>
  /** Of them, those that may be absent: SQL would say NULL. */
  readonly optional: readonly string[]
  /** Equal for windows of which one goes on with what the other holds. */
  readonly fingerprint: string
}

export interface CompiledWindow {
  /** undefined when there are mistakes. */
  readonly plan: WindowPlan | undefined
  readonly mistakes: readonly DocumentMistake[]
}

/** Most panes of a sliding window: that is what closing one costs for each group. */
const maxPanes = 600
const minSizeUs = 10_000
/** A week. */
const maxSizeUs = 7 * 86_400_000_000
/** Of sessions that do not say how long they may be: a day. */
const defaultSessionUs = 86_400_000_000

/** @param path where the window stands: mistakes begin with it */
export function compileWindow(spec: WindowSpec, path = "spec.window"): CompiledWindow {
  const mistakes: DocumentMistake[] = []
  const mistake = (key: string, problem: string): void => void mistakes.push({ path: `${path}.${key}`, problem })
  const times = timesOf(spec, mistake)
  const select = parseSelect(spec.select)
  if ("problem" in select) mistake("select", select.problem)
  const { by = ["device", "property"] } = spec
  for (const [index, name] of by.entries())
    if (name !== "device" && name !== "property") mistake(`by[${index}]`, "must be device or property")
  if (mistakes.length > 0 || "problem" in select) return { plan: undefined, mistakes }
  const { aggregates, columns } = select
  const variables: Record<string, ColumnType> = { window_start: "timestamp", window_end: "timestamp" }
  for (const name of by) variables[name] = "string"
  variables.revision = "double"
  for (const { name, type } of columns) variables[name] = type
  const { type, late = "drop" } = spec
  const common = { type, ...times, late, byDevice: by.includes("device"), byProperty: by.includes("property") }
  const plan: WindowPlan = {
    ...common,
    aggregates,
    columns,
    needs: needsOf(aggregates),
    variables,
    optional: columns.map(({ name }) => name),
    fingerprint: JSON.stringify([common, aggregates]),
  }
  return { plan, mistakes }
}

type Times = Pick<WindowPlan, "sizeUs" | "slideUs" | "paneUs" | "gapUs" | "latenessUs">

function timesOf(spec: WindowSpec, mistake: (key: string, problem: string) => void): Times {
  const { type } = spec
  const read = (key: "size" | "slide" | "gap", isNeeded: boolean): number | undefined => {
    const text = spec[key]
    if (text === undefined) {
      if (isNeeded) mistake(key, `is missing: a ${type} window needs it, e.g. ${key}: 1m`)
      return undefined
    }
    const us = microseconds(text)
    if (us === undefined) mistake(key, "must be a duration like 5m")
    else if (us < minSizeUs || us > maxSizeUs) mistake(key, "must be between 10ms and 7d")
    else return us
    return undefined
  }
  const unused = (key: "slide" | "gap", of: string): void => {
    if (spec[key] !== undefined) mistake(key, `belongs to ${of} windows, and this is a ${type} one`)
  }
  if (type !== "sliding") unused("slide", "sliding")
  if (type !== "session") unused("gap", "session")
  const size = read("size", type !== "session")
  const slide = type === "sliding" ? read("slide", true) : undefined
  const gap = type === "session" ? read("gap", true) : undefined
  const lateness = microseconds(spec.allowedLateness ?? "0s")
  if (lateness === undefined || lateness > maxSizeUs) mistake("allowedLateness", "must be a duration of at most 7d")
  const sizeUs = size ?? defaultSessionUs
  const slideUs = slide ?? sizeUs
  const paneUs = type === "sliding" ? commonDivisor(sizeUs, slideUs) : sizeUs
  if (size !== undefined && slide !== undefined) {
    if (slide > size) mistake("slide", "is longer than size, so that readings between windows belong to none")
    else if (sizeUs / paneUs > maxPanes)
      mistake(
        "slide",
        `cuts size into ${sizeUs / paneUs} parts, and ${maxPanes} is most: make it a larger part of size`,
      )
  }
  if (gap !== undefined && gap > sizeUs) mistake("gap", "is longer than size, the longest that a session may be")
  return { sizeUs, slideUs, paneUs, gapUs: gap ?? 0, latenessUs: lateness ?? 0 }
}

function microseconds(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms === undefined ? undefined : Math.round(ms * 1_000)
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b)
}
