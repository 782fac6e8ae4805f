/**
 * Topic patterns: filters whose wildcards have names, and templates that use what they stood for.
 *
 * `plant/{line}/{device}/telemetry` is the filter `plant/+/+/telemetry`; the name `{rest}` is kept for the last level
 * and stands for `#`. Wildcards without a name are fine where nobody asks for them.
 */
import { filterProblem } from "./topic.ts"

export interface TopicPattern {
  /** The same as an MQTT filter. */
  readonly filter: string
  /** Names of its levels by their place; undefined where a level has none. */
  readonly names: readonly (string | undefined)[]
  /** The filter's levels. */
  readonly levels: readonly string[]
}

/** What the names of a pattern stand for in one topic. */
export type Captures = ReadonlyMap<string, string>

const namedLevel = /^\{([A-Za-z][A-Za-z0-9_-]{0,63})\}$/
const placeholder = /\{([^{}]*)\}/g

/** Why a topic pattern is malformed, or undefined when it is fine. */
export function topicPatternProblem(text: string): string | undefined {
  const seen = new Set<string>()
  const levels = text.split("/")
  for (const [index, level] of levels.entries()) {
    const name = namedLevel.exec(level)?.[1]
    if (name === undefined) {
      if (/[{}]/.test(level))
        return `has the level ${level}, but a name is a whole level: {line}, of letters and digits`
      continue
    }
    if (seen.has(name)) return `has the name {${name}} twice`
    if (name === "rest" && index !== levels.length - 1) return "has {rest} elsewhere than as its last level"
    seen.add(name)
  }
  return filterProblem(filterOf(levels))
}

/** @param text has no {@link topicPatternProblem}. */
export function parseTopicPattern(text: string): TopicPattern {
  const given = text.split("/")
  const filter = filterOf(given)
  return { filter, names: given.map((level) => namedLevel.exec(level)?.[1]), levels: filter.split("/") }
}

/**
 * What the names stand for in a topic; undefined when it does not fit, as `matchesFilter` has it.
 * @param given the topic's levels, where somebody asks many patterns.
 */
export function matchPattern(
  { levels, names }: TopicPattern,
  topic: string,
  given: readonly string[] = topic.split("/"),
): Captures | undefined {
  // Wildcards at the start do not match topics that begin with $. [MQTT-4.7.2-1]
  if ((levels[0] === "+" || levels[0] === "#") && topic.startsWith("$")) return undefined
  const hasRest = levels.at(-1) === "#"
  const count = hasRest ? levels.length - 1 : levels.length
  if (hasRest ? given.length < count : given.length !== count) return undefined
  for (let index = 0; index < count; index++)
    if (levels[index] !== "+" && levels[index] !== given[index]) return undefined
  const captures = new Map<string, string>()
  for (const [index, name] of names.entries()) {
    if (name === "rest") captures.set(name, given.slice(index).join("/"))
    else if (name !== undefined) captures.set(name, given[index]!)
  }
  return captures
}

/** The names that a pattern gives to its levels. */
export function patternNames(pattern: TopicPattern): readonly string[] {
  return pattern.names.filter((name) => name !== undefined)
}

/** Why a template cannot be filled from these names, or undefined when it can. */
export function templateProblem(template: string, names: readonly string[]): string | undefined {
  for (const [whole, name] of template.matchAll(placeholder)) {
    if (names.includes(name!)) continue
    const known = names.length === 0 ? "the topic names no level" : `the topic has {${names.join("}, {")}}`
    return `has ${whole}, but ${known}`
  }
  return /[{}]/.test(template.replace(placeholder, "")) ? "has a brace without its counterpart" : undefined
}

/** @param template has no {@link templateProblem}. */
export function fillTemplate(template: string, captures: Captures): string {
  return template.replace(placeholder, (_, name: string) => captures.get(name) ?? "")
}

function filterOf(levels: readonly string[]): string {
  return levels
    .map((level) => {
      const name = namedLevel.exec(level)?.[1]
      return name === undefined ? level : name === "rest" ? "#" : "+"
    })
    .join("/")
}
