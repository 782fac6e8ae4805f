/**
 * What function authors import, types alone: a function works without them too.
 *
 * @example
 * ```ts
 * import type { FunctionContext, MessageEvent } from "@brume/sdk"
 *
 * export default async (event: MessageEvent<number>, ctx: FunctionContext) => {
 *   if (event.payload > 8) await ctx.command("fan-1", "start", { speed: 3 })
 * }
 * ```
 */

/** What caused the call. */
export type FunctionTriggerName = "direct" | "rule" | "topic" | "schedule" | "http" | "function"

export interface FunctionContext {
  /** Its own name. */
  readonly name: string
  /** The version that runs. */
  readonly version: number
  readonly trigger: FunctionTriggerName
  /** The same at every attempt for one event, so that others can tell a repetition. */
  readonly key: string
  /** When nobody waits for the call any more: ms since 1970, by this process's clock. */
  readonly deadline: number
  /** Aborted at the deadline. */
  readonly signal: AbortSignal
  /** What is neither text nor bytes is sent as JSON. A call that is repeated for its event publishes the same once. */
  publish(
    topic: string,
    payload: unknown,
    options?: { readonly qos?: 0 | 1 | 2; readonly retain?: boolean },
  ): Promise<void>
  /** Rows of one SELECT over `readings` and `latest`; `$1`, `$2` stand for the parameters. */
  query<Row extends object = Record<string, unknown>>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>
  /** Resolves with the outcome, whatever it is. */
  command(
    device: string,
    name: string,
    input?: unknown,
    options?: { readonly deadlineMs?: number; readonly key?: string },
  ): Promise<CommandOutcome>
  /** Calls another function. */
  invoke<Result = unknown>(name: string, event?: unknown, options?: { readonly deadlineMs?: number }): Promise<Result>
  readonly state: FunctionStateStore
  readonly secrets: {
    /** Only those that `spec.secrets` names. */
    get(name: string): Promise<string>
  }
  readonly log: FunctionLogger
}

export interface CommandOutcome {
  readonly id: string
  readonly state: "pending" | "done" | "failed" | "in-doubt"
  /** What the device answered. */
  readonly output: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/** Keys and values of this function, durable when a promise resolves. Values are JSON; null is none. */
export interface FunctionStateStore {
  get<Value = unknown>(key: string): Promise<Value | null>
  set(key: string, value: unknown): Promise<void>
  delete(key: string): Promise<void>
  /** Sets it only where its value is the expected one. Whether it did. */
  compareAndSet(key: string, expected: unknown, value: unknown): Promise<boolean>
}

export interface FunctionLogger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

/** Of a topic trigger. */
export interface MessageEvent<Payload = unknown> {
  readonly type: "message"
  readonly topic: string
  /** JSON where it is JSON, else a text. */
  readonly payload: Payload
  /** Instead of `payload`, where it is no text. */
  readonly payloadBase64?: string
  /** When the node received it, ISO 8601. */
  readonly time: string
}

/** Of a trigger on devices. */
export interface ReadingEvent<Value = number | string | boolean | object> {
  readonly type: "reading"
  readonly device: string
  readonly property: string
  readonly value: Value
  readonly time: string
  readonly tags: Readonly<Record<string, string>>
  readonly quality: number
}

export interface ScheduleEvent {
  readonly type: "schedule"
  /** The time that was due, ISO 8601. */
  readonly time: string
}
