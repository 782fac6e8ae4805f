/** What this page needs of a node. Times are ms since 1970 UTC. */
import type { Statement } from "./history.ts"
import type { Point, SeriesId } from "./series.ts"

export interface NodeStatus {
  readonly node: string
  readonly version: string
  readonly epoch: string
  readonly nextSeq: number
  readonly state: "accepting" | "full" | "failed"
  readonly damagedRanges: number
  readonly diskBytes: number
  /** The token that asks may do everything. */
  readonly isAdmin: boolean
  /** The token that asks is for some devices alone: what concerns all of them is not for it. */
  readonly isLimited: boolean
}

/** Who speaks MQTT with the node, or may come back to a session. */
export interface Client {
  readonly id: string
  /** Whose credentials it came with. */
  readonly name: string
  readonly isConnected: boolean
  /** undefined while it is away, as are the next two. */
  readonly protocol: string | undefined
  readonly transport: string | undefined
  readonly address: string | undefined
  /** Since when it is connected, or away. */
  readonly since: number
  /** Its session outlives its connection. */
  readonly hasLastingSession: boolean
  readonly queuedMessages: number
  readonly queuedBytes: number
  readonly inflightMessages: number
  readonly droppedMessages: number
}

export type Severity = "info" | "warning" | "critical"

/** A condition that somebody should know of until it is over. */
export interface Alarm {
  readonly id: string
  readonly name: string
  readonly device: string | undefined
  readonly state: "raised" | "cleared"
  readonly severity: Severity
  readonly message: string
  /** Who raised it: `rule/<name>`. */
  readonly source: string
  readonly raised: number
  readonly cleared: number | undefined
  /** How often it was raised. */
  readonly count: number
  readonly acknowledgedBy: string | undefined
  readonly silencedUntil: number | undefined
}

export interface AlarmEvents {
  alarm(alarm: Alarm): void
  /** Changes may have been missed: the list is to be asked for again. */
  gap(): void
}

/** What rules do, and how they stand. */
export interface Rule {
  readonly name: string
  /** What it listens to, in a few words. */
  readonly on: string
  readonly isEnabled: boolean
  /** Series for which it holds, but not yet for long enough. */
  readonly pending: number
  /** Series for which it fired and is not over. */
  readonly active: number
  readonly fired: number
  readonly lastFired: number | undefined
  readonly failures: number
  readonly lastFailure: string | undefined
}

export interface FunctionInfo {
  readonly name: string
  readonly runtime: string
  readonly version: number
  /** `ready`, `parked`, … */
  readonly state: string
  readonly sandbox: string
  readonly calls: number
  readonly failures: number
  readonly lastError: string | undefined
}

export interface LogLine {
  readonly time: number
  readonly level: string
  readonly text: string
}

export interface Command {
  readonly id: string
  readonly device: string
  readonly command: string
  /** JSON text. */
  readonly input: string
  readonly source: string
  readonly state: "pending" | "done" | "failed" | "in-doubt"
  readonly created: number
  readonly ended: number | undefined
  /** Why it failed, or what it answered. */
  readonly answer: string | undefined
}

export interface SeriesPoint {
  readonly id: SeriesId
  readonly point: Point
}

export type LinkState =
  | { readonly state: "connecting" }
  | { readonly state: "live" }
  | { readonly state: "waiting"; readonly retryAt: number; readonly reason: Error | undefined }
  | { readonly state: "ended"; readonly reason: Error | undefined }

export interface LiveEvents {
  points(points: readonly SeriesPoint[]): void
  link(state: LinkState): void
  /** Readings may have been missed. */
  gap(): void
}

export type Row = Readonly<Record<string, unknown>>

export interface Result {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly Row[]
  /** There were more rows than asked for; the statement was stopped. */
  readonly isCut: boolean
}

export interface NodePort {
  /** The secret, for commands that a person copies. */
  readonly token: string
  status(signal: AbortSignal): Promise<NodeStatus>
  /** Latest readings of the devices, device by device, by name. */
  devices(signal: AbortSignal): AsyncIterable<readonly SeriesPoint[]>
  /** Rows of a statement of this page. */
  rows(statement: Statement, signal: AbortSignal): Promise<readonly Row[]>
  /** The first rows of a statement of the user. */
  ask(sql: string, maxRows: number, signal: AbortSignal): Promise<Result>
  /** The whole result as CSV. */
  csv(sql: string, signal: AbortSignal): Promise<Blob>
  /** The first MQTT clients, by identifier; needs an admin's token. */
  clients(most: number, signal: AbortSignal): Promise<{ readonly clients: readonly Client[]; readonly isCut: boolean }>
  /** Ends a client's connection, and its session too where `isForgotten`. */
  disconnect(id: string, isForgotten: boolean): Promise<void>
  /** Raised ones first, then the newest. */
  alarms(signal: AbortSignal): Promise<readonly Alarm[]>
  /** Every change of an alarm. Returns the function that ends it. */
  liveAlarms(events: AlarmEvents): () => void
  acknowledge(id: string): Promise<void>
  silence(id: string, forMs: number): Promise<void>
  clear(id: string): Promise<void>
  rules(signal: AbortSignal): Promise<readonly Rule[]>
  functions(signal: AbortSignal): Promise<readonly FunctionInfo[]>
  /** The last lines of a function, then each new one, until the signal ends it. */
  logs(name: string, signal: AbortSignal): AsyncIterable<LogLine>
  /** The newest commands first. */
  commands(most: number, signal: AbortSignal): Promise<readonly Command[]>
  /** Live readings of these devices, or of all when there are none. Returns the function that ends it. */
  live(devices: readonly string[], events: LiveEvents): () => void
}
