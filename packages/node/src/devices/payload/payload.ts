/**
 * Payloads: bytes of one request → one {@link ReadingBatch}. Pure: no clock, no store; nothing is kept between calls
 * but caches. Each format has its file; what they share:
 *
 * - P1. All or nothing: a payload with a mistake makes no batch, and every mistake is named by its place. (The line
 *   protocol goes by lines: each is taken whole or refused, as its clients expect.)
 * - P2. A number is the double nearest to its decimal text; an integer beyond 2^53 keeps all digits in `json`. What
 *   cannot be carried (NaN, infinities, times beyond ±2^53 µs, half surrogate pairs) is refused, never altered.
 * - P3. Every tag stays in the series' tags.
 * - P4. Time and memory grow linearly with the payload, whose size, readings, nesting and texts have written limits.
 */
import type { SeriesCache } from "@brume/core"
import type { PayloadLimits } from "./limits.ts"

/** What a parser needs besides the bytes. */
export interface PayloadContext {
  /** When the node received the payload, µs since 1970 UTC: the time of readings that carry none. */
  readonly receivedUs: number
  readonly series: SeriesCache
  readonly limits: PayloadLimits
}
