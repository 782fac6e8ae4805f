/** What other rooms do for the API. Structural: each room's own types fit without naming these. */
import type { Socket } from "node:net"
import type {
  DocumentKind,
  DocumentMistake,
  Documents,
  FogError,
  JsonSchema,
  Principal,
  Reading,
  StoredDocument,
} from "@brume/core"
import type { WebSocket } from "ws"

export interface Sender {
  readonly principal: Principal
  /** A client's name for this request: the same key again stores nothing twice. */
  readonly idempotencyKey: string | undefined
}

export interface StoredReadings {
  readonly accepted: number
  /** Sequence of the first one. */
  readonly seq: number
  readonly epoch: string
  /** The answer is the one to an earlier request with the same key; nothing was stored now. */
  readonly replayed?: true
}

export interface StoredLines extends StoredReadings {
  /** Why some lines were refused; the others are stored. */
  readonly error: FogError | undefined
  readonly refused: number
}

export type ReadingsFormat = "json" | "ndjson" | "senml"
export type LinePrecision = "ns" | "us" | "ms" | "s" | "m" | "h"

/** Durable when a promise resolves. (A4) */
export interface IngestPort {
  readings(bytes: Uint8Array, format: ReadingsFormat, sender: Sender): Promise<StoredReadings>
  lines(bytes: Uint8Array, precision: LinePrecision, sender: Sender): Promise<StoredLines>
}

export interface KnownDevice {
  readonly device: string
  /** When the node last received a reading of it, µs since 1970 UTC. */
  readonly received: number
  /** How many series it has. */
  readonly series: number
  /** The newest reading of each, or of the first ones where there are very many. */
  readonly latest: readonly Reading[]
}

export interface DeviceRequest {
  readonly principal: Principal
  readonly limit: number
  /** Only devices whose names sort behind this one. */
  readonly after: string | undefined
  /** Filters with MQTT wildcards; undefined means all. */
  readonly devices: readonly string[] | undefined
}

/** Devices that the principal may see. */
export interface DevicesPort {
  /** By name. `next` is the name to go on after, where there are more. */
  list(request: DeviceRequest): Promise<{ readonly devices: readonly KnownDevice[]; readonly next: string | undefined }>
  /** Rejects with `device_not_found` and `forbidden`. */
  get(device: string, principal: Principal): Promise<KnownDevice>
}

export interface LiveFilter {
  readonly principal: Principal
  /** Filters with MQTT wildcards; undefined means all. */
  readonly devices: readonly string[] | undefined
  readonly properties: readonly string[] | undefined
}

export interface LivePort {
  /** Calls `wake` when readings wait in the queue, which holds only what the filter allows. */
  subscribe(filter: LiveFilter, wake: () => void): LiveQueue
}

/** Readings that wait for one connection. Bounded by its maker, who drops and counts beyond that. */
export interface LiveQueue {
  /** The oldest ones, at most `limit`. */
  take(limit: number): readonly Reading[]
  /** How many were left out since the last call. */
  takeDropped(): number
  /** Idempotent. */
  close(): void
}

/** The MQTT front, as far as HTTP leads to it. */
export interface MqttPort {
  readonly webSockets: MqttWebSockets
  /** Those that are connected and those whose sessions wait for them, by identifier. */
  clients(request: ClientsRequest): { readonly clients: readonly KnownClient[]; readonly next: string | undefined }
  client(clientId: string): KnownClient | undefined
  /** Ends its connection, and its session too where `isForgotten`. Returns whether there was something to end. */
  disconnect(clientId: string, options: { readonly isForgotten: boolean }): boolean
}

export interface ClientsRequest {
  readonly limit: number
  /** Only clients whose identifiers sort behind this one. */
  readonly after: string | undefined
  /** Only those that are connected, or that are not. */
  readonly isConnected: boolean | undefined
}

export interface KnownClient {
  readonly clientId: string
  /** Whose credentials it came with. */
  readonly name: string
  readonly isConnected: boolean
  /** undefined while nobody is connected, as are the next ones. */
  readonly protocol: string | undefined
  readonly transport: string | undefined
  readonly peerAddress: string | undefined
  /** Since when it is connected or away, µs since 1970 UTC. */
  readonly since: number
  readonly keepAliveS: number | undefined
  /** How long its session outlives its connection; undefined where it never ends by itself. */
  readonly sessionExpiryS: number | undefined
  readonly subscriptions: readonly { readonly filter: string; readonly qos: number }[]
  readonly queuedMessages: number
  readonly queuedBytes: number
  readonly inflightMessages: number
  readonly droppedMessages: number
  readonly receivedMessages: number
  readonly sentMessages: number
}

export interface MqttWebSockets {
  /** Longest message: packets may be split over messages, and share one. */
  readonly maxMessageBytes: number
  /** Speaks MQTT over a WebSocket whose handshake is over. Who is there is said in CONNECT. */
  serve(webSocket: WebSocket, from: WebSocketOrigin): void
  /** The node stops: each client is told and disconnected. */
  endAll(): void
}

export interface WebSocketOrigin {
  readonly socket: Socket
  /** It came through a proxy, so that the address of the socket says nothing about the client. */
  readonly isForwarded: boolean
}

/** Documents as they are kept: those in force, and those that their kind no longer takes. */
export interface DocumentsPort extends Pick<Documents, "apply" | "delete"> {
  readonly kinds: readonly Pick<DocumentKind, "kind" | "plural" | "summary">[]
  /** What `apply` would do now; throws as it does. */
  plan(documents: readonly unknown[]): Awaited<ReturnType<Documents["apply"]>>
  schema(kind: string): JsonSchema | undefined
  held(kind: string, name: string): KeptDocument | undefined
  /** By kind and name. */
  allHeld(kind?: string): readonly KeptDocument[]
}

export interface KeptDocument {
  readonly kind: string
  readonly name: string
  /** undefined where it cannot be read. */
  readonly document: StoredDocument | undefined
  /** What keeps it from being in force. */
  readonly mistakes: readonly DocumentMistake[]
  readonly bytes: number
}

/** What the owner of a kind says of a document that is in force: members of its `status`, JSON. By kind. */
export type DocumentStatus = Readonly<Record<string, (name: string) => Readonly<Record<string, unknown>> | undefined>>
