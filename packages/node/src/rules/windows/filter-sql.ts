/** Filters with MQTT's wildcards as conditions in SQL: the same names as {@link matchesFilter} finds. */

export function filterCondition(column: "device" | "property", filter: string): string {
  if (!/[+#]/.test(filter)) return `${column} = ${quoted(filter)}`
  const noDollar = /^[+#]/.test(filter) ? ` AND NOT starts_with(${column}, '$')` : ""
  if (filter === "#") return `true${noDollar}`
  const levels = filter.split("/")
  const isOpen = levels.at(-1) === "#"
  if (isOpen) levels.pop()
  const pattern = levels.map((level) => (level === "+" ? "[^/]*" : level.replace(/[^A-Za-z0-9_-]/g, escaped))).join("/")
  return `regexp_full_match(${column}, ${quoted(`${pattern}${isOpen ? "(/.*)?" : ""}`)}, 's')${noDollar}`
}

/** A text in SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A time in SQL. */
export function timeLiteral(us: number): string {
  return `make_timestamp(${Math.trunc(us)})`
}

/** Characters beyond ASCII stand for themselves. */
function escaped(character: string): string {
  return character.charCodeAt(0) < 0x80 ? `\\${character}` : character
}
