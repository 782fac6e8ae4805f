/** CEL's values as JSON has them, within a limit: what a macro makes of a small list may be large. */

/** Characters and members of one value. */
const maxCost = 65_536

/** Throws an Error where the value is too large. Times become texts. */
export function plain(value: unknown): unknown {
  return convert(value, { cost: 0 })
}

function convert(value: unknown, spent: { cost: number }): unknown {
  spent.cost += typeof value === "string" ? value.length + 1 : 1
  if (spent.cost > maxCost) throw new Error(`is larger than ${maxCost} characters`)
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map((item) => convert(item, spent))
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, inner]) => [String(key), convert(inner, spent)]))
  if (Object.getPrototypeOf(value) !== Object.prototype) return String(value)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, convert(inner, spent)]))
}
