/** Durations and sizes as people write them: `5m`, `1.5h`, `64MiB`; a bare number is ms or bytes. */

type Units = readonly (readonly [unit: string, factor: number])[]

/** Largest first, so that a value is shown in the largest unit that keeps it whole. */
const durationUnits: Units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
]

const sizeUnits: Units = [
  ["PiB", 2 ** 50],
  ["TiB", 2 ** 40],
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
  ["B", 1],
]

const decimalSizeUnits: Units = [
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
]

export const durationExample = "250ms, 30s, 5m, 12h, 7d"
export const sizeExample = "512KiB, 64MiB, 10GB"

/** ms, or undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, durationUnits)
}

/** Bytes, or undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, [...sizeUnits, ...decimalSizeUnits])
}

export function showDuration(ms: number): string {
  return showQuantity(ms, durationUnits)
}

export function showSize(bytes: number): string {
  return showQuantity(bytes, sizeUnits)
}

function parseQuantity(text: string, units: Units): number | undefined {
  const parts = /^(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]*)$/.exec(text.trim())
  if (parts === null) return undefined
  const [, amount, unit] = parts
  const factor = unit === "" ? 1 : units.find(([name]) => name.toLowerCase() === unit!.toLowerCase())?.[1]
  if (factor === undefined) return undefined
  const value = Number(amount) * factor
  return Number.isSafeInteger(value) ? value : undefined
}

function showQuantity(value: number, units: Units): string {
  const [unit, factor] = units.find(([, size]) => value >= size && value % size === 0) ?? units.at(-1)!
  return `${value / factor}${unit}`
}
