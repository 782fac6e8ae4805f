/** Functions: code of users that is called with an event, outside of the node's process. */

export const functionRuntimes = ["typescript", "javascript", "python"] as const
export type FunctionRuntime = (typeof functionRuntimes)[number]

export const functionTriggers = ["direct", "rule", "topic", "schedule", "http", "function"] as const
export type FunctionTriggerType = (typeof functionTriggers)[number]

export interface FunctionCall {
  readonly name: string
  /** JSON. */
  readonly event: unknown
  readonly trigger: FunctionTriggerType
  /** At most this long, and never longer than the function's own limit. */
  readonly deadlineMs?: number | undefined
  /** The key of the effect that calls; the function sees it as `ctx.key`. */
  readonly key?: string | undefined
}

/** What other rooms may ask of functions. */
export interface Functions {
  /**
   * Resolves to what the function returned, JSON. Throws `function_not_found`, `function_failed` (it threw),
   * `function_timeout`, `function_crashed` (limits, exit), `function_parked`, `functions_busy`.
   */
  invoke(call: FunctionCall): Promise<unknown>
}

/** What `fetch(request, ctx)` of a function is given. */
export interface FetchRequest {
  readonly method: string
  /** Begins with `/`; relative to where the function is mounted. */
  readonly path: string
  /** Without the question mark; may be empty. */
  readonly query: string
  /** Names in lower case. Some may come several times. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** base64. */
  readonly body: string
  /** What the client called, for absolute addresses. @default "http://localhost" */
  readonly origin?: string
}

export interface FetchResponse {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** base64. */
  readonly body: string
}
