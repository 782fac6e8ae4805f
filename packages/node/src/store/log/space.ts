/** Whether the disk has room for readings. */
import { type Clock, type Disk, FogError, type Logger, type Timer } from "@brume/core"

export interface SpaceOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  /** Below this, readings are refused. Keyed records may use the rest, so that retention can make room. */
  readonly minFreeBytes: number
  /** Resolves when something can be written, throws when not. */
  readonly tryRoom: () => Promise<void>
}

/** Free space is looked at after so much time or so many bytes. */
const checkEveryMs = 1_000
const checkEveryBytes = 8 * 2 ** 20
/** While the disk is full it is tried again after a second, then after twice as long each time, up to this. */
const firstRetryMs = 1_000
const lastRetryMs = 30_000

export class Space {
  readonly #options: SpaceOptions
  #freeBytes = Number.POSITIVE_INFINITY
  /** A write found no room. */
  #isExhausted = false
  #wasFull = false
  #checkedAt = Number.NEGATIVE_INFINITY
  #bytesSince = 0
  #isMeasuring = false
  #retryMs = firstRetryMs
  #timer: Timer | undefined
  #isClosed = false

  constructor(options: SpaceOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#isExhausted || this.#freeBytes < this.#options.minFreeBytes
  }

  refusal(): FogError {
    const { minFreeBytes } = this.#options
    const why = this.#isExhausted
      ? "the disk has no room left"
      : `${this.#freeBytes} bytes are free on the disk, and ${minFreeBytes} stay reserved`
    return new FogError("store_full", {
      message: `The log takes no more readings: ${why}`,
      hint: "Free some space on the disk, or shorten the retention. The node goes on by itself when there is room.",
      details: { freeBytes: Number.isFinite(this.#freeBytes) ? this.#freeBytes : 0, minFreeBytes },
    })
  }

  /** A write found no room. */
  exhaust(): void {
    this.#isExhausted = true
    this.#announce()
  }

  /** So many bytes were written: looks at the free space when it is time. */
  note(bytes: number): void {
    this.#bytesSince += bytes
    const now = this.#options.clock.monotonic()
    if (now - this.#checkedAt < checkEveryMs && this.#bytesSince < checkEveryBytes) return
    void this.check()
  }

  /** Never rejects. */
  async check(): Promise<void> {
    await this.#measure()
    this.#announce()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #announce(): void {
    const { logger, clock, minFreeBytes } = this.#options
    if (this.isFull && !this.#wasFull) {
      logger.warn("The disk is full: readings are refused", { minFreeBytes, isExhausted: this.#isExhausted })
    }
    if (!this.isFull && this.#wasFull) logger.info("The disk has room again: readings are accepted")
    if (!this.isFull) this.#retryMs = firstRetryMs
    this.#wasFull = this.isFull
    if (!this.isFull || this.#timer !== undefined || this.#isClosed) return
    this.#timer = clock.after(this.#retryMs, () => void this.#retry())
    this.#retryMs = Math.min(lastRetryMs, this.#retryMs * 2)
  }

  async #measure(): Promise<void> {
    if (this.#isMeasuring) return
    this.#isMeasuring = true
    this.#checkedAt = this.#options.clock.monotonic()
    this.#bytesSince = 0
    try {
      this.#freeBytes = await this.#options.disk.freeBytes()
    } catch (error) {
      this.#options.logger.warn("Cannot tell how much space is free", { error })
      this.#freeBytes = Number.POSITIVE_INFINITY
    }
    this.#isMeasuring = false
  }

  async #retry(): Promise<void> {
    await this.#measure()
    if (this.#isExhausted && this.#freeBytes >= this.#options.minFreeBytes) {
      // Failing is what this finds out: the next try comes by itself.
      const hasRoom = await this.#options.tryRoom().then(
        () => true,
        () => false,
      )
      if (hasRoom) this.#isExhausted = false
    }
    this.#timer = undefined
    this.#announce()
  }
}
