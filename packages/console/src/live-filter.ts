/** Which devices the live stream is asked for, when a node has more than this page holds. */

/** Written limits of a node: filters in one request, and, with room to spare, the length of an address. */
const maxFilters = 64
const maxLength = 8_000

/**
 * Exact filters for as many of the first names as one request carries. Names with wildcards in them cannot be asked for
 * alone: they stay still.
 */
export function liveFilter(names: readonly string[]): string[] {
  const filter: string[] = []
  let length = 0
  for (const name of names) {
    if (/[+#]/.test(name)) continue
    length += encodeURIComponent(name).length + "&device=".length
    if (length > maxLength || filter.length === maxFilters) break
    filter.push(name)
  }
  return filter
}
