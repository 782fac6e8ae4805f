/** ISO 8601 in UTC with microseconds. @param us µs since 1970 UTC */
export function isoTime(us: number): string {
  const ms = Math.floor(us / 1_000)
  const micros = us - ms * 1_000
  return `${new Date(ms).toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`
}
