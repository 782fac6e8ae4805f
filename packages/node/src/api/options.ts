/** What the API room needs from outside, and its written limits. */
import type {
  Alarms,
  Bans,
  Clock,
  Commands,
  Credentials,
  EffectOutcomes,
  Logger,
  Metrics,
  Query,
  Random,
  Store,
  Tokens,
  Twins,
} from "@brume/core"
import type { FunctionsPort } from "./function-ports.ts"
import type {
  DevicesPort,
  DocumentStatus,
  DocumentsPort,
  IngestPort,
  LivePort,
  MqttPort,
  RuleTrialsPort,
} from "./ports.ts"

export interface ApiOptions {
  /** `host` without brackets; port 0 lets the system choose. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Names of this node besides localhost and addresses. @default none */
  readonly allowedHosts?: readonly string[]
  /** Sites whose pages may call this node, e.g. `https://example.org`. @default none */
  readonly allowedOrigins?: readonly string[]
  /** Absolute path of the built console. @default none */
  readonly consoleFolder?: string
  readonly version: string
  readonly tokens: Tokens
  readonly credentials: Credentials
  readonly bans: Bans
  readonly query: Pick<Query, "answer" | "running" | "cancel">
  readonly store: Pick<Store, "node" | "epoch" | "stats">
  readonly ingest: IngestPort
  readonly devices: DevicesPort
  readonly live: LivePort
  readonly mqtt: MqttPort
  readonly documents: DocumentsPort
  /** @default none: documents show what is kept with them */
  readonly documentStatus?: DocumentStatus
  /** @default none: rules cannot be tested */
  readonly ruleTrials?: RuleTrialsPort
  readonly commands: Pick<Commands, "start" | "get" | "ended" | "list">
  readonly twins: Pick<Twins, "get" | "set">
  readonly functions: FunctionsPort
  readonly effects: EffectOutcomes
  readonly alarms: Alarms
  readonly metrics: Metrics
  /** All metrics of the node in Prometheus's text format. */
  readonly expose: () => Promise<string>
  readonly clock: Clock
  readonly logger: Logger
  readonly random: Random
  readonly limits?: Partial<ApiLimits>
}

export interface ApiLimits {
  /** Largest body of readings, as it arrives and after decompression. */
  readonly maxBodyBytes: number
  /** Bytes of all bodies in memory at once; at least one largest body. (A3) */
  readonly maxBodiesBytes: number
  readonly maxConnections: number
  /** Live streams among them. */
  readonly maxLiveConnections: number
  /** MQTT over WebSocket among them: half of all at most, so that requests find room. */
  readonly maxMqttConnections: number
  /** Time for the headers of a request to arrive. */
  readonly headersTimeoutMs: number
  /** Time for a whole request to arrive, with its body. */
  readonly requestTimeoutMs: number
  /** An idle connection is closed after this. */
  readonly keepAliveMs: number
  /** An answer of which the client reads nothing for this long is broken off. (A7) */
  readonly stallMs: number
  /** Time that running requests have to finish when the node stops. (A8) */
  readonly drainMs: number
  /** Wrong tokens of one address per minute that are answered as such; then `too_many_attempts`. */
  readonly maxFailedAttempts: number
}

const mebibyte = 1_048_576

export const defaultApiLimits: ApiLimits = {
  maxBodyBytes: 16 * mebibyte,
  maxBodiesBytes: 96 * mebibyte,
  maxConnections: 1_000,
  maxLiveConnections: 200,
  maxMqttConnections: 500,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveMs: 65_000,
  stallMs: 30_000,
  drainMs: 700,
  maxFailedAttempts: 30,
}

export function resolveLimits(given: Partial<ApiLimits> = {}): ApiLimits {
  const limits = { ...defaultApiLimits, ...given }
  return {
    ...limits,
    maxMqttConnections: Math.min(limits.maxMqttConnections, Math.ceil(limits.maxConnections / 2)),
    // Compressed and decompressed body are in memory together for a moment.
    maxBodiesBytes: Math.max(limits.maxBodiesBytes, 2 * limits.maxBodyBytes),
    headersTimeoutMs: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
  }
}
