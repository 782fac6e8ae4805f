/** What the suite needs of runtimes, and pools opened for one test each. */
import { type FogError, isFogError } from "@brume/core"
import type { RuntimeTrials, TrialCode } from "./trials.ts"

export interface TrialLimits {
  readonly timeMs: number
  readonly memoryMiB: number
  readonly outputBytes: number
  readonly concurrency: number
  readonly instances: number
}

export interface TrialLine {
  readonly level: string
  readonly message: string
  readonly fields?: unknown
  readonly call?: number | undefined
  readonly stream: string
}

export interface TrialFetch {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

export type TrialCall = {
  readonly deadlineMs?: number
  readonly context: { readonly trigger: "direct" | "http"; readonly key?: string; readonly depth: number }
} & ({ readonly kind: "event"; readonly event: unknown } | { readonly kind: "fetch"; readonly event: TrialFetch })

export interface TrialPool {
  call(call: TrialCall): Promise<unknown>
  ready(): Promise<void>
  status(): {
    readonly state: string
    readonly instances: number
    readonly crashes: number
    readonly lastError: string | undefined
  }
  resume(): void
  drain(graceMs: number): Promise<void>
  close(): Promise<void>
}

export interface TrialRuntimes {
  inspect(): Promise<{ readonly sandbox: string; readonly reason: string | undefined }>
  openPool(options: {
    readonly name: string
    readonly version: number
    readonly code: TrialCode
    readonly limits: TrialLimits
    readonly network: boolean
    ask(operation: string, args: readonly unknown[], call: { readonly id: number } | undefined): Promise<unknown>
    onLine(line: TrialLine): void
  }): TrialPool
  close(): Promise<void>
}

const limits: TrialLimits = { timeMs: 10_000, memoryMiB: 128, outputBytes: 262_144, concurrency: 16, instances: 1 }

export interface BedOptions {
  readonly code?: TrialCode
  readonly limits?: Partial<TrialLimits>
  readonly network?: boolean
  readonly ask?: (operation: string, args: readonly unknown[]) => Promise<unknown>
}

/** One pool, what it said, and short ways to call it. */
export class TrialBed {
  readonly pool: TrialPool
  readonly lines: TrialLine[] = []

  constructor(runtimes: TrialRuntimes, { trials }: RuntimeTrials, options: BedOptions) {
    this.pool = runtimes.openPool({
      name: "trial",
      version: 7,
      code: options.code ?? trials,
      limits: { ...limits, ...options.limits },
      network: options.network ?? false,
      ask: options.ask ?? (async () => null),
      onLine: (line) => this.lines.push(line),
    })
  }

  /** Calls the action that `event.do` names. */
  call(action: string, event: Readonly<Record<string, unknown>> = {}, deadlineMs?: number): Promise<unknown> {
    return this.pool.call({
      kind: "event",
      event: { do: action, ...event },
      context: { trigger: "direct", key: "a-key", depth: 0 },
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    })
  }

  fetch(request: Partial<TrialFetch>): Promise<unknown> {
    return this.pool.call({
      kind: "fetch",
      event: { method: "GET", path: "/", query: "", headers: [], body: "", ...request },
      context: { trigger: "http", depth: 0 },
    })
  }

  /** The error with which a call ends; fails where it does not. */
  async error(action: string, event: Readonly<Record<string, unknown>> = {}, deadlineMs?: number): Promise<FogError> {
    return errorOf(this.call(action, event, deadlineMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.close()
  }
}

export async function errorOf(outcome: Promise<unknown>): Promise<FogError> {
  const error = await outcome.then(
    (value) => new Error(`It succeeded with ${JSON.stringify(value)?.slice(0, 200)}`),
    (reason: unknown) => reason,
  )
  if (isFogError(error)) return error
  throw error
}
