/**
 * The instances of one version of a function, and the calls that wait for them.
 *
 * - P1 A call ends within its own deadline and limits, whatever the code does.
 * - P2 What one call does to its process, others are told as such: `function_crashed` names the reason. Calls that were
 *   never begun go to another process instead.
 * - P3 Everything is bounded: processes, calls in each, calls that wait, bytes of a result, lines of logs.
 * - P4 Five crashes in ten seconds park the function until {@link Pool.resume} or a new version; before that, restarts
 *   wait longer each time.
 */
import type { Closeable, FunctionLimits } from "@brume/core"
import type { FunctionCode, FunctionLine, Invocation, RunningCall } from "./runtime.ts"

export type PoolState = "ready" | "backoff" | "parked"

export interface PoolStatus {
  readonly state: PoolState
  /** Processes that live and have the code. */
  readonly instances: number
  /** Calls that processes have. */
  readonly busy: number
  /** Calls that wait for a place. */
  readonly queued: number
  /** Since the pool was opened. */
  readonly crashes: number
  /** Why the last process ended that was not meant to, or why the code cannot be loaded. */
  readonly lastError: string | undefined
  /** What keeps the code in: `bubblewrap` or `unsandboxed`. */
  readonly sandbox: string
}

export interface Pool extends Closeable {
  /**
   * Resolves to what the function returned, JSON; of a fetch a {@link FetchResponse}. Rejects with `function_failed` (it
   * threw, cannot be loaded, or answered what is no JSON or too large), `function_timeout`, `function_crashed`,
   * `function_parked`, `functions_busy`, `runtime_missing`, `payload_too_large` (the event).
   */
  call(invocation: Invocation): Promise<unknown>
  /** Resolves when one instance has loaded the code; rejects with the reason why it cannot. Starts one where none is. */
  ready(): Promise<void>
  status(): PoolStatus
  /** Forgets crashes and starts again. */
  resume(): void
  /** Takes no more calls, lets those that it has end for so long, then closes. */
  drain(graceMs: number): Promise<void>
}

export interface PoolOptions {
  readonly name: string
  readonly version: number
  readonly code: FunctionCode
  readonly limits: FunctionLimits
  /** Whether the code may reach the network. */
  readonly network: boolean
  /**
   * Answers what the code asks of the node; what it rejects with is thrown in the code, with its code and hint.
   * `call` is missing where code asks outside of its calls. Arguments are JSON, whatever the code gave; the one who answers
   * checks them:
   *
   * - `publish`: topic, payload (text), `"utf8"` or `"base64"`, options `{qos, retain}`. What is neither text nor bytes was
   *   made JSON before.
   * - `query`: SQL, parameters → rows
   * - `command`: device, name, input, options `{deadlineMs, key}` → outcome
   * - `invoke`: name, event, options `{deadlineMs}` → result
   * - `state.get`: key → value or null. `state.set`: key, value. `state.delete`: key.
   *   `state.compareAndSet`: key, expected (null: not there), value → whether it was set
   * - `secrets.get`: name → text
   */
  ask(operation: string, args: readonly unknown[], call: RunningCall | undefined): Promise<unknown>
  /** Bounded in rate and length already. */
  onLine(line: FunctionLine): void
  /** The state changed. */
  onState?(status: PoolStatus): void
}
