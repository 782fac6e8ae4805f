/** The words of this page for what a node tells it. Times are ms since 1970 UTC. */

/** Identity of a series; `tags` is canonical JSON. */
export interface SeriesId {
  readonly device: string
  readonly property: string
  readonly tags: string
}

export interface Point {
  readonly time: number
  /** The number; null where the reading is none. */
  readonly value: number | null
  /** Text, or raw JSON of what is neither number nor text. */
  readonly text: string | null
}

export function keyOf(id: SeriesId): string {
  return `${id.device}\u0000${id.property}\u0000${id.tags}`
}

/** The tag `unit` is shown behind the value, the others beside the property. */
export function readTags(tags: string): { readonly unit: string; readonly others: readonly string[] } {
  let parsed: unknown
  try {
    parsed = JSON.parse(tags)
  } catch {
    return { unit: "", others: [tags] }
  }
  const entries = Object.entries(parsed as Record<string, string>)
  return {
    unit: entries.find(([name]) => name === "unit")?.[1] ?? "",
    others: entries.filter(([name]) => name !== "unit").map(([name, value]) => `${name}=${value}`),
  }
}

/** A name like a path, cut before its last level: `hall-a/dairy` → `hall-a/` and `dairy`. */
export function splitName(name: string): { readonly path: string; readonly leaf: string } {
  const cut = name.lastIndexOf("/", name.length - 2) + 1
  return { path: name.slice(0, cut), leaf: name.slice(cut) }
}
