/** The real MQTT front over a store in memory, where everyone may do everything: for rooms that stand before it. */
import { type Clock, type Logger, type Random, SeriesCache, type Store } from "@brume/core"
import { createMapper } from "../../packages/node/src/devices/mapping/mapping.ts"
import type { MqttLimits } from "../../packages/node/src/devices/mqtt/limits.ts"
import { type Mqtt, type MqttOptions, openMqtt } from "../../packages/node/src/devices/mqtt/mqtt.ts"
import { defaultPayloadLimits } from "../../packages/node/src/devices/payload/limits.ts"

export interface RigFrontOptions extends Partial<Pick<MqttOptions, "listen" | "bridges" | "nodeId">> {
  readonly store: Store
  /** Real timers: connections are real. */
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MqttOptions["metrics"]
  readonly local?: MqttOptions["local"]
}

const limits: MqttLimits = {
  maxConnections: 1_000,
  maxConnectionsPerAddress: undefined,
  connectTimeoutMs: 10_000,
  maxPacketBytes: 1_048_576,
  receiveMaximum: 1_000,
  maxInflight: 1_000,
  maxSubscriptions: 1_000,
  maxTopicAliases: 64,
  maxTopicBytes: 1_024,
  maxTopicLevels: 128,
  maxQueuedMessages: 100_000,
  maxQueuedBytes: 16 * 1_048_576,
  maxQueuedBytesTotal: 256 * 1_048_576,
  maxSessions: 100_000,
  maxSessionExpiryS: 30 * 86_400,
  maxRetainedMessages: 100_000,
  maxRetainedBytes: 64 * 1_048_576,
  maxKeepAliveS: 65_535,
  maxPublishesPerSecond: 0,
}

const everybody = {
  name: "everybody",
  principal: { tokenId: "", name: "everybody", scopes: ["read", "write"], devices: undefined },
  isUnrestricted: true,
  mayPublish: () => true,
  maySubscribe: (): "allowed" => "allowed",
  onRevoked() {},
  left() {},
} as const

/** Listens over TCP where `listen` says so, else nowhere. */
export function openRigFront(options: RigFrontOptions): Promise<Mqtt> {
  return openMqtt({
    nodeId: options.store.epoch,
    ...options,
    version: "0.0.0-rig",
    limits,
    access: { authenticate: async () => everybody },
    mapper: createMapper({ mappings: [], series: new SeriesCache(), limits: defaultPayloadLimits }),
  })
}
