/** What an MQTT front in a test is given where the test does not care. */
import type { MqttAccess } from "../../packages/node/src/devices/mqtt/access.ts"
import type { MqttLimits } from "../../packages/node/src/devices/mqtt/limits.ts"

/** Everybody may everything. */
export const openAccess: MqttAccess = {
  authenticate: async () => ({
    name: "anyone",
    principal: { tokenId: "", name: "anyone", scopes: ["read", "write"], devices: undefined },
    isUnrestricted: true,
    mayPublish: () => true,
    maySubscribe: () => "allowed",
    onRevoked: () => () => {},
  }),
}

export const frontLimits: MqttLimits = {
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
  maxQueuedBytes: 64 * 1_048_576,
  maxQueuedBytesTotal: 256 * 1_048_576,
  maxSessions: 1_000,
  maxSessionExpiryS: 86_400,
  maxRetainedMessages: 1_000,
  maxRetainedBytes: 1_048_576,
  maxKeepAliveS: 0,
  maxPublishesPerSecond: 0,
}
