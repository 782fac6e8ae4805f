/**
 * Readings of any JSON value for one topic, into the stage: the exact way, which the scanner of flat objects shortens.
 * Members that are null say that something was not measured; they are left out.
 */

import { ExactInteger, isJsonObject, type JsonObject, type JsonValue } from "../payload/exact-json.ts"
import type { JsonDocument } from "../payload/json-text.ts"
import type { PayloadLimits } from "../payload/limits.ts"
import { excerpt } from "../payload/mistakes.ts"
import type { FlatScanner, Role } from "./flat-scanner.ts"
import { memberTime } from "./member-time.ts"
import type { SeriesNames } from "./series-names.ts"
import type { Stage } from "./stage.ts"
import { memberName, type Selection, type TopicPlan } from "./topic-plan.ts"

export interface JsonReadingsOptions {
  readonly plan: TopicPlan
  readonly names: SeriesNames
  readonly stage: Stage
  readonly limits: PayloadLimits
  /** Learns the keys of good payloads. */
  readonly scanner: FlatScanner
}

/** A problem continues a sentence that began with the payload. */
type Problem = string | undefined

export class JsonReadings {
  readonly #options: JsonReadingsOptions
  #write: JsonDocument["write"] = JSON.stringify

  constructor(options: JsonReadingsOptions) {
    this.#options = options
  }

  /** Stages the readings of a payload. Each object of an array on a topic without a property is a payload of its own. */
  take({ value, write }: JsonDocument, receivedUs: number): Problem {
    this.#write = write
    if (this.#options.plan.property !== undefined || !Array.isArray(value)) return this.#takeOne(value, receivedUs)
    for (const [index, item] of value.entries()) {
      const problem = isJsonObject(item) ? this.#takeOne(item, receivedUs) : `has ${kindOf(item)} that is no object`
      if (problem !== undefined) return `${problem} (at [${index}])`
    }
    return undefined
  }

  #takeOne(value: JsonValue, receivedUs: number): Problem {
    const { plan, stage } = this.#options
    if (!isJsonObject(value)) {
      if (value === null) return undefined
      if (plan.select !== undefined) return `is ${kindOf(value)}, but the mapping selects members of an object`
      if (plan.property === undefined)
        return `is ${kindOf(value)}, but a topic without a property takes an object of properties`
      const problem = this.#takeValue(plan.property, value)
      stage.stamp(receivedUs)
      return problem
    }
    const timeKey = timeMember(value, plan)
    let timeUs = receivedUs
    if (timeKey !== undefined) {
      const time = memberTime(value[timeKey]!, plan.time)
      if (typeof time === "string") return `has the time ${excerpt(timeKey)}, which ${time}`
      timeUs = time
    }
    const problem =
      plan.select === undefined ? this.#takeMembers(value, timeKey) : this.#takeSelected(value, plan.select)
    if (problem !== undefined) return problem
    stage.stamp(timeUs)
    this.#teach(value)
    return undefined
  }

  #takeMembers(object: JsonObject, timeKey: string | undefined): Problem {
    const { flatten, property } = this.#options.plan
    const keys = Object.keys(object)
    if (property !== undefined && (flatten === "none" || keys.length === 0)) return this.#takeValue(property, object)
    for (const key of keys) {
      if (key === timeKey) continue
      const problem = this.#takeValue(memberName(property, key), object[key]!)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  #takeSelected(object: JsonObject, select: readonly Selection[]): Problem {
    for (const { path, property } of select) {
      const found = memberAt(object, path)
      const problem = found === undefined ? undefined : this.#takeValue(this.#selectedName(property), found)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  #selectedName(property: string): string {
    return memberName(this.#options.plan.property, property)
  }

  /** A value and, by the mapping's rule, what is inside it. */
  #takeValue(name: string, value: JsonValue): Problem {
    if (value === null) return undefined
    const { plan, stage, limits, names } = this.#options
    if (plan.flatten !== "none" && typeof value === "object") {
      if (isJsonObject(value)) {
        const keys = Object.keys(value)
        if (keys.length > 0) return this.#takeEach(name, keys, value)
      } else if (Array.isArray(value) && plan.flatten === "all" && value.length > 0)
        return this.#takeEach(name, [...value.keys()].map(String), value as unknown as JsonObject)
    }
    if (stage.count >= limits.readings) return `has more than ${limits.readings} readings`
    const series = names.get(name)
    if (typeof series === "string") return series
    if (typeof value === "number") {
      if (!Number.isFinite(value)) return `has a number for ${excerpt(name)} that is too large`
      stage.addNumber(series, value)
    } else if (typeof value === "string") {
      if (value.length > limits.textLength)
        return `has a text of ${value.length} characters for ${excerpt(name)}, the limit is ${limits.textLength}`
      stage.addText(series, value)
    } else if (value instanceof ExactInteger) stage.addBigInteger(series, value.digits)
    else {
      const json = this.#write(value)
      if (json.length > limits.jsonLength)
        return `has ${json.length} characters of JSON for ${excerpt(name)}, the limit is ${limits.jsonLength}`
      stage.addJson(series, json)
    }
    return undefined
  }

  #takeEach(name: string, keys: readonly string[], value: JsonObject): Problem {
    for (const key of keys) {
      const problem = this.#takeValue(`${name}.${key}`, value[key]!)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  /** What the keys of a flat object stand for does not depend on the payload, so that the scanner may know it. */
  #teach(object: JsonObject): void {
    const { scanner } = this.#options
    for (const key in object) {
      if (scanner.knows(key)) continue
      const value = object[key]!
      if (typeof value === "object" && value !== null && !(value instanceof ExactInteger)) continue
      const role = this.#roleOf(key)
      if (role !== undefined) scanner.learn(key, role)
    }
  }

  /** Undefined where it depends on more than the key. */
  #roleOf(key: string): Role | undefined {
    const { plan, names } = this.#options
    if (plan.property !== undefined && plan.flatten === "none" && plan.select === undefined) return undefined
    const isTime = plan.time.unit !== "none" && plan.time.members.includes(key)
    const name = this.#nameOf(key)
    if (isTime) return plan.select === undefined || name === undefined ? "time" : undefined
    if (name === undefined) return "ignored"
    const series = names.get(name)
    return typeof series === "string" ? undefined : series
  }

  #nameOf(key: string): string | undefined {
    const { select, property } = this.#options.plan
    if (select === undefined) return memberName(property, key)
    const selection = select.find(({ path }) => path.length === 1 && path[0] === key)
    return selection === undefined ? undefined : this.#selectedName(selection.property)
  }
}

/** The first member that may be the time and is there. */
function timeMember(object: JsonObject, { time }: TopicPlan): string | undefined {
  if (time.unit === "none") return undefined
  return time.members.find((member) => Object.hasOwn(object, member) && object[member] !== null)
}

function memberAt(object: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = object
  for (const key of path) {
    if (typeof value !== "object" || value === null || value instanceof ExactInteger) return undefined
    if (!Object.hasOwn(value, key) || (Array.isArray(value) && !/^(0|[1-9][0-9]*)$/.test(key))) return undefined
    value = (value as JsonObject)[key]
  }
  return value
}

export function kindOf(value: JsonValue): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  if (value instanceof ExactInteger || typeof value === "number") return "a number"
  if (typeof value === "string") return "a text"
  return typeof value === "boolean" ? "a boolean" : "an object"
}
