/** What a function is to a runtime: code, limits, and what it is called with. A runtime knows how to start its language. */
import type { FetchRequest, FunctionRuntime, FunctionTriggerType } from "@brume/core"

export interface FunctionCode {
  readonly runtime: FunctionRuntime
  /** A path among `files`. JavaScript that was bundled is `bundle.cjs` whatever the entry says; it runs as CommonJS. */
  readonly entry: string
  /** Path → text. `bundle.cjs.map` makes stack traces name the user's own files and lines. */
  readonly files: Readonly<Record<string, string>>
}

/** What a bundle of JavaScript is called among the files. */
export const bundleEntry = "bundle.cjs"

export interface InvocationContext {
  readonly trigger: FunctionTriggerType
  /** The key of the effect that calls. */
  readonly key?: string | undefined
  /** Of functions that call functions: 0 for a call from outside. */
  readonly depth: number
}

export type Invocation = {
  /** No answer is waited for longer than this, from now; the function's own limits hold besides. */
  readonly deadlineMs?: number | undefined
  readonly context: InvocationContext
} & ({ readonly kind: "event"; readonly event: unknown } | { readonly kind: "fetch"; readonly event: FetchRequest })

/** The call that an ask, a log line belongs to. */
export interface RunningCall {
  readonly id: number
  readonly context: InvocationContext
  /** When nobody waits for it any more: monotonic ms of the pool's clock. */
  readonly deadline: number
  /** When its code began with it, as far as that is known: its own limit of time counts from then. */
  readonly begunMs?: number | undefined
}

export interface FunctionLine {
  readonly level: "debug" | "info" | "warn" | "error"
  /** One line, bounded. */
  readonly message: string
  /** What `ctx.log` was given besides. */
  readonly fields?: unknown
  /** `ctx` of a call said it, or the process printed it. */
  readonly call?: number | undefined
  readonly stream: "log" | "stdout" | "stderr" | "node"
}
