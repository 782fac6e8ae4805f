/** Names of the files in `segments/`. They say enough to rebuild a lost manifest. Pure. */
import type { Range } from "./ranges.ts"

export const folder = "segments"

/** Digits of a sequence in a name: names of one epoch sort by sequence. */
const digits = 20

/**
 * A sealed segment, from its lowest sequence to behind its highest. What it covers in between stands in the file.
 * `turn` tells files with the same ends apart; it is 0 but for repairs.
 */
export function segmentName(epoch: string, [from, to]: Range, turn = 0): string {
  return `${epoch}-${padded(from)}-${padded(to)}${suffix(turn)}.parquet`
}

/** The latest values as of a sequence. `turn` tells files that were rewritten without a seal apart. */
export function latestName(epoch: string, to: number, turn = 0): string {
  return `${epoch}-${padded(to)}${suffix(turn)}.latest.parquet`
}

export type FileName =
  | { readonly kind: "segment"; readonly epoch: string; readonly range: Range }
  | { readonly kind: "latest" }
  /** Left by a crash while it was written. */
  | { readonly kind: "unfinished" }
  /** Not Brume's. */
  | { readonly kind: "foreign" }

export function parseName(name: string): FileName {
  if (/^[0-9a-f]{16}-.*\.tmp$/.test(name)) return { kind: "unfinished" }
  if (/^[0-9a-f]{16}-\d{20}(\.\d+)?\.latest\.parquet$/.test(name)) return { kind: "latest" }
  const [, epoch, first, end] = /^([0-9a-f]{16})-(\d{20})-(\d{20})(?:\.\d+)?\.parquet$/.exec(name) ?? []
  const [from, to] = [Number(first), Number(end)]
  if (epoch === undefined || !(from < to) || !Number.isSafeInteger(to)) return { kind: "foreign" }
  return { kind: "segment", epoch, range: [from, to] }
}

/** Below the data folder. */
export function pathOf(name: string): string {
  return `${folder}/${name}`
}

function padded(seq: number): string {
  return String(seq).padStart(digits, "0")
}

function suffix(turn: number): string {
  return turn === 0 ? "" : `.${turn}`
}
