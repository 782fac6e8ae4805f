/** The MQTT front as the configuration wants it: which listeners, which limits, what topics mean. */
import type { Clock, Logger, Random, SeriesCache, Store } from "@brume/core"
import { parseAddress } from "./config/address.ts"
import type { Config } from "./config/schema.ts"
import { createMapper } from "./devices/mapping/mapping.ts"
import type { MqttAccess } from "./devices/mqtt/access.ts"
import type { MqttLimits } from "./devices/mqtt/limits.ts"
import { type Mqtt, openMqtt } from "./devices/mqtt/mqtt.ts"
import type { MqttStore } from "./devices/mqtt/store.ts"
import type { PayloadLimits } from "./devices/payload/limits.ts"
import type { Registry } from "./metrics/metrics.ts"
import { bridgesOf } from "./mqtt-bridges.ts"

export interface FrontOptions {
  readonly config: Config
  readonly store: MqttStore & Pick<Store, "epoch">
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Registry
  readonly version: string
  readonly access: MqttAccess
  readonly series: SeriesCache
  readonly payloadLimits: PayloadLimits
}

/** Throws `listen_failed`. */
export async function openMqttFront({ config, series, payloadLimits, ...options }: FrontOptions): Promise<Mqtt> {
  const { listen } = config.mqtt
  return openMqtt({
    ...options,
    limits: limitsOf(config),
    nodeId: options.store.epoch,
    bridges: bridgesOf(config),
    mapper: createMapper({ mappings: config.devices.mappings, series, limits: payloadLimits }),
    listen: listen === undefined ? undefined : parseAddress(listen),
  })
}

function limitsOf({ mqtt }: Config): MqttLimits {
  return {
    maxConnections: mqtt.maxConnections,
    maxConnectionsPerAddress: mqtt.maxConnectionsPerAddress,
    connectTimeoutMs: mqtt.connectTimeoutMs,
    maxPacketBytes: mqtt.maxPacketBytes,
    receiveMaximum: mqtt.receiveMaximum,
    maxInflight: mqtt.maxInflight,
    maxSubscriptions: mqtt.maxSubscriptionsPerClient,
    maxTopicAliases,
    maxTopicBytes: mqtt.maxTopicBytes,
    maxTopicLevels: mqtt.maxTopicLevels,
    maxQueuedMessages: mqtt.maxQueuedMessages,
    maxQueuedBytes: mqtt.maxQueuedBytes,
    maxQueuedBytesTotal: mqtt.maxQueuedBytesTotal,
    maxSessions,
    maxSessionExpiryS: Math.floor(mqtt.maxSessionExpiryMs / 1_000),
    maxRetainedMessages: mqtt.maxRetainedMessages,
    maxRetainedBytes: mqtt.maxRetainedBytes,
    maxKeepAliveS: mqtt.maxKeepAliveS,
    maxPublishesPerSecond: mqtt.maxPublishesPerSecond,
  }
}

const maxTopicAliases = 64
const maxSessions = 100_000
