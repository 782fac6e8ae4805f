/** Times and spans as people read and write them. */
import { usageError } from "./failure.ts"

const units: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** A span such as `500ms`, `30s`, `12h`, `90d`; a bare number is ms. Throws `usage`. */
export function parseSpan(text: string, flag: string): number {
  const [, digits, unit = "ms"] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?$/.exec(text.trim()) ?? []
  const factor = units[unit]
  if (digits === undefined || factor === undefined) {
    throw usageError(`${flag} ${JSON.stringify(text)} is no span of time`, "Write it like 500ms, 30s, 12h or 90d.")
  }
  return Number(digits) * factor
}

/** How long ago, in the unit that says most: `now`, `42 s`, `5 min`, `3 h`, `12 d`. */
export function ageText(ms: number): string {
  if (ms < -1_000) return "in the future"
  const steps = [
    [86_400_000 * 2, 86_400_000, "d"],
    [3_600_000 * 2, 3_600_000, "h"],
    [60_000 * 2, 60_000, "min"],
    [1_000, 1_000, "s"],
  ] as const
  const step = steps.find(([from]) => ms >= from)
  return step === undefined ? "now" : `${Math.floor(ms / step[1])} ${step[2]}`
}

/** `2026-03-01T12:00:00.123456Z` of µs since 1970, as nodes write times. */
export function microsText(us: number): string {
  const ms = Math.floor(us / 1_000)
  return `${new Date(ms).toISOString().slice(0, -1)}${String(us - ms * 1_000).padStart(3, "0")}Z`
}

/** `1.5 GiB`, in the unit that leaves one to four digits. */
export function sizeText(bytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"]
  let size = bytes
  let at = 0
  while (size >= 1_024 && at < names.length - 1) {
    size /= 1_024
    at++
  }
  return `${at === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${names[at]}`
}

/** `1,234,567`, the same on every machine. */
export function countText(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",")
}

/** `1 row`, `2,000 rows`. */
export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`
}

/** `--expires`: a span from now, or a time. Throws `usage`. */
export function parseExpiry(text: string): Date {
  if (/^\d+(\.\d+)?(ms|s|m|h|d|w)$/.test(text)) return new Date(Date.now() + parseSpan(text, "--expires"))
  const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return new Date(ms)
  throw usageError(`--expires ${JSON.stringify(text)} is no time`, "Write it like 90d or 2030-01-31T12:00:00Z.")
}
