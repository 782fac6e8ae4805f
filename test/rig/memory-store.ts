/** A store in memory that keeps core's contract; a test decides when records become durable, or that they never do. */
import {
  type Appended,
  type DurableListener,
  FogError,
  type KeyedKind,
  type KeyedRecord,
  type Reading,
  type ReadingBatch,
  type Store,
  type StoreStats,
} from "@brume/core"

export class MemoryStore implements Store {
  readonly node = "rig"
  readonly epoch = "00000000000000aa"
  readonly readings: Reading[] = []
  /** What the next appends meet. */
  state: StoreStats["state"] = "accepting"
  /** While set, nothing becomes durable. */
  #held: Promise<void> | undefined
  #nextSeq = 1
  readonly #records = new Map<string, Uint8Array>()
  readonly #listeners = new Set<DurableListener>()

  get nextSeq(): number {
    return this.#nextSeq
  }

  get durableSeq(): number {
    return this.#nextSeq
  }

  /** Holds the disk; returns the function that lets it go on, or fail: then keyed records are as they were before. */
  hold(): (error?: Error) => void {
    let end: (error?: Error) => void = () => {}
    const before = new Map(this.#records)
    this.#held = new Promise((resolve, reject) => {
      end = (error) => {
        this.#held = undefined
        if (error === undefined) {
          resolve()
          return
        }
        this.#records.clear()
        for (const [key, value] of before) this.#records.set(key, value)
        reject(error)
      }
    })
    this.#held.catch(() => {})
    return end
  }

  append(batch: ReadingBatch, records: readonly KeyedRecord[] = []): Appended {
    if (this.state === "full") throw new FogError("store_full", { message: "The disk is full" })
    if (this.state === "failed") throw new FogError("store_closed", { message: "The log failed" })
    const seq = this.#nextSeq
    this.#nextSeq += batch.length
    this.put(records)
    return { seq, durable: this.#settle(batch, seq) }
  }

  put(records: readonly KeyedRecord[]): Appended {
    for (const { kind, key, value } of records) {
      if (value === undefined) this.#records.delete(`${kind}:${key}`)
      else this.#records.set(`${kind}:${key}`, value)
    }
    const seq = this.#nextSeq
    this.#nextSeq += records.length
    return { seq, durable: this.#held ?? Promise.resolve() }
  }

  get(kind: KeyedKind, key: string): Uint8Array | undefined {
    return this.#records.get(`${kind}:${key}`)
  }

  *entries(kind: KeyedKind): IterableIterator<[string, Uint8Array]> {
    for (const [key, value] of this.#records) {
      if (key.startsWith(`${kind}:`)) yield [key.slice(kind.length + 1), value]
    }
  }

  onDurable(listener: DurableListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  stats(): StoreStats {
    return {
      epoch: this.epoch,
      nextSeq: this.#nextSeq,
      durableSeq: this.#nextSeq,
      appliedSeq: this.#nextSeq,
      logBytes: 0,
      logFiles: 1,
      segmentBytes: 0,
      segmentFiles: 0,
      segmentRows: 0,
      tableRows: this.readings.length,
      damaged: [],
      state: this.state,
    }
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  async #settle(batch: ReadingBatch, seq: number): Promise<void> {
    await this.#held
    const origin = { node: this.node, epoch: this.epoch, firstSeq: seq }
    for (let row = 0; row < batch.length; row++) this.readings.push(batch.readingAt(row, origin))
    for (const listener of this.#listeners) listener(batch, seq)
  }
}
