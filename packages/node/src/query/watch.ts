import { type Clock, FogError, type Logger, type Timer } from "@brume/core"
import type { Stop } from "./stop.ts"

export interface WatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Resident memory of the process, bytes. */
  readonly residentBytes: () => number
  readonly maxResidentBytes: number
}

const lookEveryMs = 50
/** Statements are not blamed for what the process held before they came: they always have this much. */
const leastBytes = 128 * 2 ** 20

/**
 * Stops statements while the process holds more memory than it may. DuckDB's own limit counts its tables, sorts and
 * aggregates, but not every value on its way. The newest statement goes first: the others ran well before it came.
 */
export class MemoryWatch {
  readonly #options: WatchOptions
  /** In the order in which they began. */
  readonly #watched = new Set<Stop>()
  #timer: Timer | undefined
  /** What the process held when the first of those that run began, bytes. */
  #before = 0

  constructor(options: WatchOptions) {
    this.#options = options
  }

  /** Until the returned function is called. */
  add(stop: Stop): () => void {
    if (this.#watched.size === 0) this.#before = this.#options.residentBytes()
    this.#watched.add(stop)
    this.#timer ??= this.#options.clock.after(lookEveryMs, () => this.#look())
    return () => {
      this.#watched.delete(stop)
      if (this.#watched.size > 0) return
      this.#timer?.cancel()
      this.#timer = undefined
    }
  }

  #look(): void {
    const { clock, logger, maxResidentBytes } = this.#options
    this.#timer = clock.after(lookEveryMs, () => this.#look())
    const residentBytes = this.#options.residentBytes()
    if (residentBytes <= Math.max(maxResidentBytes, this.#before + leastBytes)) return
    // One that was stopped is given the time to let go before the next is.
    const newest = [...this.#watched].at(-1)
    if (newest === undefined || newest.fault !== undefined) return
    logger.warn("The newest statement is stopped because the process holds too much memory", { residentBytes })
    newest.because(
      new FogError("query_memory", {
        message: `The statement was stopped because the node holds ${residentBytes} bytes of memory; ${maxResidentBytes} is the limit`,
        hint: "Read fewer rows and columns, make shorter texts and lists, or raise query.maxResidentBytes.",
      }),
    )
  }
}
