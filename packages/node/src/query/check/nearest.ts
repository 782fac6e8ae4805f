/** The name that looks most like a misspelled one, or undefined when none is near. */
export function nearest(misspelled: string, names: Iterable<string>): string | undefined {
  const reach = Math.min(2, Math.floor(misspelled.length / 3))
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    if (Math.abs(name.length - misspelled.length) > reach) continue
    const distance = editDistance(misspelled, name)
    if (distance <= reach && distance < (best?.distance ?? Infinity)) best = { name, distance }
  }
  return best?.name
}

/** Insertions, deletions and replacements of one character. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let i = 0; i < one.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < other.length; j++) {
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (one[i] === other[j] ? 0 : 1)))
    }
    row = next
  }
  return row.at(-1)!
}
