/**
 * One function as it runs: the pool of its version in force, what it was called, and what became of that.
 *
 * Versions change without a gap: the new pool has loaded the code before it takes calls; the old one ends what it has.
 */
import {
  type Clock,
  type FetchRequest,
  type FetchResponse,
  FogError,
  type FunctionFailure,
  type FunctionInfo,
  type FunctionTriggerType,
  type FunctionVersionInfo,
  isFogError,
} from "@brume/core"
import { FunctionLog } from "./logs.ts"
import type { Pool, PoolStatus } from "./runtimes/pool.ts"
import type { FunctionLine, Invocation } from "./runtimes/runtime.ts"
import { type StoredFunction, versionOf } from "./table.ts"

export interface FunctionCallTerms {
  readonly trigger: FunctionTriggerType
  readonly key: string
  readonly deadlineMs?: number | undefined
  readonly depth?: number | undefined
}

export type CallOutcome = "done" | "failed"

export interface DeployedFunctionOptions {
  readonly stored: StoredFunction
  readonly clock: Clock
  onCall(outcome: CallOutcome, seconds: number): void
  /** It can be called again. */
  onReady(): void
}

const mostFailures = 20
/** How long calls wait for a node that has just started to load the function. */
const longestLoadingMs = 30_000
const longestMessage = 2_000

export class DeployedFunction {
  readonly log: FunctionLog
  stored: StoredFunction
  readonly #options: DeployedFunctionOptions
  #pool: Pool | undefined
  #unusable: FogError | undefined
  #isLoading = true
  /** Those who wait for the end of that. */
  readonly #waiting = new Set<() => void>()
  readonly #failures: FunctionFailure[] = []
  #calls = 0
  #failed = 0

  constructor(options: DeployedFunctionOptions) {
    this.#options = options
    this.stored = options.stored
    this.log = new FunctionLog(options.clock)
  }

  get name(): string {
    return this.stored.name
  }

  get version(): FunctionVersionInfo {
    return versionOf(this.stored, this.stored.current)!
  }

  get hasPool(): boolean {
    return this.#pool !== undefined
  }

  /** The pool of the version in force; throws why there is none. */
  get pool(): Pool {
    if (this.#pool !== undefined) return this.#pool
    throw this.#unusable ?? new FogError("functions_busy", { message: `${this.name} is being loaded` })
  }

  /** Takes calls from now on. Returns the pool that did before. */
  use(stored: StoredFunction, pool: Pool): Pool | undefined {
    const before = this.#pool
    this.stored = stored
    this.#pool = pool
    this.#unusable = undefined
    this.#loaded()
    this.#options.onReady()
    return before
  }

  /** There is nothing that can be called. */
  fail(error: FogError): void {
    this.#unusable = error
    this.#loaded()
    this.log.add({ level: "error", message: error.message, version: this.stored.current })
  }

  async call(event: unknown, terms: FunctionCallTerms): Promise<unknown> {
    const { trigger, key, depth = 0 } = terms
    const deadlineMs = this.#isLoading ? await this.#waitUntilLoaded(terms.deadlineMs) : terms.deadlineMs
    return await this.#count({ kind: "event", event, deadlineMs, context: { trigger, key, depth } })
  }

  async fetch(event: FetchRequest, key: string): Promise<FetchResponse> {
    return (await this.#count({ kind: "fetch", event, context: { trigger: "http", key, depth: 0 } })) as FetchResponse
  }

  said(version: number, { level, message, call, fields }: FunctionLine): void {
    this.log.add({ level, message, version, call, fields })
  }

  stateChanged({ state }: PoolStatus): void {
    if (state === "ready") this.#options.onReady()
  }

  info(events: Pick<FunctionInfo, "waiting" | "deadLetters" | "dropped">): FunctionInfo {
    const { name, current, versions } = this.stored
    const status = this.#pool?.status()
    const isParked = status?.state === "parked"
    const reason = isParked ? status.lastError : this.#unusable?.message
    return {
      name,
      state: this.#isLoading ? "loading" : status === undefined ? "failed" : isParked ? "parked" : "ready",
      ...(reason === undefined ? {} : { reason }),
      ...(status === undefined || status.sandbox === "unsandboxed" ? {} : { sandbox: status.sandbox }),
      version: current,
      versions,
      ...events,
      calls: this.#calls,
      failed: this.#failed,
      failures: [...this.#failures],
    }
  }

  async close(graceMs: number): Promise<void> {
    const pool = this.#pool
    this.#pool = undefined
    this.#unusable ??= new FogError("function_not_found", { message: `${this.name} is not here any more` })
    this.#loaded()
    await pool?.drain(graceMs)
  }

  #loaded(): void {
    this.#isLoading = false
    for (const end of [...this.#waiting]) end()
  }

  /** Resolves to what is left of the time. */
  #waitUntilLoaded(deadlineMs: number | undefined): Promise<number | undefined> {
    const { clock } = this.#options
    const begun = clock.monotonic()
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        this.#waiting.delete(end)
        resolve(deadlineMs === undefined ? undefined : Math.max(1, deadlineMs - (clock.monotonic() - begun)))
      }
      const timer = clock.after(Math.min(deadlineMs ?? longestLoadingMs, longestLoadingMs), end)
      this.#waiting.add(end)
    })
  }

  async #count(invocation: Invocation): Promise<unknown> {
    const { clock, onCall } = this.#options
    const { pool, version } = this
    const begun = clock.monotonic()
    this.#calls++
    try {
      const result = await pool.call(invocation)
      onCall("done", (clock.monotonic() - begun) / 1_000)
      return result ?? null
    } catch (error) {
      onCall("failed", (clock.monotonic() - begun) / 1_000)
      this.#note(error, version.version)
      throw error
    }
  }

  #note(error: unknown, version: number): void {
    this.#failed++
    const code = isFogError(error) ? error.code : "internal"
    const message = (error as Error).message.slice(0, longestMessage)
    this.#failures.push({ time: this.#options.clock.now(), code, message, version })
    if (this.#failures.length > mostFailures) this.#failures.shift()
    this.log.add({ level: "error", message: stackOf(error) ?? message, version, fields: { code } })
  }
}

/** The stack of what the code threw, as its author knows the files; it begins with the message. */
export function stackOf(error: unknown): string | undefined {
  const stack = isFogError(error) ? error.details?.stack : undefined
  return typeof stack === "string" && stack !== "" ? stack.slice(0, longestMessage) : undefined
}
