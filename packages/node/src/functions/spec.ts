/** What `brume.yaml` says, checked: every mistake is told with its path, and every default is filled in. */
import {
  type DocumentMistake,
  documentApiVersion,
  type FunctionBatch,
  type FunctionLimits,
  type FunctionRuntime,
  type FunctionSpec,
  type FunctionTrigger,
  filterProblem,
  functionRuntimes,
} from "@brume/core"
import type { Timetables } from "./timetables.ts"

export interface CheckedDocument {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec: FunctionSpec
}

type Fields = Readonly<Record<string, unknown>>
type Range = readonly [byDefault: number, least: number, most: number]

/** Of each limit: the default, the least and the most. */
export const limitRanges: Readonly<Record<keyof FunctionLimits, Range>> = {
  timeMs: [30_000, 10, 900_000],
  memoryMiB: [128, 32, 16_384],
  outputBytes: [1_048_576, 1_024, 67_108_864],
  concurrency: [16, 1, 256],
  instances: [1, 1, 32],
}
export const batchRanges: Readonly<Record<keyof FunctionBatch, Range>> = {
  size: [100, 1, 1_000],
  waitMs: [100, 1, 60_000],
}
export const retriesRange: Range = [2, 0, 10]

export const functionNamePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
export const secretNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
/** A path below a folder, without a way out of it. */
export const filePathPattern = /^(?!\/)(?!.*(^|\/)\.\.?(\/|$))(?!.*\/\/)[A-Za-z0-9_@.+/-]{1,200}(?<!\/)$/
export const mostTriggers = 32
export const mostSecrets = 32

const specKeys = ["runtime", "entry", "triggers", "limits", "secrets", "network", "retries"]

/** Collects what is wrong, each with its path. */
class Mistakes {
  readonly list: DocumentMistake[] = []

  add(path: string, problem: string): void {
    this.list.push({ path, problem })
  }

  /** The members of an object; none where it is no object. */
  fields(value: unknown, path: string): Fields {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields
    this.add(path, "must be an object")
    return {}
  }

  known(fields: Fields, path: string, names: readonly string[]): void {
    for (const name of Object.keys(fields)) {
      if (!names.includes(name))
        this.add(path === "" ? name : `${path}.${name}`, `is unknown; known are ${names.join(", ")}`)
    }
  }

  /** The number, or its default. */
  whole(fields: Fields, path: string, name: string, [byDefault, least, most]: Range): number {
    const value = fields[name] ?? byDefault
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value
    this.add(`${path}.${name}`, `must be a whole number from ${least} to ${most}`)
    return byDefault
  }
}

/** A whole document, as somebody wrote it. */
export function checkDocument(document: unknown, timetables: Timetables): CheckedDocument | readonly DocumentMistake[] {
  const mistakes = new Mistakes()
  const root = mistakes.fields(document, "")
  mistakes.known(root, "", ["apiVersion", "kind", "metadata", "spec"])
  if (root.apiVersion !== documentApiVersion) mistakes.add("apiVersion", `must be ${documentApiVersion}`)
  if (root.kind !== "Function") mistakes.add("kind", "must be Function")
  const metadata = mistakes.fields(root.metadata, "metadata")
  mistakes.known(metadata, "metadata", ["name", "labels"])
  const { name } = metadata
  if (typeof name !== "string" || !functionNamePattern.test(name))
    mistakes.add("metadata.name", "must be 1 to 63 lower-case letters, digits and hyphens")
  const spec = readSpec(root.spec, mistakes, timetables)
  const labels = readLabels(metadata.labels, mistakes)
  return mistakes.list.length > 0
    ? mistakes.list
    : { name: name as string, spec, ...(labels === undefined ? {} : { labels }) }
}

/** The spec of a document alone. */
export function checkSpec(spec: unknown, timetables: Timetables): FunctionSpec | readonly DocumentMistake[] {
  const mistakes = new Mistakes()
  const checked = readSpec(spec, mistakes, timetables)
  return mistakes.list.length > 0 ? mistakes.list : checked
}

export function isMistakes<T extends object>(
  checked: T | readonly DocumentMistake[],
): checked is readonly DocumentMistake[] {
  return Array.isArray(checked)
}

function readLabels(given: unknown, mistakes: Mistakes): Readonly<Record<string, string>> | undefined {
  if (given === undefined) return undefined
  const labels = mistakes.fields(given, "metadata.labels")
  for (const [label, value] of Object.entries(labels))
    if (typeof value !== "string") mistakes.add(`metadata.labels.${label}`, "must be a text")
  return labels as Readonly<Record<string, string>>
}

function readSpec(given: unknown, mistakes: Mistakes, timetables: Timetables): FunctionSpec {
  const spec = mistakes.fields(given, "spec")
  mistakes.known(spec, "spec", specKeys)
  const { runtime, entry, triggers = [], secrets = [], network = false } = spec
  if (!functionRuntimes.includes(runtime as FunctionRuntime))
    mistakes.add("spec.runtime", `must be one of ${functionRuntimes.join(", ")}`)
  if (typeof entry !== "string" || !filePathPattern.test(entry))
    mistakes.add("spec.entry", "must be the path of a file below the function's folder")
  if (typeof network !== "boolean") mistakes.add("spec.network", "must be true or false")
  const hasTriggers = Array.isArray(triggers) && triggers.length <= mostTriggers
  if (!hasTriggers) mistakes.add("spec.triggers", `must be a list of at most ${mostTriggers}`)
  return {
    runtime: runtime as FunctionRuntime,
    entry: String(entry),
    triggers: hasTriggers
      ? triggers.map((trigger, place) => readTrigger(trigger, `spec.triggers[${place}]`, { mistakes, timetables }))
      : [],
    limits: readLimits(spec.limits ?? {}, mistakes),
    secrets: readSecrets(secrets, mistakes),
    network: network === true,
    retries: mistakes.whole(spec, "spec", "retries", retriesRange),
  }
}

function readLimits(given: unknown, mistakes: Mistakes): FunctionLimits {
  const fields = mistakes.fields(given, "spec.limits")
  mistakes.known(fields, "spec.limits", Object.keys(limitRanges))
  const entries = Object.entries(limitRanges).map(([name, range]) => [
    name,
    mistakes.whole(fields, "spec.limits", name, range),
  ])
  return Object.fromEntries(entries) as FunctionLimits
}

function readSecrets(given: unknown, mistakes: Mistakes): readonly string[] {
  if (!Array.isArray(given) || given.length > mostSecrets) {
    mistakes.add("spec.secrets", `must be a list of at most ${mostSecrets} names`)
    return []
  }
  for (const [place, name] of given.entries()) {
    if (typeof name !== "string" || !secretNamePattern.test(name))
      mistakes.add(`spec.secrets[${place}]`, "must be the name of a secret: letters, digits, ., _ and -")
  }
  return given as string[]
}

interface Reading {
  readonly mistakes: Mistakes
  readonly timetables: Timetables
}

function readTrigger(given: unknown, path: string, { mistakes, timetables }: Reading): FunctionTrigger {
  const fields = mistakes.fields(given, path)
  if ("topic" in fields) {
    mistakes.known(fields, path, ["topic", "batch"])
    return { topic: readFilter(fields, path, "topic", mistakes), ...readBatch(fields, path, mistakes) }
  }
  if ("device" in fields || "property" in fields) {
    mistakes.known(fields, path, ["device", "property", "batch"])
    const device = readFilter({ device: "#", ...fields }, path, "device", mistakes)
    const property = readFilter({ property: "#", ...fields }, path, "property", mistakes)
    return { device, property, ...readBatch(fields, path, mistakes) }
  }
  if ("schedule" in fields) {
    mistakes.known(fields, path, ["schedule", "timeZone"])
    const { schedule, timeZone = "UTC" } = fields
    const timetable = timetables.parse(String(schedule), String(timeZone))
    if (typeof timetable === "string") mistakes.add(`${path}.schedule`, timetable)
    return { schedule: String(schedule), timeZone: String(timeZone) }
  }
  mistakes.known(fields, path, ["http"])
  const { http } = fields
  if (http !== "token" && http !== "public")
    mistakes.add(path, "must have topic, device and property, schedule, or http as token or public")
  return { http: http === "public" ? "public" : "token" }
}

function readFilter(fields: Fields, path: string, name: string, mistakes: Mistakes): string {
  const filter = fields[name]
  const problem = typeof filter === "string" ? filterProblem(filter) : "must be a text"
  if (problem !== undefined) mistakes.add(`${path}.${name}`, problem)
  return String(filter)
}

function readBatch(fields: Fields, path: string, mistakes: Mistakes): { readonly batch?: FunctionBatch } {
  if (fields.batch === undefined) return {}
  const batch = mistakes.fields(fields.batch, `${path}.batch`)
  mistakes.known(batch, `${path}.batch`, Object.keys(batchRanges))
  const size = mistakes.whole(batch, `${path}.batch`, "size", batchRanges.size)
  const waitMs = mistakes.whole(batch, `${path}.batch`, "waitMs", batchRanges.waitMs)
  return { batch: { size, waitMs } }
}
