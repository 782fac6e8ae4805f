/** What the page looks at, in the address's fragment, so that reload, back and a bookmark return to it. */
import type { SeriesId } from "./series.ts"

export interface Place {
  readonly series: SeriesId | undefined
  readonly range: string | undefined
}

export function parsePlace(hash: string): Place {
  const fragment = new URLSearchParams(hash.replace(/^#/, ""))
  const device = fragment.get("device")
  const property = fragment.get("property")
  const series =
    device === null || property === null ? undefined : { device, property, tags: fragment.get("tags") ?? "{}" }
  return { series, range: fragment.get("range") ?? undefined }
}

export function formatPlace(series: SeriesId, range: string): string {
  const fragment = new URLSearchParams({ device: series.device, property: series.property, range })
  if (series.tags !== "{}") fragment.set("tags", series.tags)
  return `#${fragment.toString()}`
}
