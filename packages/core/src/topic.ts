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
