/** SenML packs on topics: their readings join a batch that has others already, with what the mapping adds to them. */
import { canonicalTags, maxTagsLength, type ReadingBatch, type Series, valueKind } from "@brume/core"
import type { PayloadContext } from "../payload/payload.ts"
import { parseSenml } from "../payload/senml.ts"
import type { Stage } from "./stage.ts"
import type { TopicPlan } from "./topic-plan.ts"

/**
 * Stages a pack's readings. Where the topic names a device, the pack is read as if it began with that base name.
 * @returns a problem that continues a sentence that began with the payload. Throws what {@link parseSenml} does.
 */
export function stageSenml(
  stage: Stage,
  bytes: Uint8Array,
  context: PayloadContext,
  { device, property, tags }: TopicPlan,
): string | undefined {
  const baseName = device === undefined ? "" : `${device}/${property ?? ""}`
  const pack = parseSenml(bytes, context, baseName)
  const series = tags === "{}" ? pack.series : pack.series.map((one) => withTags(one, tags, context))
  const tooLong = series.find((one) => one.tags.length > maxTagsLength)
  if (tooLong !== undefined)
    return `has tags of more than ${maxTagsLength} characters as JSON with those of the mapping`
  for (let row = 0; row < pack.length; row++) {
    stageRow(stage, pack, row, series[pack.seriesIndex[row]!]!)
    stage.stamp(pack.time[row]!)
  }
  return undefined
}

function stageRow(stage: Stage, pack: ReadingBatch, row: number, series: Series): void {
  const kind = pack.kind[row]!
  const payload = pack.payload?.[row] ?? ""
  if (kind === valueKind.number) stage.addNumber(series, pack.value[row]!)
  else if (kind === valueKind.text) stage.addText(series, payload)
  else if (kind === valueKind.json) stage.addJson(series, payload)
  else stage.addBigInteger(series, payload)
}

/** The same series with a mapping's tags; the pack's own win. */
function withTags({ device, property, tags }: Series, own: string, { series }: PayloadContext): Series {
  const all = { ...parseTags(own), ...parseTags(tags) }
  return series.get(device, property, canonicalTags(all))
}

const parseTags = (tags: string): Record<string, string> => JSON.parse(tags) as Record<string, string>
