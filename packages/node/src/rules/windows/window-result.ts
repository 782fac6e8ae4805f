/** What a closed window says. Times are µs since 1970 UTC. */
import type { Value } from "./select.ts"
import type { WindowPlan } from "./window-plan.ts"

export interface WindowResult {
  readonly rule: string
  /** Undefined where the rule's windows are not by device, or by property. */
  readonly device: string | undefined
  readonly property: string | undefined
  readonly startUs: number
  readonly endUs: number
  /** How many late readings it has; 0 for what is said when the window closes. */
  readonly revision: number
  /** What `when` and templates read: the selected columns (undefined for NULL), and those that windows give themselves. */
  readonly scope: Readonly<Record<string, unknown>>
  /** Parts of the keys of its effects, but the index of the action: the same result gives the same. */
  readonly cause: readonly (string | number)[]
}

/** Of whose readings it is. */
export interface ResultOrigin {
  readonly rule: string
  readonly node: string
  readonly plan: WindowPlan
}

export interface WindowExtent {
  readonly device: string | undefined
  readonly property: string | undefined
  readonly startUs: number
  readonly endUs: number
  readonly revision: number
}

/** @param values by the places of the plan's columns */
export function resultOf(
  { rule, node, plan }: ResultOrigin,
  extent: WindowExtent,
  values: readonly Value[],
): WindowResult {
  const { device, property, startUs, endUs, revision } = extent
  const scope: Record<string, unknown> = {
    window_start: new Date(startUs / 1_000),
    window_end: new Date(endUs / 1_000),
    device,
    property,
    revision,
  }
  for (const [at, { name, type }] of plan.columns.entries()) {
    const value = values[at]
    scope[name] = type === "timestamp" && typeof value === "number" ? new Date(value / 1_000) : value
  }
  const cause = ["window", rule, node, device ?? "", property ?? "", startUs, endUs, revision]
  return { rule, device, property, startUs, endUs, revision, scope, cause }
}
