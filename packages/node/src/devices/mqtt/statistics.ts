/** What the front counts, for metrics and the `$SYS` topics. Plain numbers: they are counted for every message. */
import type { Metrics } from "@brume/core"

export class Statistics {
  messagesReceived = 0
  messagesSent = 0
  bytesReceived = 0
  bytesSent = 0
  /** Messages of which readings came. */
  mapped = 0
  /** Messages on topics of readings that gave none. */
  unmappable = 0
  /** Deliveries for which there was no room. */
  dropped = 0
  /** Packets that the standard forbids, and connections that they ended. */
  violations = 0
  /** Connections that were refused at CONNECT. */
  refused = 0
  /** PUBLISH packets that their client may not send. */
  forbidden = 0
  connectionsTotal = 0
}

/** What is counted elsewhere. */
export interface Gauges {
  readonly connections: () => number
  readonly sessions: () => number
  readonly subscriptions: () => number
  readonly retained: () => number
  readonly queuedMessages: () => number
  readonly queuedBytes: () => number
}

export interface TotalMetrics extends Metrics {
  /** A counter that somebody else counts; `read` is called when somebody scrapes. */
  total(name: string, help: string, read: () => number): void
}

export function exposeStatistics(metrics: TotalMetrics, statistics: Statistics, gauges: Gauges): void {
  const total = (name: string, help: string, read: () => number): void =>
    metrics.total(`brume_devices_mqtt_${name}_total`, help, read)
  total("received_messages", "MQTT messages that clients published", () => statistics.messagesReceived)
  total("sent_messages", "MQTT messages sent to clients", () => statistics.messagesSent)
  total("received_bytes", "Bytes from MQTT clients", () => statistics.bytesReceived)
  total("sent_bytes", "Bytes to MQTT clients", () => statistics.bytesSent)
  total("mapped_messages", "MQTT messages that became readings", () => statistics.mapped)
  total("unmappable_messages", "MQTT messages on topics of readings that gave none", () => statistics.unmappable)
  total("dropped_messages", "Messages for which a session had no room", () => statistics.dropped)
  total("violations", "Connections ended because of what they sent", () => statistics.violations)
  total("refused_connections", "Connections refused at CONNECT", () => statistics.refused)
  total("forbidden_messages", "Messages that their client may not publish", () => statistics.forbidden)
  total("connections", "Connections accepted", () => statistics.connectionsTotal)
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`brume_devices_mqtt_${name}`, help, read)
  gauge("open_connections", "Open MQTT connections", gauges.connections)
  gauge("sessions", "MQTT sessions, connected or not", gauges.sessions)
  gauge("subscriptions", "MQTT subscriptions", gauges.subscriptions)
  gauge("retained_messages", "Retained messages", gauges.retained)
  gauge("queued_messages", "Messages that wait for sessions", gauges.queuedMessages)
  gauge("queued_bytes", "Bytes that wait for sessions", gauges.queuedBytes)
}

/** `$SYS` topics and what they say; the names that users of other brokers know. */
export function systemTopics(
  statistics: Statistics,
  gauges: Gauges,
  facts: { readonly version: string; readonly uptimeS: number },
): [topic: string, payload: string][] {
  const number = (value: number): string => String(Math.round(value))
  return [
    ["$SYS/broker/version", `brume ${facts.version}`],
    ["$SYS/broker/uptime", number(facts.uptimeS)],
    ["$SYS/broker/clients/connected", number(gauges.connections())],
    ["$SYS/broker/clients/total", number(gauges.sessions())],
    ["$SYS/broker/subscriptions/count", number(gauges.subscriptions())],
    ["$SYS/broker/retained messages/count", number(gauges.retained())],
    ["$SYS/broker/store/messages/count", number(gauges.queuedMessages())],
    ["$SYS/broker/store/messages/bytes", number(gauges.queuedBytes())],
    ["$SYS/broker/messages/received", number(statistics.messagesReceived)],
    ["$SYS/broker/messages/sent", number(statistics.messagesSent)],
    ["$SYS/broker/publish/messages/dropped", number(statistics.dropped)],
    ["$SYS/broker/bytes/received", number(statistics.bytesReceived)],
    ["$SYS/broker/bytes/sent", number(statistics.bytesSent)],
    ["$SYS/broker/readings/messages", number(statistics.mapped)],
    ["$SYS/broker/readings/unmappable", number(statistics.unmappable)],
  ]
}
