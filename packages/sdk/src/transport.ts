/**
 * Requests to one node: authorisation, time limits, retries, errors.
 *
 * T1: a request that is not idempotent is sent at most once.
 * T2: a retry is due only where the registry says that the same request can succeed (`later`, `now`), or where no
 *     answer came; never after the caller's signal aborted, and at most `maxAttempts` in all.
 * T3: whatever a call throws is a FogError, except the reason of the caller's own signal.
 */
import { type ErrorCode, type FogError, isFogError } from "@brume/core"
import { type BackoffPolicy, backoffMs, pause } from "./backoff.ts"
import { foreignAnswer, problemOf, tooSlow, unreachable } from "./problem.ts"

/** A secret, or where to get the one that is in force now. */
export type TokenSource = string | (() => string | undefined | Promise<string | undefined>)

export interface RetryPolicy extends BackoffPolicy {
  /** Attempts in all; 1 means no retry. */
  readonly maxAttempts: number
}

export interface TransportOptions {
  /** Ends with `/`; may have a path. */
  readonly base: URL
  readonly token: TokenSource | undefined
  readonly fetch: typeof globalThis.fetch
  readonly timeoutMs: number
  readonly retry: RetryPolicy
}

export interface Call {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  /** Below the base, without a leading slash. */
  readonly path: string
  readonly search?: URLSearchParams
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array<ArrayBuffer>
  /** Sending it twice does what sending it once does. */
  readonly isIdempotent: boolean
  /** Codes that are not worth the same request again, whatever the registry says. */
  readonly final?: readonly ErrorCode[]
  /** Until the answer is complete; for a stream, until it begins. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** The body of an answer that is still arriving. */
export interface Download {
  readonly headers: Headers
  /** Stopping early ends the request. Throws `node_unreachable` when the connection breaks or stays silent. */
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>
}

export interface Transport {
  readonly base: URL
  /** The secret that is in force now. */
  token(): Promise<string | undefined>
  /** The answer's JSON; undefined for an empty answer. */
  json(call: Call): Promise<unknown>
  /** @param idleMs longest silence between two pieces. */
  download(call: Call, idleMs: number): Promise<Download>
}

/** Longest wait that a node may ask for with Retry-After before the caller hears of the failure instead, ms. */
const maxRetryAfterMs = 5_000

export function createTransport(options: TransportOptions): Transport {
  const { base } = options
  const token = async (): Promise<string | undefined> =>
    typeof options.token === "function" ? await options.token() : options.token

  async function request(call: Call, signal: AbortSignal): Promise<Response> {
    const url = urlOf(base, call)
    const secret = await token()
    const headers: Record<string, string> = { accept: "application/json", ...call.headers }
    if (secret !== undefined && secret !== "") headers.authorization = `Bearer ${secret}`
    const init: RequestInit = { method: call.method, headers, signal, redirect: "manual" }
    if (call.body !== undefined) init.body = call.body
    const response = await options.fetch(url, init)
    if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
      throw foreignAnswer(url, `it redirects to ${response.headers.get("location") ?? "another address"}`)
    }
    if (!response.ok) throw await problemOf(response, url)
    return response
  }

  async function json(call: Call): Promise<unknown> {
    return await withRetries(options.retry, call, async () => {
      const limit = deadline(call, options.timeoutMs)
      try {
        const response = await request(call, limit.signal)
        return await parsed(response, urlOf(base, call))
      } catch (error) {
        throw limit.explain(error, urlOf(base, call))
      } finally {
        limit.end()
      }
    })
  }

  async function download(call: Call, idleMs: number): Promise<Download> {
    return await withRetries(options.retry, call, async () => {
      const limit = deadline(call, options.timeoutMs)
      try {
        const response = await request(call, limit.signal)
        limit.pause()
        return { headers: response.headers, chunks: chunksOf(response, { limit, url: urlOf(base, call), idleMs }) }
      } catch (error) {
        limit.end()
        throw limit.explain(error, urlOf(base, call))
      }
    })
  }

  return { base, token, json, download }
}

function urlOf(base: URL, call: Call): string {
  const url = new URL(call.path, base)
  if (call.search !== undefined) url.search = call.search.toString()
  return url.href
}

async function parsed(response: Response, url: string): Promise<unknown> {
  const text = await response.text()
  if (text === "") return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw foreignAnswer(url, "its answer is not JSON", error)
  }
}

async function* chunksOf(
  response: Response,
  { limit, url, idleMs }: { limit: Deadline; url: string; idleMs: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader()
  try {
    while (reader !== undefined) {
      limit.restart(idleMs)
      const { done, value } = await reader.read()
      limit.pause()
      if (done) return
      yield value
    }
  } catch (error) {
    throw limit.explain(error, url)
  } finally {
    limit.end()
    // Ends the request when the caller stopped early; its own failure has nobody left to hear it.
    reader?.cancel().catch(() => {})
  }
}

async function withRetries<T>(policy: RetryPolicy, call: Call, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt()
    } catch (error) {
      const waitMs =
        call.isIdempotent && failures < policy.maxAttempts ? retryDelay(error, failures, policy) : undefined
      // T1, T2
      if (waitMs === undefined || call.final?.includes((error as FogError).code) === true) throw error
      await pause(waitMs, call.signal)
    }
  }
}

/** How long to wait before the same request again, or undefined when it is not worth it. */
export function retryDelay(error: unknown, failures: number, policy: BackoffPolicy): number | undefined {
  if (!isFogError(error) || error.retry === "never") return undefined
  const asked = error.details?.retryAfterMs
  if (typeof asked === "number") return asked > maxRetryAfterMs ? undefined : asked
  // "Now" still waits a little, so that a fault of the node does not become a storm.
  return error.retry === "now" ? (policy.firstDelayMs * Math.random()) / 2 : backoffMs(failures, policy)
}

interface Deadline {
  readonly signal: AbortSignal
  restart(timeoutMs: number): void
  pause(): void
  end(): void
  /** What the caller is told: its own reason, the limit, or the connection's failure. (T3) */
  explain(error: unknown, url: string): unknown
}

/** Joins the caller's signal and a time limit in one signal, and remembers which of them struck. */
function deadline(call: Call, defaultMs: number): Deadline {
  const controller = new AbortController()
  let struck: number | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const abort = (): void => controller.abort(call.signal?.reason)
  if (call.signal?.aborted) abort()
  else call.signal?.addEventListener("abort", abort, { once: true })

  const limit: Deadline = {
    signal: controller.signal,
    restart(timeoutMs) {
      clearTimeout(timer)
      timer = setTimeout(() => {
        struck = timeoutMs
        controller.abort()
      }, timeoutMs)
    },
    pause: () => clearTimeout(timer),
    end() {
      clearTimeout(timer)
      call.signal?.removeEventListener("abort", abort)
    },
    explain(error, url) {
      if (isFogError(error)) return error
      if (struck !== undefined) return tooSlow(url, struck)
      if (call.signal?.aborted) return call.signal.reason
      return unreachable(url, error)
    },
  }
  limit.restart(call.timeoutMs ?? defaultMs)
  return limit
}

/** The answer as an object, or `node_unreachable` when something else than a Brume node gave it. */
export function expectObject(answer: unknown, base: URL): Record<string, unknown> {
  if (typeof answer === "object" && answer !== null && !Array.isArray(answer)) return answer as Record<string, unknown>
  throw foreignAnswer(base.href, "its answer is not an object")
}
