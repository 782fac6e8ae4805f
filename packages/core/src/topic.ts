/**
 * Topics and filters with MQTT wildcards: `+` for one level, `#` for the rest (also nothing).
 * Device and property filters of live streams and tokens use the same words.
 */

/** Why a filter is malformed, or undefined when it is fine. [MQTT-4.7.1-1..3] */
export function filterProblem(filter: string): string | undefined {
  if (filter.length === 0) return "is empty"
  const levels = filter.split("/")
  for (const [index, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || index !== levels.length - 1))
      return "has # elsewhere than as its last level"
    if (level.includes("+") && level !== "+") return "has + inside a level"
  }
  return undefined
}

/** A level that no filter names: what fits it fits by a wildcard. MQTT refuses the character. [MQTT-1.5.4-2] */
const anyLevel = "\u0000"

/**
 * Whether every topic that fits the inner filter fits at least one of the others; all are well-formed. It is exact also
 * where only several of them together suffice: `a` and `a/+/#` cover `a/#`.
 *
 * A filter fits all topics of another one as soon as it fits the one in which every `+` is a level that nobody names: it
 * can fit that only by a wildcard. For `#` this is tried with each number of further levels up to more than the others
 * spell out; what fits that many fits all that follow.
 */
export function coversFilter(filters: readonly string[], inner: string): boolean {
  const levels = inner.split("/").map((level) => (level === "+" ? anyLevel : level))
  const isOpen = levels.at(-1) === "#"
  if (isOpen) levels.pop()
  const longest = filters.reduce((most, filter) => Math.max(most, filter.split("/").length), 0)
  const mostFurther = isOpen ? Math.max(1, longest - levels.length + 1) : 0
  for (let further = 0; further <= mostFurther; further++) {
    const topic = levels.join("/")
    // There is no empty topic. [MQTT-4.7.3-1]
    if (topic !== "" && !filters.some((filter) => matchesFilter(filter, topic))) return false
    levels.push(anyLevel)
  }
  return true
}

/** Whether a topic fits a well-formed filter. Wildcards at the start do not match topics that begin with `$`. [MQTT-4.7.2-1] */
export function matchesFilter(filter: string, topic: string): boolean {
  if (filter === "#" || filter === topic) return filter === topic || !topic.startsWith("$")
  if (topic.startsWith("$") && (filter.startsWith("+") || filter.startsWith("#"))) return false
  const wanted = filter.split("/")
  const given = topic.split("/")
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true
    if (index >= given.length) return false
    if (level !== "+" && level !== given[index]) return false
  }
  return wanted.length === given.length
}

/**
 * Why topics of one filter cannot be renamed into those of another, or undefined when they can: the wildcards of both are
 * the same, in the same order. Both are well-formed.
 */
export function renamingProblem(from: string, to: string): string | undefined {
  const wanted = wildcardsOf(from)
  const given = wildcardsOf(to)
  return wanted === given ? undefined : `has ${given} where the other side has ${wanted}`
}

function wildcardsOf(filter: string): string {
  const wildcards = filter.split("/").filter((level) => level === "+" || level === "#")
  return wildcards.length === 0 ? "no wildcard" : `the wildcards ${wildcards.join(" ")}`
}
