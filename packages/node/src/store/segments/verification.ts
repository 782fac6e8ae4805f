/**
 * Verification: whether segment files still have the bytes that were written. Disks forget and flip bits silently, and
 * Parquet does not notice: a flipped bit may be a wrong number.
 *
 * After opening, the newest segments are verified before queries are answered, up to a budget; the others follow in the
 * background. Then, every hour, as many bytes again are verified, those first whose turn was longest ago.
 */
import type { Clock, Timer } from "@brume/core"
import type { SegmentEntry } from "./manifest.ts"
import { isIntact, type Shelf } from "./shelf.ts"

export interface VerificationOptions {
  readonly shelf: Shelf
  readonly clock: Clock
  /** Bytes verified before queries are answered, and again every hour. 0 verifies nothing. */
  readonly budgetBytes: number
  /** Takes a damaged segment out. */
  readonly onDamaged: (entry: SegmentEntry) => Promise<void>
}

const hourMs = 3_600_000
/** Pause between two files in the background: reading must not keep the disk from syncing. */
const pauseMs = 250
const retryMs = 1_000

export class Verification {
  readonly #options: VerificationOptions
  /** Segments by name, in the order in which they were verified; what is not here was not yet. */
  readonly #verified = new Set<string>()
  #timer: Timer | undefined
  /** Ends a wait. */
  #wake: () => void = () => {}
  #closed = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: VerificationOptions) {
    this.#options = options
  }

  /** Verifies the newest segments up to the budget, then goes on by itself. */
  begin(): Promise<void> {
    this.#running = this.#begin()
    return this.#running
  }

  async #begin(): Promise<void> {
    const { shelf, budgetBytes } = this.#options
    let left = budgetBytes
    for (const entry of newestFirst(shelf.manifest.segments)) {
      if (this.#closed || left < entry.bytes) break
      left -= entry.bytes
      await this.#verify(entry)
    }
    if (budgetBytes > 0) this.#schedule(pauseMs, budgetBytes)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#wake()
    await this.#running
  }

  #schedule(delayMs: number, leftBytes: number): void {
    if (this.#closed) return
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#running = this.#next(leftBytes)
    })
  }

  /** One file; then the next, or an hour's rest. */
  async #next(leftBytes: number): Promise<void> {
    const { shelf, budgetBytes } = this.#options
    const segments = shelf.manifest.segments
    const names = new Set(segments.map(({ name }) => name))
    for (const name of this.#verified) if (!names.has(name)) this.#verified.delete(name)
    const fresh = newestFirst(segments).find(({ name }) => !this.#verified.has(name))
    const [oldest] = this.#verified
    const entry = fresh ?? segments.find(({ name }) => name === oldest)
    if (entry === undefined || leftBytes <= 0) return this.#schedule(hourMs, budgetBytes)
    await this.#verify(entry)
    // What was never verified does not count: the first round is as long as it takes.
    this.#schedule(pauseMs, fresh === undefined ? leftBytes - entry.bytes : leftBytes)
  }

  /** Resolves when the segment is good, gone or taken out. */
  async #verify(entry: SegmentEntry): Promise<void> {
    const { shelf, onDamaged } = this.#options
    while (!this.#closed && shelf.manifest.has(entry.name)) {
      try {
        // Meanwhile it may have been merged or dropped.
        if (!(await isIntact(shelf.disk, entry)) && shelf.manifest.has(entry.name)) await onDamaged(entry)
        break
      } catch (error) {
        shelf.logger.warn("a segment cannot be verified now; trying again", { file: entry.name, error })
        await this.#wait(retryMs)
      }
    }
    this.#verified.delete(entry.name)
    this.#verified.add(entry.name)
  }

  #wait(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#timer = this.#options.clock.after(durationMs, resolve)
    })
  }
}

function newestFirst(segments: readonly SegmentEntry[]): SegmentEntry[] {
  return [...segments].sort((a, b) => b.maxReceived - a.maxReceived)
}
