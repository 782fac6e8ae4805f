/** The pool of pool.ts, over instances. */
import { type Clock, FogError, type Logger, type Timer } from "@brume/core"
import type { Child } from "./child.ts"
import { CrashRecord } from "./crash-record.ts"
import { eventText } from "./event-text.ts"
import { explainEnding } from "./explain-ending.ts"
import { type Departure, Instance } from "./instance.ts"
import { Job } from "./job.ts"
import { LineGate } from "./line-gate.ts"
import type { Pool, PoolOptions, PoolState, PoolStatus } from "./pool.ts"
import type { Invocation } from "./runtime.ts"

export interface PoolParts {
  readonly clock: Clock
  readonly logger: Logger
  /** `blank` or cold; rejects with `runtime_missing`. */
  launch(): Promise<Child>
  /** Called at the pool's end. */
  release(): void
  readonly sandbox: () => string
  readonly isInOrder: boolean
  onCrash(): void
  /** A child keeps a processor busy. */
  onBusy(child: Child): void
}

/** Times are looked at so often while there are calls. ms. */
const sweepMs = 20
const mostQueued = 1_000
/** Events of all calls that are not settled. */
const mostHeldBytes = 64 * 2 ** 20
/** Instances beyond the first end when there was nothing for them to do for so long. ms. */
const idleMs = 60_000

export function createPool(options: PoolOptions, parts: PoolParts): Pool {
  const pool = new InstancePool(options, parts)
  pool.start()
  return pool
}

class InstancePool implements Pool {
  readonly #options: PoolOptions
  readonly #parts: PoolParts
  readonly #instances = new Set<Instance>()
  /** Being launched. */
  #starting = 0
  #queue: Job[] = []
  #waiting: { readonly resolve: () => void; readonly reject: (error: FogError) => void }[] = []
  readonly #crashes: CrashRecord
  #state: PoolState | "closed" = "ready"
  #isDraining = false
  #crashCount = 0
  #lastError: FogError | undefined
  #restart: Timer | undefined
  #sweeper: Timer | undefined
  #idle: Timer | undefined
  #lastId = 0
  /** Not settled. */
  #open = 0
  #heldBytes = 0
  #whenSettled: (() => void) | undefined
  #whenGone: (() => void) | undefined

  constructor(options: PoolOptions, parts: PoolParts) {
    this.#options = options
    this.#parts = parts
    this.#crashes = new CrashRecord(parts.clock)
  }

  call(invocation: Invocation): Promise<unknown> {
    try {
      return this.#accept(invocation)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #accept(invocation: Invocation): Promise<unknown> {
    this.#requireOpen()
    const event = eventText(this.#options.name, invocation.event)
    if (this.#queue.length >= mostQueued || this.#heldBytes + event.length > mostHeldBytes) throw this.#full()
    const job = this.#jobOf(invocation, event)
    this.#open++
    this.#heldBytes += event.length
    job.onSettled = () => {
      this.#heldBytes -= event.length
      if (--this.#open === 0) this.#whenSettled?.()
    }
    this.#place(job)
    this.#keepSweeping()
    return job.done
  }

  async ready(): Promise<void> {
    this.#requireOpen()
    for (const instance of this.#instances) if (instance.isReady) return
    if (this.#instances.size + this.#starting === 0 && this.#state === "ready") this.start()
    await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  status(): PoolStatus {
    let instances = 0
    let busy = 0
    for (const instance of this.#instances) {
      if (instance.isReady) instances++
      busy += instance.load
    }
    return {
      state: this.#state === "closed" ? "ready" : this.#state,
      instances,
      busy,
      queued: this.#queue.length,
      crashes: this.#crashCount,
      lastError: this.#lastError?.message,
      sandbox: this.#parts.sandbox(),
    }
  }

  resume(): void {
    if (this.#state === "closed") return
    this.#crashes.forget()
    this.#restart?.cancel()
    this.#restart = undefined
    this.#enter("ready")
    if (this.#instances.size + this.#starting === 0) this.start()
  }

  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    if (this.#open > 0 && this.#state !== "closed") {
      await new Promise<void>((resolve) => {
        const timer = this.#parts.clock.after(graceMs, resolve)
        this.#whenSettled = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    await this.close()
  }

  async close(): Promise<void> {
    if (this.#state !== "closed") {
      this.#state = "closed"
      for (const timer of [this.#restart, this.#sweeper, this.#idle]) timer?.cancel()
      const cause = new FogError("function_crashed", {
        message: `Function ${this.#options.name} was stopped before the call began: it is replaced, or the node stops`,
        hint: "Call again.",
      })
      this.#rejectQueue(cause)
      this.#tellWaiting(cause)
      for (const instance of this.#instances) instance.end("it is replaced, or the node stops")
      this.#parts.release()
    }
    if (this.#instances.size + this.#starting > 0) {
      const before = this.#whenGone
      await new Promise<void>((resolve) => {
        this.#whenGone = () => {
          before?.()
          resolve()
        }
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Starts one more instance. */
  start(): void {
    this.#starting++
    this.#parts.launch().then(
      (child) => this.#adopt(child),
      (error: FogError) => {
        this.#starting--
        this.#gone({ cause: error, isCrash: true, orphans: [] })
      },
    )
  }

  #adopt(child: Child): void {
    this.#starting--
    if (this.#state === "closed") {
      child.stop("it is replaced, or the node stops")
      this.#whenEmpty()
      return
    }
    const { clock, isInOrder } = this.#parts
    const instance: Instance = new Instance({
      function: this.#options,
      child,
      clock,
      isInOrder,
      lines: new LineGate(clock, (line) => this.#options.onLine(line)),
      explain: (ending) =>
        explainEnding({ name: this.#options.name, memoryMiB: this.#options.limits.memoryMiB, ending }),
      onBusy: () => this.#parts.onBusy(child),
      owner: {
        onFree: () => this.#freed(instance),
        onGone: (why) => {
          this.#instances.delete(instance)
          this.#gone(why)
        },
      },
    })
    this.#instances.add(instance)
    this.#keepSweeping()
  }

  #freed(instance: Instance): void {
    if (this.#waiting.length > 0 && instance.isReady) this.#tellWaiting(undefined)
    if (this.#state === "backoff" && this.#restart === undefined) this.#enter("ready")
    while (this.#queue.length > 0) {
      const place = this.#freePlace()
      if (place === undefined) break
      const job = this.#queue.shift()!
      if (!job.isSettled) place.begin(job)
    }
  }

  #place(job: Job): void {
    const place = this.#queue.length === 0 ? this.#freePlace() : undefined
    if (place === undefined) this.#queue.push(job)
    else place.begin(job)
    // A child that works in order is busy with one call; others wait in it only because that is quicker than in the queue.
    if (place === undefined || (this.#parts.isInOrder && place.load > 1)) this.#grow()
  }

  /** The instance with the fewest calls, if one takes more. */
  #freePlace(): Instance | undefined {
    const { concurrency } = this.#options.limits
    let best: Instance | undefined
    for (const instance of this.#instances)
      if (instance.takesCalls && instance.load < concurrency && (best === undefined || instance.load < best.load))
        best = instance
    return best
  }

  #grow(): void {
    const { instances } = this.#options.limits
    let leaving = 0
    for (const instance of this.#instances) if (instance.isReady && !instance.takesCalls) leaving++
    // One that is being stopped is replaced at once; its process is still there for a moment.
    if (this.#instances.size - leaving + this.#starting >= instances || this.#state !== "ready") return
    this.start()
    this.#idle ??= this.#parts.clock.after(idleMs, () => this.#shrink())
  }

  /** Ends instances that have nothing to do, but one. */
  #shrink(): void {
    this.#idle = undefined
    for (const instance of this.#instances)
      if (this.#instances.size > 1 && instance.isReady && instance.load === 0) {
        instance.leave("it had nothing to do")
        break
      }
    if (this.#instances.size > 1) this.#idle = this.#parts.clock.after(idleMs, () => this.#shrink())
  }

  #gone({ cause, isCrash, orphans }: Departure): void {
    const now = this.#parts.clock.monotonic()
    // They wait anew: that they were with a process that ended is not their fault.
    for (const job of orphans) job.queuedMs = now
    this.#queue.unshift(...orphans.filter((job) => !job.isSettled))
    if (this.#state === "closed") {
      this.#rejectQueue(cause)
      this.#whenEmpty()
      return
    }
    if (isCrash) this.#crashed(cause)
    else this.#replace()
  }

  #crashed(cause: FogError): void {
    this.#crashCount++
    this.#lastError = cause
    this.#parts.onCrash()
    // Code that cannot be loaded now cannot be loaded for those who wait.
    if (cause.code !== "function_crashed") {
      this.#rejectQueue(cause)
      this.#tellWaiting(cause)
    }
    const waitMs = this.#crashes.add()
    if (waitMs === undefined) {
      this.#park()
      return
    }
    this.#parts.logger.warn("A function's process ended", {
      function: this.#options.name,
      error: cause.message,
      waitMs,
    })
    if (waitMs === 0) {
      this.#replace()
      return
    }
    this.#enter("backoff")
    this.#restart ??= this.#parts.clock.after(waitMs, () => {
      this.#restart = undefined
      this.#enter("ready")
      this.#replace()
    })
  }

  #replace(): void {
    if (this.#state !== "ready") return
    if (this.#instances.size + this.#starting === 0 || this.#queue.length > 0) this.#grow()
  }

  #park(): void {
    this.#enter("parked")
    this.#restart?.cancel()
    this.#restart = undefined
    const cause = this.#parked()
    this.#parts.logger.error("A function is parked", { function: this.#options.name, error: this.#lastError?.message })
    this.#rejectQueue(cause)
    this.#tellWaiting(cause)
    for (const instance of this.#instances) instance.leave("the function is parked")
  }

  #enter(state: PoolState): void {
    if (this.#state === state || this.#state === "closed") return
    this.#state = state
    this.#options.onState?.(this.status())
  }

  #keepSweeping(): void {
    this.#sweeper ??= this.#parts.clock.after(sweepMs, () => {
      this.#sweeper = undefined
      const now = this.#parts.clock.monotonic()
      let isNeeded = false
      for (const instance of this.#instances) if (instance.sweep(now)) isNeeded = true
      const { timeMs } = this.#options.limits
      for (const job of this.#queue) if (job.deadline <= now || now - job.queuedMs >= timeMs) job.giveUp(now)
      this.#queue = this.#queue.filter((job) => !job.isSettled)
      this.#replace()
      if (isNeeded || this.#queue.length > 0) this.#keepSweeping()
    })
  }

  #jobOf(invocation: Invocation, event: string): Job {
    const { clock } = this.#parts
    const { name } = this.#options
    const { deadlineMs } = invocation
    const now = clock.monotonic()
    const deadline = deadlineMs === undefined ? Number.POSITIVE_INFINITY : now + deadlineMs
    const wallDeadlineMs = deadlineMs === undefined ? 0 : Math.floor(clock.now() / 1_000 + deadlineMs)
    return new Job({ id: ++this.#lastId, name, invocation, event, deadline, wallDeadlineMs, queuedMs: now })
  }

  #requireOpen(): void {
    if (this.#state === "parked") throw this.#parked()
    if (this.#state === "closed" || this.#isDraining)
      throw new FogError("functions_busy", {
        message: `Function ${this.#options.name} version ${this.#options.version} is being replaced or stopped`,
        hint: "Call again.",
      })
  }

  #parked(): FogError {
    const { name } = this.#options
    return new FogError("function_parked", {
      message: `Function ${name} is parked: it crashed five times in ten seconds; the last time: ${this.#lastError?.message}`,
      hint: "brume describe function shows why; deploy a version that does not crash, or the same again to start it anew.",
      ...(this.#lastError === undefined ? {} : { cause: this.#lastError }),
    })
  }

  #full(): FogError {
    return new FogError("functions_busy", {
      message: `Function ${this.#options.name} has ${this.#queue.length} calls waiting already`,
      hint: "Call it less often, allow it more instances, or let it do less in one call.",
    })
  }

  #rejectQueue(cause: FogError): void {
    const queue = this.#queue
    this.#queue = []
    for (const job of queue) job.fail(cause)
  }

  #tellWaiting(error: FogError | undefined): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve, reject } of waiting) error === undefined ? resolve() : reject(error)
  }

  #whenEmpty(): void {
    if (this.#instances.size + this.#starting === 0) this.#whenGone?.()
  }
}
