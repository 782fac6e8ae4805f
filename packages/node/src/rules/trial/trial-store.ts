/** A log in memory for a test of a rule: durable at once, gone afterwards. */
import type { Appended, DurableListener, KeyedKind, KeyedRecord, ReadingBatch } from "@brume/core"

export class TrialStore {
  readonly node: string
  readonly epoch = "0000000000000000"
  #nextSeq = 1
  readonly #records = new Map<string, Uint8Array>()
  readonly #listeners = new Set<DurableListener>()

  constructor(node: string) {
    this.node = node
  }

  get nextSeq(): number {
    return this.#nextSeq
  }

  get durableSeq(): number {
    return this.#nextSeq
  }

  append(batch: ReadingBatch, receivedUs: number, records: readonly KeyedRecord[]): void {
    const firstSeq = this.#nextSeq
    this.#nextSeq += batch.length
    batch.received = receivedUs
    this.put(records)
    for (const listener of this.#listeners) listener(batch, firstSeq)
  }

  put(records: readonly KeyedRecord[]): Appended {
    for (const { kind, key, value } of records) {
      if (value === undefined) this.#records.delete(`${kind}:${key}`)
      else this.#records.set(`${kind}:${key}`, value)
    }
    const seq = this.#nextSeq
    this.#nextSeq += records.length
    return { seq, durable: Promise.resolve() }
  }

  get(kind: KeyedKind, key: string): Uint8Array | undefined {
    return this.#records.get(`${kind}:${key}`)
  }

  *entries(kind: KeyedKind): IterableIterator<[string, Uint8Array]> {
    for (const [key, value] of this.#records) if (key.startsWith(`${kind}:`)) yield [key.slice(kind.length + 1), value]
  }

  onDurable(listener: DurableListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
