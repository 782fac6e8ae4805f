/**
 * Client for a Brume node, for Node.js ≥ 20.19 and browsers, from the same code.
 *
 * It talks to one node over HTTP and WebSocket. Every failure is a FogError with a code from the registry, a message
 * and a hint. Nothing is imported from Node.js at load time.
 */

export type {
  ActionType,
  AlarmChange,
  BanKind,
  CertificateMapping,
  DocumentMistake,
  EffectState,
  FunctionLimits,
  FunctionLogLevel,
  FunctionSpec,
  FunctionState,
  FunctionTrigger,
  JsonSchema,
  Permissions,
  Severity,
} from "@brume/core"
export { type ErrorCode, FogError, isFogError, type Problem, quality, type Retry, type Scope } from "@brume/core"
export type {
  AlarmEventView,
  AlarmHistoryOptions,
  AlarmNote,
  AlarmRoom,
  AlarmSubscription,
  AlarmUpdate,
  AlarmView,
} from "./alarms.ts"
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
export type { EffectListOptions, EffectRoom, EffectView } from "./effects.ts"
export type {
  CommandOutcome,
  FunctionContext,
  FunctionLogger,
  FunctionStateStore,
  FunctionTriggerName,
  MessageEvent,
  ReadingEvent,
  ScheduleEvent,
} from "./function-context.ts"
export type {
  DeployedFunction,
  FunctionDeployment,
  FunctionLine,
  FunctionLogsOptions,
  FunctionRoom,
  FunctionVersionView,
  FunctionView,
  InvokeOptions,
} from "./functions.ts"
export type {
  LiveFilter,
  LiveGap,
  LiveOptions,
  LiveReading,
  LiveStats,
  LiveSubscription,
} from "./live/live.ts"
export type { LiveState, StreamOptions } from "./live/stream.ts"
export type { Json, QueryBytes, QueryColumn, QueryOptions, QueryStream } from "./query.ts"
export { encodeReading, type NewReading, type NewReadings, type ReadingInput, type ReadingValue } from "./readings.ts"
export type { RuleFiring, RuleRoom, RuleTest, RuleTestOptions } from "./rules.ts"
export type { Queries, RunningStatement } from "./running.ts"
export type { SecretRoom, SecretView } from "./secrets.ts"
export type { NodeStatus } from "./status.ts"
export type { CreatedToken, NewToken, TokenRoom, TokenView } from "./tokens.ts"
export type { RetryPolicy, TokenSource } from "./transport.ts"
export type { TwinRoom, TwinStateView, TwinView } from "./twins.ts"
export type { LineProtocolInput, NdjsonInput, WriteOptions, Written } from "./write.ts"
export { openFolderStorage } from "./writer/folder-storage.ts"
export type { WriterStorage } from "./writer/storage.ts"
export type { Writer, WriterAttempt, WriterOptions, WriterStats } from "./writer/writer.ts"
