/** Device filters with MQTT wildcards as SQL conditions: the same devices as core's `matchesFilter`, found by DuckDB. */
import type { QueryParameter } from "@brume/core"

/** A condition and the values of its parameters, which it numbers from where the caller says. */
export interface SqlCondition {
  readonly sql: string
  readonly parameters: readonly QueryParameter[]
}

/**
 * Devices that fit all groups, and in each at least one filter. An undefined group is no limit.
 * @param first number of the first parameter.
 */
export function deviceCondition(groups: readonly (readonly string[] | undefined)[], first: number): SqlCondition {
  const parameters = groups.filter((group) => group !== undefined).map(patternOf)
  const conditions = parameters.map((_, index) => `regexp_full_match(device, $${first + index})`)
  return { sql: conditions.length === 0 ? "true" : conditions.join(" AND "), parameters }
}

/** A regular expression of RE2 for the devices that fit at least one of the filters. */
function patternOf(filters: readonly string[]): string {
  return filters.length === 0 ? "[^\\s\\S]" : `(?s)${filters.map((filter) => `(?:${expressionOf(filter)})`).join("|")}`
}

function expressionOf(filter: string): string {
  // Wildcards at the start do not match what begins with $. [MQTT-4.7.2-1]
  if (filter === "#") return "(?:[^$].*)?"
  const levels = filter.split("/")
  const rest = levels.at(-1) === "#" ? "(?:/.*)?" : ""
  if (rest !== "") levels.pop()
  const expressions = levels.map((level, index) => {
    if (level !== "+") return level.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
    return index === 0 ? "(?:[^/$][^/]*)?" : "[^/]*"
  })
  return expressions.join("/") + rest
}
