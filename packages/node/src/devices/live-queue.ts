/** Readings that wait for one listener of a live stream. (L2) */
import type { Reading, Series } from "@brume/core"

export interface LiveQueueLimits {
  readonly maxReadings: number
  readonly maxBytes: number
}

/** Memory of a reading beside its text or JSON, about. */
const readingBytes = 250

function bytesOf({ text, json }: Reading): number {
  // Strings take up to two bytes a character.
  return readingBytes + 2 * ((text?.length ?? 0) + (json?.length ?? 0))
}

/**
 * `all`: every reading, in order. `newest`: after an overflow, the newest of each series in the order of their arrival.
 * It goes back to `all` when it was emptied.
 */
type Waiting =
  | { readonly mode: "all"; readonly entries: { readonly series: Series; readonly reading: Reading }[]; taken: number }
  | { readonly mode: "newest"; readonly bySeries: Map<Series, Reading> }

export class LiveQueue {
  readonly #limits: LiveQueueLimits
  #waiting: Waiting = { mode: "all", entries: [], taken: 0 }
  #bytes = 0
  #dropped = 0
  droppedTotal = 0

  constructor(limits: LiveQueueLimits) {
    this.#limits = limits
  }

  get size(): number {
    const waiting = this.#waiting
    return waiting.mode === "all" ? waiting.entries.length - waiting.taken : waiting.bySeries.size
  }

  add(series: Series, reading: Reading): void {
    this.#bytes += bytesOf(reading)
    const waiting = this.#waiting
    if (waiting.mode === "newest") this.#keepNewest(waiting.bySeries, series, reading)
    else {
      waiting.entries.push({ series, reading })
      if (!this.#isOver()) return
      const bySeries = new Map<Series, Reading>()
      for (const entry of waiting.entries.slice(waiting.taken)) this.#keepNewest(bySeries, entry.series, entry.reading)
      this.#waiting = { mode: "newest", bySeries }
    }
    this.#shrink()
  }

  take(limit: number): readonly Reading[] {
    const waiting = this.#waiting
    const readings: Reading[] = []
    if (waiting.mode === "all") {
      const end = Math.min(waiting.entries.length, waiting.taken + limit)
      for (; waiting.taken < end; waiting.taken++) readings.push(waiting.entries[waiting.taken]!.reading)
      // Half empty: what was taken is let go. Moving the rest costs less than what was taken before.
      if (waiting.taken * 2 >= waiting.entries.length) {
        waiting.entries.splice(0, waiting.taken)
        waiting.taken = 0
      }
    } else {
      for (const [series, reading] of waiting.bySeries) {
        if (readings.length >= limit) break
        readings.push(reading)
        waiting.bySeries.delete(series)
      }
    }
    for (const reading of readings) this.#bytes -= bytesOf(reading)
    if (this.size === 0) this.clear()
    return readings
  }

  takeDropped(): number {
    const dropped = this.#dropped
    this.#dropped = 0
    return dropped
  }

  clear(): void {
    this.#waiting = { mode: "all", entries: [], taken: 0 }
    this.#bytes = 0
  }

  #keepNewest(bySeries: Map<Series, Reading>, series: Series, reading: Reading): void {
    const older = bySeries.get(series)
    if (older !== undefined) {
      // Deleted, so that the newer one goes to the end.
      bySeries.delete(series)
      this.#drop(older)
    }
    bySeries.set(series, reading)
  }

  /** More series than fit: the one that was silent longest goes. The newest reading always stays. */
  #shrink(): void {
    const waiting = this.#waiting
    if (waiting.mode === "all") return
    for (const [series, reading] of waiting.bySeries) {
      if (!this.#isOver() || waiting.bySeries.size === 1) return
      waiting.bySeries.delete(series)
      this.#drop(reading)
    }
  }

  #isOver(): boolean {
    return this.size > this.#limits.maxReadings || this.#bytes > this.#limits.maxBytes
  }

  #drop(reading: Reading): void {
    this.#bytes -= bytesOf(reading)
    this.#dropped++
    this.droppedTotal++
  }
}
