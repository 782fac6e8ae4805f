/** Durations as people write them: `90s`, `5m`, `1h30m`, `2d`. */

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** The pattern for schemas. */
export const durationPattern = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+$"

/** Most that a duration may be: ten years. ms. */
const longestMs = 3_650 * 86_400_000

/** ms; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!new RegExp(durationPattern).test(text)) return undefined
  let ms = 0
  for (const [, amount, unit] of text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)/g))
    ms += Number(amount) * unitMs[unit!]!
  return ms <= longestMs ? ms : undefined
}
