/** What a bridge counts. Plain numbers: they are counted for every message. */
import type { TotalMetrics } from "../statistics.ts"

export class BridgeStatistics {
  /** Messages sent to the remote broker, repetitions included. */
  sent = 0
  /** Messages that the remote broker sent, repetitions included. */
  received = 0
  /** Messages that a bridge did not carry because they had been here, or bridged by too many nodes. */
  looped = 0
  /** Messages that no topic map fits. */
  unmapped = 0
  /** Messages that the remote broker refused for good. */
  refused = 0
  /** QoS 0 messages for which a slow link had no room. */
  leftOut = 0
  /** Connections that were opened and subscribed. */
  connections = 0
  /** Attempts and connections that ended. */
  failures = 0
}

export interface BridgeGauges {
  readonly connected: () => number
  readonly queuedMessages: () => number
  readonly queuedBytes: () => number
  /** Messages for which the sessions of bridges had no room. */
  readonly dropped: () => number
}

/** All bridges of a node together; each by itself is in its `$SYS` topic. */
export function exposeBridges(metrics: TotalMetrics, statistics: BridgeStatistics, gauges: BridgeGauges): void {
  const total = (name: string, help: string, read: () => number): void =>
    metrics.total(`brume_devices_mqtt_bridge_${name}_total`, help, read)
  total("sent_messages", "Messages that bridges sent to remote brokers", () => statistics.sent)
  total("received_messages", "Messages that remote brokers sent to bridges", () => statistics.received)
  total("looped_messages", "Messages that bridges kept back because they had been here", () => statistics.looped)
  total("unmapped_messages", "Messages at bridges that no topic map fits", () => statistics.unmapped)
  total("refused_messages", "Messages that remote brokers refused for good", () => statistics.refused)
  total("left_out_messages", "QoS 0 messages that a slow link to a remote broker left out", () => statistics.leftOut)
  total("dropped_messages", "Messages for which a bridge's queue had no room", gauges.dropped)
  total("connections", "Connections to remote brokers", () => statistics.connections)
  total("failures", "Failed attempts and lost connections to remote brokers", () => statistics.failures)
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`brume_devices_mqtt_bridge_${name}`, help, read)
  gauge("connected", "Bridges that are connected", gauges.connected)
  gauge("queued_messages", "Messages that wait for remote brokers", gauges.queuedMessages)
  gauge("queued_bytes", "Bytes that wait for remote brokers", gauges.queuedBytes)
}
