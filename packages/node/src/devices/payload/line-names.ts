/**
 * Names of the line protocol as text: the slow path, taken once for each new series. A backslash in front of a comma,
 * an equals sign or a space makes that a part of the name (not `=` in a measurement); any other is an ordinary
 * character. So InfluxDB reads them.
 */
import { isUtf8 } from "node:buffer"
import { canonicalTags, maxTagsLength, nameProblem } from "@brume/core"
import { excerpt } from "./mistakes.ts"

/** Bytes of names that are looked at: what fits the limits is shorter, however it is escaped. */
const maxRawLength = 65_535

/** Bytes of a name, or of several. */
export interface Name {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** What a line says before its fields. */
export interface LineHead {
  readonly device: string
  /** What a field's name is appended to for its property. */
  readonly propertyPrefix: string
  readonly tags: string
}

/**
 * The head of a line: `measurement,tag=value,…`. Its device is the value of the first of `deviceTags` that is there,
 * and properties are then called `measurement.field`; otherwise the measurement is the device and properties are called
 * like the fields. A text is the reason why the head is malformed.
 */
export function parseHead({ bytes, start, end }: Name, deviceTags: readonly string[]): LineHead | string {
  if (end - start > maxRawLength) return `has more than ${maxRawLength} bytes of measurement and tags`
  const text = decode(bytes, start, end)
  if (text === undefined) return "has a measurement or tag that is not UTF-8"
  const parts = splitAtCommas(text)
  const measurement = parts[0]!.includes("\\") ? parts[0]!.replace(/\\([, ])/g, "$1") : parts[0]!
  if (measurement === "") return "has no measurement"
  // Without a prototype, so that any name is an ordinary key.
  const tags: Record<string, string> = Object.create(null)
  for (let index = 1; index < parts.length; index++) {
    const problem = takeTag(tags, parts[index]!)
    if (problem !== undefined) return problem
  }
  const canonical = canonicalTags(tags)
  if (canonical.length > maxTagsLength)
    return `has tags of ${canonical.length} characters as JSON, the limit is ${maxTagsLength}`
  const deviceTag = deviceTags.find((name) => name in tags)
  const device = deviceTag === undefined ? measurement : tags[deviceTag]!
  const problem = nameProblem(device)
  if (problem !== undefined)
    return `has the ${deviceTag ?? "measurement"} ${excerpt(device)} for device, which ${problem}`
  return { device, propertyPrefix: deviceTag === undefined ? "" : `${measurement}.`, tags: canonical }
}

/** The property of a field. `problem` says why its name cannot be used. */
export function parseField(
  { bytes, start, end }: Name,
  head: LineHead,
): { readonly property: string; readonly problem?: string } {
  if (end - start > maxRawLength) return { property: "", problem: "has a field name that is much too long" }
  const text = decode(bytes, start, end)
  if (text === undefined) return { property: "", problem: "has a field name that is not UTF-8" }
  const field = withoutEscapes(text)
  if (field === "") return { property: "", problem: "has a field without a name" }
  const property = head.propertyPrefix + field
  const problem = nameProblem(property)
  return problem === undefined
    ? { property }
    : { property, problem: `has the field ${excerpt(property)}, which ${problem}` }
}

function takeTag(tags: Record<string, string>, text: string): string | undefined {
  const equals = unescapedEquals(text, 0)
  const name = withoutEscapes(equals === -1 ? text : text.slice(0, equals))
  if (name === "") return "has a tag without a name"
  if (equals === -1 || equals === text.length - 1) return `has the tag ${excerpt(name)} without a value`
  if (unescapedEquals(text, equals + 1) !== -1)
    return `has an equals sign without backslash in the tag ${excerpt(name)}`
  const problem = nameProblem(name)
  if (problem !== undefined) return `has the tag ${excerpt(name)}, whose name ${problem}`
  if (name in tags) return `has the tag ${excerpt(name)} twice`
  tags[name] = withoutEscapes(text.slice(equals + 1))
  return undefined
}

function decode(bytes: Buffer, start: number, end: number): string | undefined {
  let at = start
  while (at < end && bytes[at]! < 0x80) at++
  if (at === end) return bytes.toString("latin1", start, end)
  return isUtf8(bytes.subarray(start, end)) ? bytes.toString("utf8", start, end) : undefined
}

const withoutEscapes = (text: string): string => (text.includes("\\") ? text.replace(/\\([,= ])/g, "$1") : text)

/** Place of the first equals sign without a backslash in front, or -1. */
function unescapedEquals(text: string, from: number): number {
  let at = text.indexOf("=", from)
  while (at > 0 && text[at - 1] === "\\") at = text.indexOf("=", at + 1)
  return at
}

function splitAtCommas(text: string): string[] {
  const parts: string[] = []
  let from = 0
  for (let at = text.indexOf(","); at !== -1; at = text.indexOf(",", at + 1)) {
    if (at > 0 && text[at - 1] === "\\") continue
    parts.push(text.slice(from, at))
    from = at + 1
  }
  parts.push(text.slice(from))
  return parts
}
