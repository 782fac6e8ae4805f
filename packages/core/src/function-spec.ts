/** What a function document says (`brume.yaml`), with every default filled in; and how functions are listed. */
import type { FunctionRuntime } from "./functions.ts"

export interface FunctionBatch {
  /** Most events of one call. */
  readonly size: number
  /** How long the first of them waits for others. ms. */
  readonly waitMs: number
}

/** Messages on topics. */
export interface TopicTrigger {
  /** A filter with MQTT wildcards. */
  readonly topic: string
  /** A call gets a list of events. */
  readonly batch?: FunctionBatch
}

/** Readings of devices, when they are durable. */
export interface ReadingTrigger {
  /** A filter with MQTT wildcards, as is `property`. */
  readonly device: string
  readonly property: string
  readonly batch?: FunctionBatch
}

export interface ScheduleTrigger {
  /** cron: `minute hour day month weekday`. */
  readonly schedule: string
  /** @default UTC */
  readonly timeZone: string
}

/** Its `fetch` answers requests below `/fn/<name>/`. */
export interface HttpTrigger {
  /** `public` needs no token. */
  readonly http: "token" | "public"
}

export type EventTrigger = TopicTrigger | ReadingTrigger
export type FunctionTrigger = EventTrigger | ScheduleTrigger | HttpTrigger

export interface FunctionLimits {
  /** Of one call, from the moment its code begins. Waiting for an instance has the same limit once more. */
  readonly timeMs: number
  /** What one instance may hold beyond its bare interpreter: heap and buffers. */
  readonly memoryMiB: number
  /** Of what a call returns, as JSON. */
  readonly outputBytes: number
  /** Calls of one instance at a time. Python works through them one by one. */
  readonly concurrency: number
  /** Processes. */
  readonly instances: number
}

export interface FunctionSpec {
  readonly runtime: FunctionRuntime
  /** The file with the code, below the function's folder. */
  readonly entry: string
  readonly triggers: readonly FunctionTrigger[]
  readonly limits: FunctionLimits
  /** Names of the secrets that it may read. */
  readonly secrets: readonly string[]
  /** Whether it may open connections. */
  readonly network: boolean
  /** How often an event is tried again that failed, before it goes to the dead letters. */
  readonly retries: number
}

export const functionLogLevels = ["debug", "info", "warn", "error"] as const
export type FunctionLogLevel = (typeof functionLogLevels)[number]

export interface FunctionLogLine {
  /** Grows by one with each line of this function since the node started. */
  readonly seq: number
  /** µs since 1970 UTC. */
  readonly time: number
  readonly level: FunctionLogLevel
  readonly message: string
  readonly version: number
  /** The number of the call that said it, where a call did. */
  readonly call?: number
  readonly fields?: unknown
}

export interface FunctionVersionInfo {
  readonly version: number
  /** When it was deployed, µs since 1970 UTC. */
  readonly created: number
  /** Names its code: equal code, equal name. */
  readonly bundle: string
  readonly bytes: number
  readonly spec: FunctionSpec
}

/** `loading`: it has not answered yet; `failed`: it could not be started again; `parked`: it crashed too often. */
export type FunctionState = "loading" | "ready" | "parked" | "failed"

export interface FunctionFailure {
  readonly time: number
  readonly code: string
  readonly message: string
  readonly version: number
}

export interface FunctionInfo {
  readonly name: string
  readonly state: FunctionState
  /** Why it is not ready. */
  readonly reason?: string
  /** What keeps it apart from the machine; undefined where nothing does. */
  readonly sandbox?: string
  readonly version: number
  /** Oldest first. */
  readonly versions: readonly FunctionVersionInfo[]
  /** Events that wait. */
  readonly waiting: number
  readonly calls: number
  readonly failed: number
  readonly deadLetters: number
  /** Events that found no room. */
  readonly dropped: number
  /** Oldest first. */
  readonly failures: readonly FunctionFailure[]
}

export interface SecretInfo {
  readonly name: string
  readonly created: number
  readonly changed: number
}
