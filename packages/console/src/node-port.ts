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
  /** Live readings of these devices, or of all when there are none. Returns the function that ends it. */
  live(devices: readonly string[], events: LiveEvents): () => void
}
