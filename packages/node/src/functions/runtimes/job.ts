/** One call on its way: what is sent for it, until when somebody waits, and how it is settled. */
import { type FetchResponse, FogError, type FogErrorOptions } from "@brume/core"
import { deepest, isTooDeep } from "./nesting.ts"
import type { Invocation, InvocationContext } from "./runtime.ts"

/** Of what others say of their errors, in characters. */
const longestMessage = 4_096
const longestStack = 16_384

export interface JobOptions {
  readonly id: number
  readonly name: string
  readonly invocation: Invocation
  /** The event as JSON. */
  readonly event: string
  /** When nobody waits any more, monotonic ms. */
  readonly deadline: number
  /** The same as ms since 1970, or 0: no caller set one, and the function's own limit is all. */
  readonly wallDeadlineMs: number
  readonly queuedMs: number
}

export class Job {
  readonly id: number
  readonly name: string
  readonly kind: Invocation["kind"]
  readonly context: InvocationContext
  readonly deadline: number
  /** Since when it waits for a process. */
  queuedMs: number
  /** What is sent to the child. */
  readonly frame: string
  readonly done: Promise<unknown>
  /** When the code began with it, as far as that is known. */
  begunMs: number | undefined
  /** Called once, whatever becomes of it. */
  onSettled: (() => void) | undefined
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void
  #isSettled = false

  constructor({ id, name, invocation, event, deadline, wallDeadlineMs, queuedMs }: JobOptions) {
    const { kind, context } = invocation
    this.id = id
    this.name = name
    this.kind = kind
    this.context = context
    this.deadline = deadline
    this.queuedMs = queuedMs
    const key = context.key === undefined ? "null" : JSON.stringify(context.key)
    this.frame = `["call",${id},"${kind}",${event},"${context.trigger}",${key},${wallDeadlineMs}]`
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  settle(answer: () => unknown): void {
    if (!this.#isEnded())
      try {
        this.#resolve(answer())
      } catch (error) {
        this.#reject(error)
      }
  }

  fail(error: FogError): void {
    if (!this.#isEnded()) this.#reject(error)
  }

  /** Its time is over. */
  giveUp(now: number): void {
    if (!this.#isEnded()) this.#reject(timeout(this, now))
  }

  #isEnded(): boolean {
    if (this.#isSettled) return true
    this.#isSettled = true
    this.onSettled?.()
    return false
  }
}

function timeout({ name, queuedMs, begunMs }: Job, now: number): FogError {
  const waited = Math.round(now - queuedMs)
  return begunMs === undefined
    ? new FogError("functions_busy", {
        message: `Function ${name} had no free instance within ${waited} ms`,
        hint: "Allow it more instances (spec.limits.instances), or call it less.",
      })
    : new FogError("function_timeout", {
        message: `Function ${name} did not answer within ${Math.round(now - begunMs)} ms`,
        hint: "Let it do less in one call, or raise spec.limits.timeMs. It may have done its work in part.",
      })
}

/** What a child answered, checked. Throws `function_failed`. */
export function answerOf(name: string, kind: Invocation["kind"], value: unknown, textLength: number): unknown {
  if (isTooDeep(value, textLength)) throw failed(name, { message: `answered JSON that nests deeper than ${deepest}` })
  if (kind === "event") return value ?? null
  if (isResponse(value)) return value
  throw failed(name, { message: "answered no HTTP response", hint: "fetch must return a Response." })
}

function isResponse(value: unknown): value is FetchResponse {
  if (typeof value !== "object" || value === null) return false
  const { status, headers, body } = value as Partial<Record<string, unknown>>
  const isPair = (pair: unknown): boolean =>
    Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string")
  const isStatus = Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599
  return isStatus && typeof body === "string" && Array.isArray(headers) && headers.every(isPair)
}

/** What a child says of an error of its code. */
export function failureOf(name: string, said: unknown, what: string): FogError {
  const { name: kind, message, stack, code, hint } = (said ?? {}) as Partial<Record<string, unknown>>
  const text = (value: unknown, longest: number): string | undefined =>
    typeof value === "string" && value !== "" ? value.slice(0, longest) : undefined
  const shownKind = text(kind, 200) ?? "Error"
  const shown = text(message, longestMessage)
  const details = { name: shownKind, stack: text(stack, longestStack) ?? null, code: text(code, 200) ?? null }
  const advice = text(hint, longestMessage)
  return failed(name, {
    message: `${what}: ${shown === undefined ? shownKind : `${shownKind}: ${shown}`}`,
    ...(advice === undefined ? {} : { hint: advice }),
    details,
  })
}

function failed(name: string, { message, ...others }: FogErrorOptions): FogError {
  return new FogError("function_failed", { message: `Function ${name} ${message}`, ...others })
}
