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
  /** The commit that is being gathered, and what of it came from here. */
  #commit: KeyedRecord[] | undefined
  #joined: KeyedRecord[] = []
  #timer: Timer | undefined

  constructor(options: LaterOptions) {
    this.#options = options
  }

  /** While a commit is gathered it goes with that one, behind what is there already: the last record of a key counts. */
  put(record: KeyedRecord): void {
    if (this.#commit !== undefined) {
      this.#commit.push(record)
      this.#joined.push(record)
      return
    }
    this.#records.push(record)
    if (this.#records.length >= mostRecords) this.flush()
    else this.#timer ??= this.#options.clock.after(longestMs, () => this.flush())
  }

  /** A commit begins to be gathered: what waits comes first in it, as it happened before. */
  join(commit: KeyedRecord[]): void {
    this.#commit = commit
    this.#joined = this.#take()
    for (const record of this.#joined) commit.push(record)
  }

  /** The commit is gathered. Returns what it has from here; whoever does not make it puts that back. */
  part(): readonly KeyedRecord[] {
    this.#commit = undefined
    return this.#joined
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
    const records = this.#records
    this.#records = []
    return records
  }
}
