/** What `describeRuntime` needs of a language: one program whose handler does what `event.do` names, and some that fail to load. */
import type { FunctionRuntime } from "@brume/core"

export interface TrialCode {
  readonly runtime: FunctionRuntime
  readonly entry: string
  readonly files: Readonly<Record<string, string>>
}

export interface RuntimeTrials {
  readonly runtime: FunctionRuntime
  /** Knows every action that describe-runtime.ts calls. */
  readonly trials: TrialCode
  readonly syntaxError: TrialCode
  readonly throwsAtLoad: TrialCode
  readonly noHandler: TrialCode
  /** Ends its process with code 5. */
  readonly exitsAtLoad: TrialCode
  /** Loads for 400 ms, then echoes `event.value`. */
  readonly slowStart: TrialCode
  readonly hangsAtLoad: TrialCode
  /** In the stack of the action `throw`: the author's file and line. */
  readonly thrownAt: RegExp
  readonly syntaxErrorSays: RegExp
  /** Calls of one process run side by side; otherwise one by one. */
  readonly isInterleaved: boolean
}
