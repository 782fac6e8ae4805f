/**
 * What a writer holds: one open batch that is being filled, and sealed ones that wait to be sent, oldest first.
 * It counts and orders; it knows nothing of networks, storage or time.
 */

export interface Batch {
  /** Ascends in the order of sealing. */
  readonly number: number
  /** Idempotency-Key of its requests: the same for every attempt, also after a restart. */
  readonly key: string
  readonly readings: number
  /** NDJSON lines; undefined while they are only in storage. */
  lines: readonly string[] | undefined
  /** UTF-16 code units of the lines; 0 for a batch of an earlier life. */
  readonly length: number
  /** Where it is kept, once it is. */
  storageKey?: string
  /** Settles when the storage has it or failed to take it. */
  storing?: Promise<void>
}

export interface BufferLimits {
  readonly maxBatch: number
  readonly maxBatchLength: number
  readonly maxBufferedReadings: number
  readonly maxBufferedLength: number
}

export class BatchBuffer {
  /** Readings held, in the open batch and in sealed ones. */
  readings = 0
  /** UTF-16 code units of the lines that are in memory. */
  length = 0
  readonly sealed: Batch[] = []
  readonly #limits: BufferLimits
  readonly #newKey: () => string
  #open: string[] = []
  #openReadings = 0
  #openLength = 0
  #nextNumber = 0

  constructor(limits: BufferLimits, newKey: () => string) {
    this.#limits = limits
    this.#newKey = newKey
  }

  get hasOpen(): boolean {
    return this.#open.length > 0
  }

  /** The number that the next sealed batch gets. */
  get nextNumber(): number {
    return this.#nextNumber
  }

  /** Whether so many more readings may come in. An empty buffer takes anything, else a big reading could never leave. */
  hasRoomFor(readings: number): boolean {
    if (this.readings === 0) return true
    return this.readings + readings <= this.#limits.maxBufferedReadings && this.length < this.#limits.maxBufferedLength
  }

  /** Returns the batch that this line filled up. */
  push(line: string, readings: number): Batch | undefined {
    this.#open.push(line)
    this.#openReadings += readings
    this.#openLength += line.length
    this.readings += readings
    this.length += line.length
    const isFull = this.#openReadings >= this.#limits.maxBatch || this.#openLength >= this.#limits.maxBatchLength
    return isFull ? this.seal() : undefined
  }

  /** Closes the open batch; undefined when there is none. */
  seal(): Batch | undefined {
    if (this.#open.length === 0) return undefined
    const batch: Batch = {
      number: this.#nextNumber++,
      key: this.#newKey(),
      readings: this.#openReadings,
      lines: this.#open,
      length: this.#openLength,
    }
    this.sealed.push(batch)
    this.#open = []
    this.#openReadings = 0
    this.#openLength = 0
    return batch
  }

  /** Puts batches of an earlier life before all others. */
  restore(batches: readonly Omit<Batch, "number">[]): void {
    this.sealed.unshift(...batches.map((batch, index) => ({ ...batch, number: index - batches.length })))
    this.readings += batches.reduce((sum, batch) => sum + batch.readings, 0)
  }

  remove(batch: Batch): void {
    const index = this.sealed.indexOf(batch)
    if (index === -1) return
    this.sealed.splice(index, 1)
    this.readings -= batch.readings
    if (batch.lines !== undefined) this.length -= batch.length
  }

  /** Leaves the lines to the storage. */
  evict(batch: Batch): void {
    if (batch.lines === undefined || !this.sealed.includes(batch)) return
    batch.lines = undefined
    this.length -= batch.length
  }

  /** Lines that are in memory, oldest first. */
  linesInMemory(): string[] {
    return [...this.sealed.flatMap((batch) => batch.lines ?? []), ...this.#open]
  }

  /** Removes and returns the oldest sealed batch, sparing the one that is being sent. */
  dropOldest(sending: Batch | undefined): Batch | undefined {
    const oldest = this.sealed.find((batch) => batch !== sending) ?? this.seal()
    if (oldest !== undefined) this.remove(oldest)
    return oldest
  }
}
