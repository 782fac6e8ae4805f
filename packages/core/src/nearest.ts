/** The best guess of what a mistyped name was meant to be; undefined when none is near. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = bare(name)
  let best: string | undefined
  // A third of the letters may be wrong; beyond that a guess misleads.
  let bestDistance = Math.floor(wanted.length / 3) + 1
  for (const candidate of candidates) {
    // The last part may be right, but in the wrong section.
    const ends = candidate.slice(candidate.lastIndexOf(".") + 1)
    const distance = Math.min(editDistance(wanted, bare(candidate)), editDistance(wanted, bare(ends)) + 0.5)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Letters alone: `seal_rows`, `SEAL-ROWS` and `sealRows` are one word. */
function bare(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "")
    .slice(0, 64)
}

/** Letters to add, drop, replace or swap with their neighbour (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = last[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      let best = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1)
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      if (swapped) best = Math.min(best, beforeLast[j - 2]! + 1)
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[to.length]!
}
