import type { ReadingBatch } from "@brume/core"
import { FogError } from "@brume/core"
import { JsonFault } from "./exact-json.ts"
import { parseJsonText, placeOf } from "./json-text.ts"
import type { PayloadContext } from "./payload.ts"
import { ReadingCollector, tooManyReadings } from "./reading-collector.ts"
import { decodeUtf8 } from "./utf8.ts"

/** `application/json`: one reading or an array of readings. */
export function parseJson(bytes: Uint8Array, context: PayloadContext): ReadingBatch {
  const { value, write } = parseWholeJson(bytes, context)
  const collector = new ReadingCollector(context)
  if (!Array.isArray(value)) collector.add(value, write, "")
  else {
    if (value.length > context.limits.readings) throw tooManyReadings(context.limits.readings)
    for (let index = 0; index < value.length && !collector.isFull; index++)
      collector.add(value[index]!, write, `[${index}]`)
  }
  return collector.finish()
}

/** A payload that is one JSON value. Throws FogErrors that name the place. */
export function parseWholeJson(bytes: Uint8Array, { limits }: PayloadContext): ReturnType<typeof parseJsonText> {
  const text = decodeUtf8(bytes, limits)
  try {
    return parseJsonText(text, 0, text.length, limits.depth)
  } catch (fault) {
    if (!(fault instanceof JsonFault)) throw fault
    const mistake = { at: placeOf(fault, text), reason: fault.message }
    throw new FogError("readings_invalid", {
      message: `Nothing was stored: the payload ${mistake.reason} (${mistake.at})`,
      details: { mistakes: [mistake], count: 1 },
    })
  }
}
