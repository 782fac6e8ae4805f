/**
 * One process that has a function's code: the calls that it works on, what they ask, and what happens to one that takes
 * too long.
 *
 * - N1 Every call that was begun is settled once: by the child, by its time, or by the child's end.
 * - N2 A call over its time cannot be interrupted. Its caller is told at once, the child is told to abort it, and takes no
 *   new calls. A child that does not answer a ping meanwhile is in an endless loop and is stopped; one that answers may
 *   finish its other calls first, and is stopped after them unless the late call has ended too.
 * - N3 Messages that nobody asked for break the protocol.
 */
import { type Clock, FogError, isFogError } from "@brume/core"
import type { Child, Ending } from "./child.ts"
import { answerOf, failureOf, type Job } from "./job.ts"
import type { LineGate } from "./line-gate.ts"
import { isTooDeep } from "./nesting.ts"
import type { PoolOptions } from "./pool.ts"
import type { FunctionLine } from "./runtime.ts"

export interface Departure {
  readonly cause: FogError
  readonly isCrash: boolean
  /** Never begun. */
  readonly orphans: readonly Job[]
}

export interface InstanceOwner {
  /** A place became free, or the code is loaded. */
  onFree(): void
  /** The code cannot be loaded, or the process ended. */
  onGone(departure: Departure): void
}

export interface InstanceOptions {
  readonly function: PoolOptions
  readonly child: Child
  readonly clock: Clock
  readonly lines: LineGate
  readonly owner: InstanceOwner
  /** The child works through its calls one by one, as they came. */
  readonly isInOrder: boolean
  /** The child keeps a processor busy. Called once. */
  onBusy(): void
  /** Tells why a process ended, for people. */
  explain(ending: Ending): FogError
}

/** How long a child may take to show that it is not in an endless loop. ms. */
const pongMs = 400
/** A call that runs for so long may be one that computes: the child is asked for a sign. ms. */
const suspiciousMs = 100
/** Without a sign for so long, it computes. ms. */
const signMs = 40
/** Questions that one process may have open. The runners keep to a quarter of it. */
const mostAsks = 1_024
/** Beside results: questions with their arguments, lines of logs. */
const leastFrameBytes = 2 * 2 ** 20
const overheadBytes = 256

export class Instance {
  /** Calls of the child, as they came. */
  readonly #jobs = new Map<number, Job>()
  /** Calls over their time that the child still has. */
  readonly #late = new Set<number>()
  readonly #options: InstanceOptions
  #state: "loading" | "ready" | "gone" = "loading"
  #loadingSince: number
  #pingedMs: number | undefined
  #isHung = true
  /** When a sign of life was asked for that has not come. */
  #askedMs: number | undefined
  #heardMs = 0
  #isBusy = false
  #asks = 0
  #isLeaving = false

  constructor(options: InstanceOptions) {
    this.#options = options
    this.#loadingSince = options.clock.monotonic()
    const { child, function: own, lines } = options
    child.own(
      {
        onMessage: (message, length) => this.#take(message, length),
        onPrint: (stream, text) => lines.print(stream, text),
        onEnd: (ending) => this.#end(ending),
      },
      Math.max(leastFrameBytes, own.limits.outputBytes) + overheadBytes,
    )
    child.send(JSON.stringify(["load", { ...own.code, name: own.name, version: own.version, limits: own.limits }]))
  }

  get isReady(): boolean {
    return this.#state === "ready"
  }

  /** Calls that it has. */
  get load(): number {
    return this.#jobs.size + this.#late.size
  }

  get takesCalls(): boolean {
    return this.#state === "ready" && !this.#isLeaving && this.#late.size === 0 && this.#options.child.isAlive
  }

  /** Begins a call, or puts it behind those that were begun. */
  begin(job: Job): void {
    this.#jobs.set(job.id, job)
    if (!this.#options.isInOrder) job.begunMs = this.#options.clock.monotonic()
    this.#options.child.send(job.frame)
  }

  /** Takes no more calls, and stops when those that it has are settled. */
  leave(reason: string): void {
    this.#isLeaving = true
    if (this.load === 0) this.stop(reason)
  }

  /** Stops at once, and that is no crash. */
  end(reason: string): void {
    this.#isLeaving = true
    this.stop(reason)
  }

  stop(reason: string): void {
    this.#options.child.stop(reason)
  }

  /** Looks at times; called every few ms while there is anything to look at. Returns whether there still is. */
  sweep(now: number): boolean {
    const { timeMs } = this.#options.function.limits
    if (this.#state === "loading" && now - this.#loadingSince > timeMs)
      this.stop(`its code was not loaded within ${timeMs} ms`)
    // Behind a late call that still holds a process which works in order, nothing has begun.
    let isHead = this.#late.size === 0
    for (const job of this.#jobs.values()) {
      if (isHead) job.begunMs ??= now
      isHead = false
      if (job.begunMs !== undefined && now - job.begunMs >= timeMs) this.#overdue(job, now)
      else if (job.deadline <= now && !job.isSettled) this.#abandon(job, now)
      if (job.begunMs !== undefined && now - job.begunMs >= suspiciousMs) this.#suspect(now)
    }
    this.#judge(now)
    return this.#state === "loading" || this.load > 0
  }

  #suspect(now: number): void {
    if (this.#isBusy) return
    if (this.#askedMs === undefined) {
      if (now - this.#heardMs < suspiciousMs) return
      this.#askedMs = now
      this.#options.child.send('["ping"]')
    } else if (now - this.#askedMs >= signMs) {
      this.#isBusy = true
      this.#options.onBusy()
    }
  }

  #overdue(job: Job, now: number): void {
    this.#jobs.delete(job.id)
    this.#late.add(job.id)
    this.#abandon(job, now)
    const { child } = this.#options
    if (this.#pingedMs !== undefined) return
    this.#pingedMs = now
    this.#isHung = true
    child.send('["ping"]')
  }

  /** Its caller waits no longer; the code is told, and may go on until its own time is over. */
  #abandon(job: Job, now: number): void {
    job.giveUp(now)
    this.#options.child.send(`["cancel",${job.id}]`)
  }

  #judge(now: number): void {
    if (this.#pingedMs === undefined || now - this.#pingedMs < pongMs) return
    const { timeMs } = this.#options.function.limits
    if (this.#isHung) this.stop(`a call ran longer than ${timeMs} ms and cannot be interrupted`)
    else if (this.#jobs.size === 0) this.stop(`a call ran longer than ${timeMs} ms and did not heed ctx.signal`)
  }

  #take(message: readonly unknown[], length: number): void {
    const [kind, id] = message
    if (kind === "result") this.#result(id, message[2], length)
    else if (kind === "error") this.#error(id, message[2])
    else if (kind === "ask") this.#ask(message, length)
    else if (kind === "log") this.#log(message, length)
    else if (kind === "pong") this.#heard()
    else if (kind === "loaded") this.#loaded()
    else if (kind === "unloadable") this.#unloadable(message[1])
    else this.#breach("sent a message of an unknown kind")
  }

  #heard(): void {
    this.#isHung = false
    this.#askedMs = undefined
    this.#heardMs = this.#options.clock.monotonic()
  }

  #loaded(): void {
    if (this.#state === "loading") {
      this.#state = "ready"
      this.#options.owner.onFree()
    } else this.#breach("loaded its code twice")
  }

  #unloadable(error: unknown): void {
    if (this.#state === "loading") this.#gone(failureOf(this.#name, error, "cannot be loaded"), [])
    else this.#breach("said that loaded code cannot be loaded")
  }

  #result(id: unknown, value: unknown, length: number): void {
    const { outputBytes } = this.#options.function.limits
    if (length > outputBytes + overheadBytes) {
      this.#breach(`sent a result of more than ${outputBytes} bytes`)
      return
    }
    const job = this.#settled(id)
    if (job === undefined) return
    job.settle(() => answerOf(this.#name, job.kind, value, length))
    this.#options.owner.onFree()
  }

  #error(id: unknown, error: unknown): void {
    const job = this.#settled(id)
    if (job === undefined) return
    job.fail(failureOf(this.#name, error, "failed"))
    this.#options.owner.onFree()
  }

  /** Takes a call out; undefined where it was given up before, or never made. */
  #settled(id: unknown): Job | undefined {
    const job = this.#jobs.get(id as number)
    if (job !== undefined) {
      this.#jobs.delete(id as number)
    } else if (this.#late.delete(id as number)) {
      if (this.#late.size === 0) this.#pingedMs = undefined
      this.#options.owner.onFree()
    } else this.#breach("answered a call that it does not have")
    if (this.#isLeaving && this.load === 0) this.stop("it was replaced")
    return job
  }

  #ask([, ask, call, operation, args]: readonly unknown[], length: number): void {
    if (!Number.isSafeInteger(ask) || typeof operation !== "string" || !Array.isArray(args)) {
      this.#breach("asked without saying what")
      return
    }
    if (++this.#asks > mostAsks) {
      this.#breach(`asked more than ${mostAsks} things at once`)
      return
    }
    const answer = (text: string): void => {
      this.#asks--
      if (this.#state !== "gone") this.#options.child.send(text)
    }
    const refuse = (error: unknown): void => {
      const known = isFogError(error)
      const { code, message, hint } = known ? error : { code: "internal", message: "The node failed", hint: undefined }
      answer(JSON.stringify(["refuse", ask, { code, message, hint }]))
    }
    if (isTooDeep(args, length)) refuse(tooDeep)
    else
      this.#options.function
        .ask(operation, args, this.#jobs.get(call as number))
        .then((value) => answer(`["answer",${ask},${JSON.stringify(value ?? null)}]`))
        .catch(refuse)
  }

  #log([, call, level, text, fields]: readonly unknown[], length: number): void {
    const line: FunctionLine = {
      level: level === "debug" || level === "warn" || level === "error" ? level : "info",
      message: String(text),
      stream: "log",
      ...(typeof call === "number" ? { call } : {}),
      ...(fields === undefined || fields === null || isTooDeep(fields, length) ? {} : { fields }),
    }
    if (!this.#options.lines.log(line, length)) this.stop("it floods its log")
  }

  #breach(what: string): void {
    this.stop(`it ${what}, which breaks the protocol`)
  }

  #end(ending: Ending): void {
    if (this.#state === "gone") return
    this.#options.lines.end()
    const isMeant = this.#isLeaving && ending.reason !== undefined
    this.#gone(this.#options.explain(ending), this.#options.isInOrder ? this.#neverBegun() : [], !isMeant)
  }

  /** Of a child that works in order, everything behind its first call. */
  #neverBegun(): Job[] {
    const behind = [...this.#jobs.values()].slice(this.#late.size > 0 ? 0 : 1)
    for (const job of behind) this.#jobs.delete(job.id)
    return behind
  }

  #gone(cause: FogError, orphans: readonly Job[], isCrash = true): void {
    this.#state = "gone"
    this.stop("its code cannot be loaded")
    const jobs = [...this.#jobs.values()]
    this.#jobs.clear()
    this.#late.clear()
    for (const job of jobs) job.fail(cause)
    this.#options.owner.onGone({ cause, isCrash, orphans })
  }

  get #name(): string {
    return this.#options.function.name
  }
}

const tooDeep = new FogError("function_failed", { message: "The arguments nest too deep" })
