/** Which segments are dropped. Whole ones, by the time when their readings were received. Pure. */
import type { SegmentEntry } from "./manifest.ts"

export interface Retention {
  /** Readings received longer ago are dropped, a segment at a time. Kept for ever when undefined. */
  readonly maxAgeMs?: number | undefined
  /** Most bytes of segments; beyond them the oldest are dropped. No limit when undefined. */
  readonly maxBytes?: number | undefined
}

export interface Situation {
  /** µs since 1970 UTC. */
  readonly nowUs: number
  /** Bytes that must become free, because the disk is full and the policy is to drop the oldest. */
  readonly neededBytes: number
}

export type DropReason = "age" | "bytes" | "disk"

export interface Drop {
  readonly entry: SegmentEntry
  readonly reason: DropReason
}

/** Oldest first. */
export function planDrops(segments: readonly SegmentEntry[], retention: Retention, situation: Situation): Drop[] {
  const { maxAgeMs, maxBytes = Number.POSITIVE_INFINITY } = retention
  const oldestKept = maxAgeMs === undefined ? Number.NEGATIVE_INFINITY : situation.nowUs - maxAgeMs * 1000
  const drops: Drop[] = []
  let bytes = segments.reduce((sum, entry) => sum + entry.bytes, 0)
  let needed = situation.neededBytes
  for (const entry of [...segments].sort((a, b) => a.maxReceived - b.maxReceived)) {
    const reason = entry.maxReceived < oldestKept ? "age" : bytes > maxBytes ? "bytes" : needed > 0 ? "disk" : undefined
    if (reason === undefined) break
    drops.push({ entry, reason })
    bytes -= entry.bytes
    needed -= entry.bytes
  }
  return drops
}
