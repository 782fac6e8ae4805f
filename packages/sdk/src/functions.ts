/** Functions of a node: called, deployed, rolled back, listed, and what they say. */
import type { FunctionLogLevel, FunctionSpec, FunctionState } from "@brume/core"
import { foreignAnswer } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** Times are ISO 8601. */
export interface FunctionView {
  readonly name: string
  /** `parked`: it crashed too often; `failed`: it cannot be started. */
  readonly state: FunctionState
  /** Why it is not ready. */
  readonly reason?: string
  /** What keeps it apart from the machine; missing where nothing does. */
  readonly sandbox?: string
  /** The version in force. */
  readonly version: number
  /** Those that can be rolled back to, oldest first. */
  readonly versions: readonly FunctionVersionView[]
  /** Events that wait for it. */
  readonly waiting: number
  /** Since the node started, as the next ones. */
  readonly calls: number
  readonly failed: number
  readonly deadLetters: number
  /** Events that found no room. */
  readonly dropped: number
  /** The last ones, oldest first. */
  readonly failures: readonly {
    readonly time: string
    readonly code: string
    readonly message: string
    readonly version: number
  }[]
}

export interface FunctionVersionView {
  readonly version: number
  readonly created: string
  /** SHA-256 of its code. */
  readonly bundle: string
  readonly bytes: number
  readonly spec: FunctionSpec
}

export interface FunctionDeployment {
  /** What brume.yaml says. */
  readonly document: object
  /** Path → text: `bundle.cjs` of JavaScript, or the files of a Python function. */
  readonly files: Readonly<Record<string, string>>
  /** The code may run although nothing keeps it apart from the machine. @default as before, else false */
  readonly acceptUnsandboxed?: boolean
}

export interface DeployedFunction {
  readonly name: string
  /** The one in force now. */
  readonly version: number
  readonly change: "created" | "changed" | "unchanged"
}

export interface InvokeOptions {
  /** Nobody waits for it any longer. ms. @default the function's own limit, and as long again for its turn */
  readonly deadlineMs?: number
  /** The same key of the same token is the same call for ten minutes; `ctx.key` follows from it. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

/** One thing that a function said. */
export interface FunctionLine {
  /** Grows by one with each line since the node started. */
  readonly seq: number
  readonly time: string
  readonly level: FunctionLogLevel
  readonly message: string
  readonly version: number
  /** Which call said it. */
  readonly call?: number
  readonly fields?: unknown
}

export interface FunctionLogsOptions {
  /** Most lines of those that were said already. @default 100 */
  readonly limit?: number
  /** Only lines behind this `seq`. */
  readonly after?: number
  /** Goes on with what is said from now on, until the loop is left or the connection ends. @default false */
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

export interface FunctionRoom {
  /** Throws `function_not_found`, `function_failed`, `function_timeout` and their like. Sent once: it may not be repeated. */
  invoke<Result = unknown>(name: string, event?: unknown, options?: InvokeOptions): Promise<Result>
  list(): Promise<FunctionView[]>
  /** Throws `function_not_found`. */
  get(name: string): Promise<FunctionView>
  /** In force when it resolves. Throws `document_invalid`, `function_unloadable`, `function_unsandboxed`. Needs an admin. */
  deploy(name: string, deployment: FunctionDeployment): Promise<DeployedFunction>
  /** @param to the version before the one in force without it. Needs an admin. */
  rollback(name: string, to?: number): Promise<DeployedFunction>
  /** With its state and what waits for it. Needs an admin. */
  delete(name: string): Promise<void>
  /** Lines, oldest first. */
  logs(name: string, options?: FunctionLogsOptions): AsyncGenerator<FunctionLine, void, undefined>
}

const path = "v1/functions"
const headers = { "content-type": "application/json" }
/** A version may take half a minute to load its code. */
const deployMs = 60_000
/** The longest that a function may run, and as long for its turn. */
const invokeMs = 1_800_000
/** Longer than the node is silent. */
const silenceMs = 45_000

export function createFunctions(transport: Transport): FunctionRoom {
  const { base } = transport
  const placeOf = (name: string, verb?: string): string =>
    `${path}/${encodeURIComponent(name)}${verb === undefined ? "" : `/${verb}`}`
  const post = (name: string, verb: string, body: object) =>
    transport.json({
      ...{ method: "POST", path: placeOf(name, verb), headers, isIdempotent: false },
      body: JSON.stringify(body),
      timeoutMs: deployMs,
    })
  return {
    async invoke<Result>(name: string, event?: unknown, { deadlineMs, idempotencyKey, signal }: InvokeOptions = {}) {
      const answer = await transport.json({
        ...{ method: "POST", path: placeOf(name, "invoke"), signal },
        headers: { ...headers, ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }) },
        ...(deadlineMs === undefined ? {} : { search: new URLSearchParams({ deadlineMs: String(deadlineMs) }) }),
        body: JSON.stringify(event ?? null),
        timeoutMs: deadlineMs === undefined ? invokeMs : deadlineMs + silenceMs,
        isIdempotent: false,
      })
      return answer as Result
    },
    async list() {
      const answer = expectObject(await transport.json({ method: "GET", path, isIdempotent: true }), base)
      if (!Array.isArray(answer.functions)) throw foreignAnswer(base.href, "its answer has no functions")
      return answer.functions as FunctionView[]
    },
    async get(name) {
      const answer = await transport.json({ method: "GET", path: placeOf(name), isIdempotent: true })
      return expectObject(answer, base) as unknown as FunctionView
    },
    deploy: async (name, deployment) =>
      expectObject(await post(name, "deploy", deployment), base) as unknown as DeployedFunction,
    rollback: async (name, to) =>
      expectObject(await post(name, "rollback", to === undefined ? {} : { to }), base) as unknown as DeployedFunction,
    async delete(name) {
      await transport.json({ method: "DELETE", path: placeOf(name), isIdempotent: false })
    },
    async *logs(name, { limit, after, follow, signal } = {}) {
      const search = new URLSearchParams()
      if (limit !== undefined) search.set("limit", String(limit))
      if (after !== undefined) search.set("after", String(after))
      if (follow === true) search.set("follow", "true")
      const call = { method: "GET", path: placeOf(name, "logs"), search, signal, isIdempotent: true } as const
      const { chunks } = await transport.download(call, silenceMs)
      const decoder = new TextDecoder()
      let rest = ""
      for await (const chunk of chunks) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n")
        rest = lines.pop() ?? ""
        for (const line of lines) if (line !== "") yield JSON.parse(line) as FunctionLine
      }
    },
  }
}
