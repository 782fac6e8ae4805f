/** What a rule listens to, and what goes with it. */
import { filterProblem } from "@brume/core"
import type { RuleSpec } from "./rule-spec.ts"

export type SourceKind = "reading" | "topic" | "schedule" | "sun"

/** What stands in `on` by the kind that it makes; the first names the kind. */
const members: Readonly<Record<SourceKind, readonly string[]>> = {
  reading: ["device", "property"],
  topic: ["topic"],
  schedule: ["schedule", "timeZone", "catchUp"],
  sun: ["sun", "latitude", "longitude", "offset", "catchUp"],
}

/** Undefined where nothing says it. A property alone is meant for all devices. */
export function sourceKindOf(on: RuleSpec["on"]): SourceKind | undefined {
  if (on.device !== undefined) return "reading"
  if (on.topic !== undefined) return "topic"
  if (on.schedule !== undefined) return "schedule"
  if (on.sun !== undefined) return "sun"
  return undefined
}

type Mistake = (path: string, problem: string) => void

export function sourceProblems(spec: RuleSpec, kind: SourceKind, mistake: Mistake): void {
  const { on } = spec
  const heads = { reading: "device", topic: "topic", schedule: "schedule", sun: "sun" }
  for (const key of Object.keys(on))
    if (!members[kind].includes(key))
      mistake(`on.${key}`, `does not go with ${heads[kind]}: a rule listens to one thing`)
  for (const key of ["device", "property", "topic"] as const) {
    const problem = on[key] === undefined ? undefined : filterProblem(on[key])
    if (problem !== undefined) mistake(`on.${key}`, `${problem}; + stands for one level, # for the rest`)
  }
  if (kind === "sun")
    for (const key of ["latitude", "longitude"] as const)
      if (on[key] === undefined) mistake(`on.${key}`, "is missing: the sun needs to know where")
  combinationProblems(spec, kind, mistake)
}

function combinationProblems(spec: RuleSpec, kind: SourceKind, mistake: Mistake): void {
  const given = (keys: readonly (keyof RuleSpec)[]): (keyof RuleSpec)[] => keys.filter((key) => spec[key] !== undefined)
  if (kind === "schedule" || kind === "sun") {
    for (const key of given(["for", "clearWhen", "onChange", "silence", "cooldown", "window", "clearActions"]))
      mistake(key, `does not go with a ${kind === "sun" ? "sunrise or sunset" : "schedule"}`)
    return
  }
  if (spec.silence !== undefined)
    for (const key of given(["when", "for", "clearWhen", "onChange", "window"]))
      mistake(key, "does not go with silence: such a rule fires when nothing was heard")
  if (spec.window !== undefined && kind !== "reading") mistake("window", "needs readings: on.device")
  if (spec.window === undefined) return
  for (const key of given(["for", "onChange"]))
    mistake(key, "does not go with window: such a rule meets one result for each window")
}
