/** The written limits of the MQTT front. */

export interface MqttLimits {
  /** Open connections, also those that are not accepted yet. */
  readonly maxConnections: number
  /** Those of one address; undefined is no limit. */
  readonly maxConnectionsPerAddress: number | undefined
  /** Time from the connection to its CONNECT, TLS included. */
  readonly connectTimeoutMs: number
  readonly maxPacketBytes: number
  /** QoS 1 and 2 messages of one client that may wait for their acknowledgement. */
  readonly receiveMaximum: number
  /** QoS 1 and 2 messages that may be on their way to one client. */
  readonly maxInflight: number
  readonly maxSubscriptions: number
  readonly maxTopicAliases: number
  readonly maxTopicBytes: number
  readonly maxTopicLevels: number
  /** Messages that wait for one session, and their bytes. */
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
  /** Bytes that wait for all sessions. */
  readonly maxQueuedBytesTotal: number
  readonly maxSessions: number
  /** A session that is longer away is forgotten, whatever it asked for. */
  readonly maxSessionExpiryS: number
  readonly maxRetainedMessages: number
  readonly maxRetainedBytes: number
  /** A client that asks for more, or for none, is told this. 0 leaves it as it asks. */
  readonly maxKeepAliveS: number
  /** PUBLISH packets of one client per second; 0 is no limit. */
  readonly maxPublishesPerSecond: number
}

/** Whether a topic or filter is longer than the server takes. */
export function isTooLong(
  name: string,
  { maxTopicBytes, maxTopicLevels }: Pick<MqttLimits, "maxTopicBytes" | "maxTopicLevels">,
): boolean {
  return Buffer.byteLength(name) > maxTopicBytes || name.split("/", maxTopicLevels + 1).length > maxTopicLevels
}

/** Bytes that the system has not taken yet: beyond, a client counts as slow. */
export const slowBytes = 1_048_576
/** A slow client that takes nothing for so long is disconnected. */
export const stallMs = 20_000
/** Publishers wait at most so long for a subscriber that is behind. */
export const congestionPauseMs = 2_000
