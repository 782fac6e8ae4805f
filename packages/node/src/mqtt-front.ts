/** The MQTT front as the configuration wants it: which listeners, which limits, what topics mean. */
import { readFile } from "node:fs/promises"
import type { Clock, Disk, Logger, Random, SeriesCache, Store } from "@brume/core"
import { parseAddress } from "./config/address.ts"
import type { Config } from "./config/schema.ts"
import { createMapper } from "./devices/mapping/mapping.ts"
import type { MqttAccess } from "./devices/mqtt/access.ts"
import type { MqttLimits } from "./devices/mqtt/limits.ts"
import { type Mqtt, openMqtt } from "./devices/mqtt/mqtt.ts"
import type { LocalSubscriber } from "./devices/mqtt/own-messages.ts"
import type { MqttStore } from "./devices/mqtt/store.ts"
import type { PayloadLimits } from "./devices/payload/limits.ts"
import type { Registry } from "./metrics/metrics.ts"
import { bridgesOf } from "./mqtt-bridges.ts"
import { clientCertificateOf } from "./tls/client-certificate.ts"
import { type OpenedTls, openTls } from "./tls/tls.ts"

export interface FrontOptions {
  readonly config: Config
  readonly store: MqttStore & Pick<Store, "epoch">
  readonly disk: Pick<Disk, "read" | "replace" | "makeFolder" | "absolute">
  readonly clock: Clock
  readonly random: Random
  /** A logger that names its room. */
  readonly logger: (room: string) => Logger
  readonly metrics: Registry
  readonly version: string
  readonly access: MqttAccess
  readonly series: SeriesCache
  readonly payloadLimits: PayloadLimits
  /** Sees messages on the topics that it wants. */
  readonly local: LocalSubscriber
}

/** Throws `listen_failed` and `tls_invalid`. */
export async function openMqttFront(options: FrontOptions): Promise<Mqtt> {
  const { config, series, payloadLimits, logger } = options
  const { listen, tls: tlsSettings } = config.mqtt
  const tls = tlsSettings.listen === undefined ? undefined : await openOwnTls(options)
  try {
    const mqtt = await openMqtt({
      ...options,
      logger: logger("mqtt"),
      limits: limitsOf(config),
      nodeId: options.store.epoch,
      bridges: bridgesOf(config),
      mapper: createMapper({ mappings: config.devices.mappings, series, limits: payloadLimits }),
      listen: listen === undefined ? undefined : parseAddress(listen),
      tls:
        tls === undefined || tlsSettings.listen === undefined
          ? undefined
          : {
              listen: parseAddress(tlsSettings.listen),
              options: tls.listenerOptions,
              onChanged: tls.onChanged,
              certificateOf: clientCertificateOf,
            },
    })
    const close = async (): Promise<void> => {
      await mqtt.close()
      await tls?.close()
    }
    return { ...mqtt, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await tls?.close()
    throw error
  }
}

function openOwnTls({ config, logger, ...options }: FrontOptions): Promise<OpenedTls> {
  const { name } = config.node
  return openTls({ ...options, logger: logger("tls"), files: config.mqtt.tls, readFile, name, hosts: [name] })
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
