/**
 * Sends readings in batches, and keeps what it could not send.
 *
 * W1: a reading that `add` took is held until the node has it on disk, has refused it for good, or the policy for a
 *     full buffer dropped it; each of these is counted.
 * W2: every attempt for a batch carries the same Idempotency-Key, so that a retry after a lost answer stores nothing
 *     twice (within the time for which the node remembers keys).
 * W3: batches leave in order, one request at a time.
 * W4: memory is bounded: by readings, by bytes, and by how many `add` calls may wait for room.
 * W5: what the node refuses for good goes to `onRejected`; the rest of its batch is sent.
 */
import { FogError, isFogError } from "@brume/core"
import { type BackoffPolicy, backoffMs } from "../backoff.ts"
import { newKey } from "../idempotency-key.ts"
import { countOf, encodeReading, type ReadingInput } from "../readings.ts"
import { type Batch, BatchBuffer } from "./buffer.ts"
import { createDelivery, type Delivery, type SendLines } from "./delivery.ts"
import { createOutbox, type Outbox } from "./outbox.ts"
import { RoomQueue } from "./room-queue.ts"
import type { WriterStorage } from "./storage.ts"

export interface WriterOptions {
  /** Readings of one request. @default 1000, at most half of maxBufferedReadings */
  readonly maxBatch?: number
  /** Longest time for which a reading waits for others, ms. @default 250 */
  readonly maxDelayMs?: number
  /** Readings held in all, waiting or being sent. @default 100000 */
  readonly maxBufferedReadings?: number
  /** Characters of readings held in memory. @default 64 Mi */
  readonly maxBufferedLength?: number
  /**
   * What `add` does when the buffer is full: `block` returns a promise for when there is room, `drop-oldest` drops and
   * counts the oldest batch, `reject` throws `writer_full`. @default "block"
   */
  readonly whenFull?: "block" | "drop-oldest" | "reject"
  /** Keeps unsent batches over a restart. @default none: they live in memory */
  readonly storage?: WriterStorage
  /** Waits between attempts. @default 250 ms, doubling, at most 30 s */
  readonly retry?: BackoffPolicy
  /** Gives readings without a time the time of `add`, since they may arrive much later. @default true */
  readonly stampTime?: boolean
  /** An attempt failed, or the storage did; the writer goes on by itself. */
  readonly onError?: (error: FogError, attempt: WriterAttempt) => void
  /** Readings that no retry can save, as NDJSON lines. @default they are only counted */
  readonly onRejected?: (error: FogError, lines: readonly string[]) => void
  /** Readings dropped by `drop-oldest`. */
  readonly onDropped?: (readings: number) => void
}

export interface WriterAttempt {
  /** Failures in a row, 0 for a fault of the storage. */
  readonly failures: number
  readonly retryInMs: number
  /** Readings held now. */
  readonly buffered: number
}

export interface WriterStats {
  readonly buffered: number
  readonly written: number
  readonly rejected: number
  readonly dropped: number
  /** Failed attempts. */
  readonly failures: number
}

export interface Writer extends AsyncDisposable {
  /**
   * Takes a reading; never waits for the network. Throws `readings_invalid` for what no node accepts, `writer_full`
   * and `writer_closed`. Returns a promise only where the buffer is full and the policy is `block`.
   */
  add(reading: ReadingInput): Promise<void> | undefined
  /**
   * Sends at once what is held; resolves when the node has it all (or refused it for good). Rejects with the last
   * failure when the time is over; what was not sent is kept. @default timeoutMs none
   */
  flush(options?: { readonly timeoutMs?: number }): Promise<void>
  stats(): WriterStats
  /** What is held in memory, as NDJSON lines, oldest first; for an application that saves it in its own way. */
  unsent(): string[]
  /**
   * Takes nothing more, sends what is held, and ends. With a storage, what could not be sent within `timeoutMs` waits
   * there for the next life; without one, close rejects with the last failure. @default timeoutMs 10000
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

/** Longest batch, UTF-16 code units: well below what a node accepts as one body. */
const maxBatchLength = 1_048_576
/** Sealed batches whose lines stay in memory although the storage has them. */
const batchesInMemory = 4

/** @param send sends lines under an Idempotency-Key, once; resolves to how many readings the node accepted */
export function createWriter(send: SendLines, options: WriterOptions = {}): Writer {
  return new BatchWriter(send, options)
}

class BatchWriter implements Writer {
  readonly #options: WriterOptions
  readonly #maxDelayMs: number
  readonly #retry: BackoffPolicy
  readonly #buffer: BatchBuffer
  readonly #waiting = new RoomQueue()
  readonly #delivery: Delivery
  readonly #outbox: Outbox | undefined
  readonly #ending = new AbortController()
  /** Everything that the storage was asked to do so far, in order; never rejects. */
  #stored: Promise<void> = Promise.resolve()
  /** Batches of an earlier life are in the buffer. */
  #recovered: Promise<void> = Promise.resolve()
  #sending: Batch | undefined
  #isRunning = false
  #failures = 0
  #lastError: FogError | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #endPause: (() => void) | undefined
  #flushing: { readonly last: number; readonly resolve: () => void }[] = []
  #closing: Promise<void> | undefined
  #counts = { written: 0, rejected: 0, dropped: 0, failures: 0 }

  constructor(send: SendLines, options: WriterOptions) {
    const maxBufferedReadings = options.maxBufferedReadings ?? 100_000
    const maxBatch = Math.max(1, Math.min(options.maxBatch ?? 1_000, Math.floor(maxBufferedReadings / 2)))
    const maxBufferedLength = options.maxBufferedLength ?? 67_108_864
    this.#options = options
    this.#maxDelayMs = options.maxDelayMs ?? 250
    this.#retry = options.retry ?? { firstDelayMs: 250, maxDelayMs: 30_000 }
    this.#buffer = new BatchBuffer({ maxBatch, maxBatchLength, maxBufferedReadings, maxBufferedLength }, newKey)
    this.#outbox = options.storage && createOutbox(options.storage, (error) => this.#report(error, 0))
    this.#delivery = createDelivery({
      send,
      read: async (batch) => (this.#outbox === undefined ? batch.lines : await this.#outbox.read(batch)),
      written: (readings) => {
        this.#counts.written += readings
      },
      rejected: (error, lines, readings) => {
        this.#counts.rejected += readings
        this.#tell(() => options.onRejected?.(error, lines))
      },
    })
    if (this.#outbox !== undefined) this.#recover(this.#outbox)
  }

  add(reading: ReadingInput): Promise<void> | undefined {
    if (this.#closing !== undefined) throw closedError()
    const line = encodeReading(reading, this.#options.stampTime === false ? undefined : Date.now())
    const readings = countOf(reading)
    if (this.#waiting.isEmpty && this.#buffer.hasRoomFor(readings)) return this.#push(line, readings)
    switch (this.#options.whenFull ?? "block") {
      case "reject":
        throw fullError(this.#buffer.readings)
      case "drop-oldest":
        this.#makeRoom(readings)
        return this.#push(line, readings)
      case "block":
        if (this.#waiting.isFull) throw fullError(this.#buffer.readings)
        return this.#waiting.push(line, readings)
    }
  }

  async flush(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#seal()
    const last = this.#buffer.nextNumber - 1
    this.#endPause?.()
    await this.#stored
    if (this.#isGone(last)) return
    await new Promise<void>((resolve, reject) => {
      const limit =
        options.timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              this.#flushing = this.#flushing.filter((waiting) => waiting.resolve !== done)
              reject(this.#unsentError(options.timeoutMs ?? 0))
            }, options.timeoutMs)
      const done = (): void => {
        clearTimeout(limit)
        resolve()
      }
      this.#flushing.push({ last, resolve: done })
      void this.#run()
    })
  }

  stats(): WriterStats {
    return { buffered: this.#buffer.readings, ...this.#counts }
  }

  unsent(): string[] {
    return this.#buffer.linesInMemory()
  }

  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#end(options.timeoutMs ?? 10_000)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(timeoutMs: number): Promise<void> {
    this.#waiting.rejectAll(closedError())
    try {
      await this.flush({ timeoutMs })
    } catch (error) {
      const isKept = this.#buffer.sealed.every((batch) => batch.storageKey !== undefined)
      if (!isKept) throw error
    } finally {
      this.#ending.abort()
      this.#endPause?.()
    }
  }

  #push(line: string, readings: number): undefined {
    const full = this.#buffer.push(line, readings)
    if (full !== undefined) this.#sealed(full)
    else this.#timer ??= setTimeout(() => this.#seal(), this.#maxDelayMs)
  }

  #seal(): void {
    const batch = this.#buffer.seal()
    if (batch !== undefined) this.#sealed(batch)
  }

  #sealed(batch: Batch): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const outbox = this.#outbox
    if (outbox !== undefined) {
      batch.storing = this.#stored.then(async () => {
        await outbox.keep(batch)
        if (batch.storageKey !== undefined && this.#buffer.sealed.indexOf(batch) >= batchesInMemory) {
          this.#buffer.evict(batch)
        }
      })
      this.#stored = batch.storing
    }
    void this.#run()
  }

  #recover(outbox: Outbox): void {
    this.#recovered = outbox.recover().then((batches) => this.#buffer.restore(batches))
    this.#stored = this.#recovered
    void this.#run()
  }

  /** Sends batch after batch until none is left. At most one runs. (W3) */
  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    await this.#recovered
    for (let batch = this.#next(); batch !== undefined; batch = this.#next()) {
      this.#sending = batch
      try {
        await batch.storing
        await this.#delivery.deliver(batch, this.#ending.signal)
        this.#failures = 0
        await this.#outbox?.forget(batch)
        this.#gone(batch)
      } catch (error) {
        if (this.#ending.signal.aborted) break
        await this.#waitAfter(error)
      }
    }
    this.#sending = undefined
    this.#isRunning = false
  }

  #next(): Batch | undefined {
    return this.#ending.signal.aborted ? undefined : this.#buffer.sealed[0]
  }

  async #waitAfter(error: unknown): Promise<void> {
    // Anything else is a fault of this program: let it surface.
    if (!isFogError(error)) throw error
    this.#failures++
    this.#counts.failures++
    this.#lastError = error
    const asked = error.details?.retryAfterMs
    const waitMs = Math.min(
      this.#retry.maxDelayMs,
      Math.max(backoffMs(this.#failures, this.#retry), typeof asked === "number" ? asked : 0),
    )
    this.#report(error, waitMs)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#endPause = undefined
  }

  /** The batch needs no care any more: lets in those who wait. */
  #gone(batch: Batch): void {
    this.#buffer.remove(batch)
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      if (!this.#buffer.hasRoomFor(next.readings)) break
      this.#waiting.shift()
      this.#push(next.line, next.readings)
      next.resolve()
    }
    const done = this.#flushing.filter(({ last }) => this.#isGone(last))
    this.#flushing = this.#flushing.filter(({ last }) => !this.#isGone(last))
    for (const { resolve } of done) resolve()
  }

  #isGone(last: number): boolean {
    const oldest = this.#buffer.sealed[0]
    return oldest === undefined || oldest.number > last
  }

  #makeRoom(readings: number): void {
    while (!this.#buffer.hasRoomFor(readings)) {
      const batch = this.#buffer.dropOldest(this.#sending)
      if (batch === undefined) return
      this.#counts.dropped += batch.readings
      this.#tell(() => this.#options.onDropped?.(batch.readings))
      const outbox = this.#outbox
      if (outbox !== undefined) this.#stored = this.#stored.then(() => outbox.forget(batch))
      this.#gone(batch)
    }
  }

  #report(error: FogError, retryInMs: number): void {
    this.#lastError ??= error
    const attempt = { failures: retryInMs === 0 ? 0 : this.#failures, retryInMs, buffered: this.#buffer.readings }
    this.#tell(() => this.#options.onError?.(error, attempt))
  }

  /** A callback that throws is the application's fault: it surfaces there, and does not stop the writer. */
  #tell(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  #unsentError(timeoutMs: number): FogError {
    const why = this.#lastError
    const unsent = this.#buffer.readings
    return new FogError(why?.code ?? "node_unreachable", {
      message: `${unsent} readings are still unsent after ${timeoutMs} ms${why === undefined ? "" : `: ${why.message}`}`,
      hint: why?.hint ?? "Allow more time, or give the writer a storage.",
      details: { unsent },
      cause: why,
    })
  }
}

function closedError(): FogError {
  return new FogError("writer_closed", {
    message: "This writer is closed and takes no more readings",
    hint: "Add readings before close(), or make a new writer.",
  })
}

function fullError(readings: number): FogError {
  return new FogError("writer_full", {
    message: `The writer holds ${readings} readings that the node has not taken yet`,
    hint: "Await add(), raise maxBufferedReadings, or choose whenFull: drop-oldest.",
  })
}
