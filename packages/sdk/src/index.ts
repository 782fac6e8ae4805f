/**
 * Client for a Brume node, for Node.js ≥ 20.19 and browsers, from the same code.
 *
 * It talks to one node over HTTP and WebSocket. Every failure is a FogError with a code from the registry, a message
 * and a hint. Nothing is imported from Node.js at load time.
 */

export type { BanKind, CertificateMapping, DocumentMistake, JsonSchema, Permissions } from "@brume/core"
export { type ErrorCode, FogError, isFogError, type Problem, quality, type Retry, type Scope } from "@brume/core"
export type { BackoffPolicy } from "./backoff.ts"
export type { BanRoom, BanView, NewBan } from "./bans.ts"
export { type BrumeClient, type ClientOptions, createClient } from "./client.ts"
export type { ClientListOptions, ClientRoom, ClientView } from "./clients.ts"
export type {
  CommandListOptions,
  CommandOptions,
  CommandRoom,
  CommandState,
  CommandView,
  NewCommand,
} from "./commands.ts"
export type {
  CreatedCredential,
  CredentialChange,
  CredentialRoom,
  CredentialView,
  NewCredential,
} from "./credentials.ts"
export type { Device, DeviceListOptions, Devices } from "./devices.ts"
export type {
  AppliedDocumentView,
  ApplyDocumentOptions,
  DocumentListOptions,
  DocumentRoom,
  DocumentView,
} from "./documents.ts"
export type {
  LiveFilter,
  LiveGap,
  LiveOptions,
  LiveReading,
  LiveState,
  LiveStats,
  LiveSubscription,
} from "./live/live.ts"
export type { Json, QueryBytes, QueryColumn, QueryOptions, QueryStream } from "./query.ts"
export { encodeReading, type NewReading, type NewReadings, type ReadingInput, type ReadingValue } from "./readings.ts"
export type { Queries, RunningStatement } from "./running.ts"
export type { NodeStatus } from "./status.ts"
export type { CreatedToken, NewToken, TokenRoom, TokenView } from "./tokens.ts"
export type { RetryPolicy, TokenSource } from "./transport.ts"
export type { TwinRoom, TwinStateView, TwinView } from "./twins.ts"
export type { LineProtocolInput, NdjsonInput, WriteOptions, Written } from "./write.ts"
export { openFolderStorage } from "./writer/folder-storage.ts"
export type { WriterStorage } from "./writer/storage.ts"
export type { Writer, WriterAttempt, WriterOptions, WriterStats } from "./writer/writer.ts"
