/** How deep JSON of others may nest: what reads and writes it afterwards recurses. */

export const deepest = 500

/** Whether a value that was parsed from `textLength` characters nests deeper than {@link deepest}. */
export function isTooDeep(value: unknown, textLength: number): boolean {
  // Every level costs a bracket at each end.
  if (textLength < 2 * deepest) return false
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= deepest) return true
    const next: unknown[] = []
    for (const one of level) {
      if (typeof one !== "object" || one === null) continue
      for (const inner of Array.isArray(one) ? one : Object.values(one))
        if (typeof inner === "object" && inner !== null) next.push(inner)
    }
    level = next
  }
  return false
}
