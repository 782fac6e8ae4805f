/** What is to be done with payloads of one topic: a mapping whose templates are filled. */
import { maxTagsLength, nameProblem } from "@brume/core"
import { excerpt } from "../payload/mistakes.ts"
import type { TimeRule } from "./member-time.ts"

/** `auto` looks at the payload; `none` says that messages are no readings. */
export type PayloadKind = "auto" | "number" | "text" | "boolean" | "json" | "senml" | "none"

/** `objects` makes readings of an object's members, `all` also of an array's, `none` keeps each value as it is. */
export type Flatten = "objects" | "all" | "none"

/** A member of the payload and what it is called as a reading. */
export interface Selection {
  /** Keys from the outermost object inwards. */
  readonly path: readonly string[]
  readonly property: string
}

export interface TopicPlan {
  /** Name of the mapping. */
  readonly name: string
  /** Undefined where SenML packs name their devices themselves. */
  readonly device: string | undefined
  /** Undefined where members of an object are the properties. */
  readonly property: string | undefined
  /** Canonical JSON. */
  readonly tags: string
  readonly payload: PayloadKind
  readonly flatten: Flatten
  /** Only these members become readings; undefined means all. */
  readonly select: readonly Selection[] | undefined
  readonly time: TimeRule
  /** A number is multiplied first, then this is added. */
  readonly multiply: number
  readonly add: number
}

/** What a member of the outermost object is called as a reading. `value` is the property itself. */
export function memberName(property: string | undefined, key: string): string {
  if (property === undefined) return key
  return key === "value" ? property : `${property}.${key}`
}

/** Why no reading can have a plan's names; undefined when it can. */
export function planProblem({ device, property, tags, payload }: TopicPlan): string | undefined {
  const wrong = (what: string, name: string | undefined): string | undefined => {
    const problem = name === undefined ? undefined : nameProblem(name)
    return problem === undefined ? undefined : `is on a topic whose ${what} ${excerpt(name!)} ${problem}`
  }
  if (device === undefined && payload !== "senml") return "is on a topic for which its mapping names no device"
  if (tags.length > maxTagsLength) return `is on a topic whose tags have more than ${maxTagsLength} characters as JSON`
  return wrong("device", device) ?? wrong("property", property)
}
