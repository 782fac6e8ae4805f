/** Readings on their way to a node: what an application hands over, as NDJSON lines. */
import { FogError, nameProblem } from "@brume/core"

/** A `bigint` stays exact beyond 2^53. Objects and arrays are kept as JSON. There is no null: leave the reading out. */
export type ReadingValue =
  | number
  | bigint
  | string
  | boolean
  | readonly unknown[]
  | { readonly [name: string]: unknown }

interface ReadingOrigin {
  readonly device: string
  /** When it was measured: a Date, an ISO 8601 string (µs are kept), or ms since 1970 UTC. @default when the node receives it */
  readonly time?: Date | string | number
  /** Part of the series' identity: use them for what names a series, not for what changes with each reading. */
  readonly tags?: Readonly<Record<string, string>>
  /** Bit set of the core's `quality`. @default 0, good */
  readonly quality?: number
}

/** One property of a device. */
export interface NewReading extends ReadingOrigin {
  readonly property: string
  readonly value: ReadingValue
}

/** Several properties of a device, measured together: as many readings as there are values. */
export interface NewReadings extends ReadingOrigin {
  readonly values: Readonly<Record<string, ReadingValue>>
}

export type ReadingInput = NewReading | NewReadings

/** How many readings an input stands for. */
export function countOf(input: ReadingInput): number {
  return "values" in input ? Object.keys(input.values).length : 1
}

/**
 * One line of NDJSON, without the line's end. Throws `readings_invalid` for what no node accepts, so that the fault
 * shows where it was made.
 *
 * @param defaultTimeMs time of a reading that has none, ms since 1970 UTC
 */
export function encodeReading(input: ReadingInput, defaultTimeMs?: number): string {
  let line = `{"device":${quotedName("device", input.device)}`
  if ("values" in input) {
    const names = Object.keys(input.values)
    if (names.length === 0) throw refuse(input.device, "has no values")
    const values = names.map((name) => {
      return `${quotedName("property", name)}:${encodeValue(input.values[name], `${input.device}.${name}`)}`
    })
    line += `,"values":{${values.join(",")}}`
  } else {
    line += `,"property":${quotedName("property", input.property)}`
    line += `,"value":${encodeValue(input.value, `${input.device}.${input.property}`)}`
  }
  const time = input.time ?? defaultTimeMs
  if (time !== undefined) line += `,"time":${encodeTime(time, input.device)}`
  if (input.tags !== undefined) line += `,"tags":${JSON.stringify(input.tags)}`
  if (input.quality !== undefined) line += `,"quality":${JSON.stringify(input.quality)}`
  return `${line}}`
}

/** Good names as JSON: the same few come again and again. */
const quotedNames = new Map<string, string>()
/** Names remembered; beyond, all are forgotten. */
const maxQuotedNames = 10_000

function quotedName(what: string, name: unknown): string {
  if (typeof name !== "string") throw refuse(what, "is missing")
  const known = quotedNames.get(name)
  if (known !== undefined) return known
  const problem = nameProblem(name)
  if (problem !== undefined) throw refuse(`${what} ${JSON.stringify(name.slice(0, 80))}`, problem)
  if (quotedNames.size >= maxQuotedNames) quotedNames.clear()
  const quoted = JSON.stringify(name)
  quotedNames.set(name, quoted)
  return quoted
}

function encodeValue(value: unknown, where: string): string {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) throw refuse(where, `has the value ${value}, which is no number`)
      return String(value)
    case "bigint":
      return value.toString()
    case "string":
    case "boolean":
      return JSON.stringify(value)
    case "object":
      if (value !== null) return encodeJson(value, where)
  }
  throw refuse(where, `has no value (${value === null ? "null" : typeof value})`)
}

function encodeJson(value: object, where: string): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    throw refuse(where, `has a value that is no JSON: ${(error as Error).message}`, error)
  }
  if (json === undefined) throw refuse(where, "has a value that is no JSON")
  return json
}

function encodeTime(time: Date | string | number, device: string): string {
  if (typeof time === "string") return JSON.stringify(time)
  const ms = typeof time === "number" ? time : time.getTime()
  if (!Number.isFinite(ms)) throw refuse(device, "has a time that is none")
  return String(ms)
}

function refuse(what: string, why: string, cause?: unknown): FogError {
  return new FogError("readings_invalid", {
    message: `Reading refused before it was sent: ${what} ${why}`,
    hint: "Leave out readings that have no value; name device and property in plain text.",
    cause,
  })
}
