export {
  allows,
  allowsDevice,
  type Principal,
  type Scope,
  scopes,
  type TokenInfo,
  type TokenRequest,
  type Tokens,
} from "./access.ts"
export {
  type AlarmChange,
  type AlarmEvent,
  type AlarmInfo,
  type AlarmNote,
  type Alarms,
  alarmChanges,
} from "./alarms.ts"
export type { Clock, Closeable, Counter, Histogram, Logger, LogLevel, Metrics, Random, Timer } from "./ambient.ts"
export { type AttemptOptions, type Attempts, createAttempts } from "./attempts.ts"
export {
  type Command,
  type CommandError,
  type CommandFilter,
  type CommandRequest,
  type CommandState,
  type Commands,
  commandStates,
  type Json,
  type JsonObject,
  type PreparedCommand,
  type Twin,
  type TwinChange,
  type TwinState,
  type Twins,
} from "./commands.ts"
export {
  type Ban,
  type BanKind,
  type BanRequest,
  type Bans,
  banKinds,
  type CertificateMapping,
  type CredentialChange,
  type CredentialInfo,
  type CredentialRequest,
  type Credentials,
  type CredentialWithPassword,
  defaultPermissions,
  type Permissions,
} from "./credentials.ts"
export type { Disk, DiskFile, DiskLock, OpenOptions } from "./disk.ts"
export {
  type AppliedDocument,
  type Document,
  type DocumentChange,
  type DocumentKind,
  type DocumentMetadata,
  type DocumentMistake,
  type Documents,
  documentApiVersion,
  type JsonSchema,
  type StoredDocument,
} from "./documents.ts"
export {
  type Action,
  type ActionType,
  type AlarmAction,
  actionTypes,
  type CommandAction,
  type Effect,
  type EffectFilter,
  type EffectInfo,
  type EffectOutcome,
  type EffectOutcomes,
  type EffectState,
  type Effects,
  type Executor,
  type Executors,
  effectStates,
  type FunctionAction,
  type Planned,
  type PlannedAction,
  type Planner,
  type PublishAction,
  type Severity,
  severities,
  type WebhookAction,
} from "./effects.ts"
export {
  type ErrorCode,
  type ErrorEntry,
  errorRegistry,
  FogError,
  type FogErrorOptions,
  isFogError,
  type Problem,
  type Retry,
  toProblem,
} from "./errors.ts"
export {
  type EventTrigger,
  type FunctionBatch,
  type FunctionFailure,
  type FunctionInfo,
  type FunctionLimits,
  type FunctionLogLevel,
  type FunctionLogLine,
  type FunctionSpec,
  type FunctionState,
  type FunctionTrigger,
  type FunctionVersionInfo,
  functionLogLevels,
  type HttpTrigger,
  type ReadingTrigger,
  type ScheduleTrigger,
  type SecretInfo,
  type TopicTrigger,
} from "./function-spec.ts"
export {
  type FetchRequest,
  type FetchResponse,
  type FunctionCall,
  type FunctionRuntime,
  type Functions,
  type FunctionTriggerType,
  functionRuntimes,
  functionTriggers,
} from "./functions.ts"
export { joinPlanned } from "./join-planned.ts"
export { nearest } from "./nearest.ts"
export { fillPayload, payloadTemplateProblem } from "./payload-template.ts"
export type {
  CancelSignal,
  Query,
  QueryAnswer,
  QueryFormat,
  QueryParameter,
  QueryRequest,
  QueryRow,
  RunningQuery,
} from "./query.ts"
export { batchOf, maxTimeUs, quality, type Reading, ReadingBatch, valueKind } from "./reading.ts"
export { Secret } from "./secret.ts"
export { canonicalTags, maxNameLength, maxTagsLength, nameProblem, Series, SeriesCache, seriesKey } from "./series.ts"
export {
  type Appended,
  type DamagedRange,
  type DurableListener,
  type KeyedKind,
  type KeyedRecord,
  recordKind,
  type Store,
  type StoreStats,
} from "./store.ts"
export { coversFilter, filterProblem, matchesFilter, renamingProblem } from "./topic.ts"
export {
  type Captures,
  fillTemplate,
  matchPattern,
  parseTopicPattern,
  patternNames,
  type TopicPattern,
  templateProblem,
  topicPatternProblem,
} from "./topic-pattern.ts"
