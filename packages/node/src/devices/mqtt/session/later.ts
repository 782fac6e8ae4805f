/**
 * Records that may become durable a moment later: losing one costs a repetition that the standard allows, never a
 * message. They travel with the next commit, or with one of their own where none comes.
 */
import type { Clock, KeyedRecord, Logger, Store, Timer } from "@brume/core"

export interface LaterOptions {
  readonly store: Pick<Store, "put">
  readonly clock: Clock
  readonly logger: Logger
}

const longestMs = 50
const mostRecords = 4_096

export class Later {
  readonly #options: LaterOptions
  #records: KeyedRecord[] = []
  #timer: Timer | undefined

  constructor(options: LaterOptions) {
    this.#options = options
  }

  put(record: KeyedRecord): void {
    this.#records.push(record)
    if (this.#records.length >= mostRecords) this.flush()
    else this.#timer ??= this.#options.clock.after(longestMs, () => this.flush())
  }

  /** Adds them to a commit that is being made. */
  joinTo(records: KeyedRecord[]): void {
    for (const record of this.#take()) records.push(record)
  }

  flush(): void {
    const records = this.#take()
    if (records.length === 0) return
    try {
      // A failure shows in everything that is acknowledged; here it costs repetitions.
      this.#options.store.put(records).durable.catch(() => {})
    } catch (error) {
      this.#options.logger.debug("Records of finished deliveries were not taken", { count: records.length, error })
    }
  }

  #take(): KeyedRecord[] {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#records.length === 0) return none
    const records = this.#records
    this.#records = []
    return records
  }
}

const none: KeyedRecord[] = []
