/**
 * Events on their way to one function: what topics, readings and schedules bring.
 *
 * - E1 An event that fails is tried again as often as the function's `retries` say, with a pause that grows; then it goes
 *   to the dead letters, with the reason.
 * - E2 Events that wait are bounded in number and bytes; the newest find no room then, which is counted and told.
 * - E3 Where a trigger asks for batches, a call gets a list of events.
 * - E4 While the function rests or is busy, events wait; that is no attempt.
 */
import { type Clock, type ErrorCode, type FogError, isFogError, type Timer } from "@brume/core"
import { type Delivery, type DeliveryGroup, sizeOf } from "./delivery.ts"

export interface DeliveriesOptions {
  readonly clock: Clock
  /** Calls at a time. */
  concurrency(): number
  /** How often a failed one is tried again. */
  retries(): number
  /** Calls the function with the event of one, or with a list. */
  call(deliveries: readonly Delivery[], isBatch: boolean): Promise<void>
  /** They are done. */
  end(deliveries: readonly Delivery[]): void
  /** To the dead letters, and then they are done. */
  bury(deliveries: readonly Delivery[], reason: BuryReason): void
}

export interface BuryReason {
  readonly attempts: number
  readonly error: FogError
}

const mostEvents = 10_000
const mostBytes = 64 * 1_048_576
/** Of the events of one call, as they weigh in memory: a process takes 16 MiB of JSON. */
const mostCallBytes = 8 * 1_048_576
const firstPauseMs = 200
const longestPauseMs = 30_000
/** Says that nothing was begun. */
const resting: ReadonlySet<ErrorCode> = new Set(["function_parked", "functions_busy", "runtime_missing"])
/** How long it waits for one that rests or is busy before it looks again. */
const restMs = 1_000

/** What one call gets. */
interface Work {
  readonly deliveries: readonly Delivery[]
  readonly isBatch: boolean
  attempts: number
}

interface Gathering {
  readonly deliveries: Delivery[]
  readonly timer: Timer
  size: number
  bytes: number
}

export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #waiting: Work[] = []
  readonly #gathering = new Map<string, Gathering>()
  /** Work that failed and is tried again later. */
  readonly #pausing = new Map<Work, Timer>()
  #events = 0
  #bytes = 0
  #running = 0
  #isOpen = false
  #isClosed = false
  #rest: Timer | undefined

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /** Events that are not done. */
  get waiting(): number {
    return this.#events
  }

  /** Nothing finds room (E2). */
  get isFull(): boolean {
    return this.#events >= mostEvents || this.#bytes >= mostBytes
  }

  /**
   * Takes the room of a delivery (E2); to be followed by {@link offer} or {@link release}. False where there is none.
   * @param isKept it is kept already, and finds room whatever the limits say
   */
  reserve(delivery: Delivery, isKept = false): boolean {
    const { weight } = delivery
    if (!isKept && (this.#events >= mostEvents || this.#bytes + weight > mostBytes)) return false
    this.#events += sizeOf(delivery)
    this.#bytes += weight
    return true
  }

  /** Gives the room of a delivery back that does not come. */
  release(delivery: Delivery): void {
    this.#events -= sizeOf(delivery)
    this.#bytes -= delivery.weight
  }

  /** From here on the function is called. */
  begin(): void {
    this.#isOpen = true
    this.#next()
  }

  /** Its room was reserved. */
  offer(delivery: Delivery): void {
    if (this.#isClosed) return
    const { group } = delivery
    const isBatch = delivery.isList === true
    if (group === undefined) this.#enqueue({ deliveries: [delivery], isBatch, attempts: 0 })
    else this.#gather(delivery, group)
  }

  /** Looks again at once: the function rests no longer. */
  resume(): void {
    this.#rest?.cancel()
    this.#rest = undefined
    this.#next()
  }

  /** There is another version: what failed with the one before is tried with this one, as if for the first time. */
  renew(): void {
    const works = [...this.#pausing]
    this.#pausing.clear()
    for (const [work, timer] of works) {
      timer.cancel()
      work.attempts = 0
      this.#waiting.push(work)
    }
    this.resume()
  }

  /** What waits is left to its records. */
  close(): void {
    this.#isClosed = true
    this.#rest?.cancel()
    for (const { timer } of this.#gathering.values()) timer.cancel()
    for (const timer of this.#pausing.values()) timer.cancel()
    this.#gathering.clear()
    this.#pausing.clear()
    this.#waiting.length = 0
  }

  #enqueue(work: Work): void {
    this.#waiting.push(work)
    this.#next()
  }

  /** E3 */
  #gather(delivery: Delivery, { name, batch }: DeliveryGroup): void {
    const size = sizeOf(delivery)
    let gathering = this.#gathering.get(name)
    // What does not fit into this call begins the next one.
    const isTooMuch =
      gathering !== undefined &&
      (gathering.size + size > batch.size || gathering.bytes + delivery.weight > mostCallBytes)
    if (isTooMuch) {
      this.#gathered(name)
      gathering = undefined
    }
    if (gathering === undefined) {
      const timer = this.#options.clock.after(batch.waitMs, () => this.#gathered(name))
      gathering = { deliveries: [], timer, size: 0, bytes: 0 }
      this.#gathering.set(name, gathering)
    }
    gathering.deliveries.push(delivery)
    gathering.size += size
    gathering.bytes += delivery.weight
    if (gathering.size >= batch.size) this.#gathered(name)
  }

  #gathered(name: string): void {
    const gathering = this.#gathering.get(name)
    if (gathering === undefined) return
    this.#gathering.delete(name)
    gathering.timer.cancel()
    this.#enqueue({ deliveries: gathering.deliveries, isBatch: true, attempts: 0 })
  }

  #next(): void {
    while (this.#isOpen && !this.#isClosed && this.#rest === undefined) {
      if (this.#running >= this.#options.concurrency()) return
      const work = this.#waiting.shift()
      if (work === undefined) return
      this.#running++
      void this.#run(work).finally(() => {
        this.#running--
        this.#next()
      })
    }
  }

  async #run(work: Work): Promise<void> {
    const { deliveries, isBatch } = work
    try {
      await this.#options.call(deliveries, isBatch)
    } catch (error) {
      this.#failed(work, error as FogError)
      return
    }
    this.#leave(work)
    this.#options.end(deliveries)
  }

  #failed(work: Work, error: FogError): void {
    if (this.#isClosed) return
    // E4
    if (isFogError(error) && resting.has(error.code)) {
      this.#waiting.unshift(work)
      this.#rest ??= this.#options.clock.after(restMs, () => this.resume())
      return
    }
    work.attempts++
    // E1
    if (work.attempts > this.#options.retries()) {
      this.#leave(work)
      this.#options.bury(work.deliveries, { attempts: work.attempts, error })
      return
    }
    const pauseMs = Math.min(firstPauseMs * 2 ** (work.attempts - 1), longestPauseMs)
    const timer = this.#options.clock.after(pauseMs, () => {
      this.#pausing.delete(work)
      this.#enqueue(work)
    })
    this.#pausing.set(work, timer)
  }

  #leave({ deliveries }: Work): void {
    for (const delivery of deliveries) this.release(delivery)
  }
}
