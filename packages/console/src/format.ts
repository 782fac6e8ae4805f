/** Numbers and times as people read them. Times are ms since 1970 UTC, shown in the browser's time zone. */

const many = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const few = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })
const tiny = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "scientific" })

/**
 * About four significant digits.
 * @param decimals of the series, so that its digits stand still; large numbers show fewer.
 */
export function formatNumber(value: number, decimals: number = decimalsOf(value)): string {
  const size = Math.abs(value)
  if (!Number.isFinite(value)) return String(value)
  if (size >= 1e9 || (size < 0.001 && size > 0)) return tiny.format(value).replace("E", " e")
  if (size >= 1_000) return many.format(value)
  return value.toFixed(Math.min(decimals, size >= 100 ? 1 : size < 0.1 && size > 0 ? 3 : 2))
}

/** Decimals that a number needs, at most three. */
export function decimalsOf(value: number): number {
  for (let decimals = 0; decimals < 3; decimals++) {
    const scaled = value * 10 ** decimals
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return decimals
  }
  return 3
}

export function formatCount(count: number): string {
  return many.format(count)
}

export function formatCompact(count: number): string {
  return count < 10_000 ? many.format(count) : compact.format(count)
}

/** Per second. */
export function formatRate(rate: number): string {
  return rate < 100 ? few.format(rate) : formatCompact(rate)
}

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let size = bytes
  let unit = 0
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_000
    unit++
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}

/** How long ago, in one unit. */
export function formatAge(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  // Clocks of browser and node differ a little: a reading from the near future is a new one.
  if (seconds < -60) return "in the future"
  if (seconds < 2) return "now"
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}

const dayAndClock = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
})

export function formatMoment(ms: number): string {
  return dayAndClock.format(ms)
}

export function formatDuration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
}
