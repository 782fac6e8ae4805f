/** SenML packs on topics: their readings are added to a batch that has others already. */
import { type ReadingBatch, type Series, valueKind } from "@brume/core"
import type { PayloadContext } from "../payload/payload.ts"
import { parseSenml } from "../payload/senml.ts"
import type { TopicPlan } from "./topic-plan.ts"

/**
 * Adds a pack's readings. Where the topic names a device, the pack is read as if it began with that base name.
 * @returns how many, or the first series that is not allowed, having added nothing. Throws what {@link parseSenml} does.
 */
export function addSenml(
  batch: ReadingBatch,
  bytes: Uint8Array,
  context: PayloadContext,
  { device, property }: Pick<TopicPlan, "device" | "property">,
  isAllowed: (series: Series) => boolean,
): number | Series {
  const baseName = device === undefined ? "" : `${device}/${property ?? ""}`
  const pack = parseSenml(bytes, context, baseName)
  const refused = pack.series.find((series) => !isAllowed(series))
  if (refused !== undefined) return refused
  // Objects of this pack's series remember their place in it, which the other batch asks again.
  for (let row = 0; row < pack.length; row++) {
    const series = pack.series[pack.seriesIndex[row]!]!
    const time = pack.time[row]!
    const kind = pack.kind[row]!
    const quality = pack.quality[row]!
    const payload = pack.payload?.[row] ?? ""
    if (kind === valueKind.number) batch.addNumber(series, time, pack.value[row]!, quality)
    else if (kind === valueKind.text) batch.addText(series, time, payload, quality)
    else if (kind === valueKind.json) batch.addJson(series, time, payload, quality)
    else batch.addBigInteger(series, time, payload, quality)
  }
  return pack.length
}
