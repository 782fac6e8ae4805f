/**
 * The MQTT front: MQTT 3.1.1 and 5.0 over TCP, TLS and WebSocket, with the node's log under it.
 *
 * - M1 What is acknowledged is on disk: readings, what sessions are owed, what is retained (I1 in intake.ts).
 * - M2 A peer costs nothing before its CONNECT is accepted (C1 in connection.ts), and bounded memory afterwards:
 *   limits.ts.
 * - M3 A client that breaks the rules, sends too fast or takes too little harms itself alone.
 *
 * The parts, in the order in which a message meets them: listeners.ts and connection/ (bytes, packets), wire/ (packets of
 * both versions), intake.ts (turns and commits), routes.ts and topics/ (who gets it), fanout.ts, session/ (what is
 * promised and kept), retained.ts and wills.ts. docs/decisions/mqtt-front.md argues for it.
 *
 * It is not a queue for programs: those read the store. It does not know what topics mean: mapping/ does.
 */
import type { Clock, Closeable, Logger, Random, Timer } from "@brume/core"
import type { WebSocket } from "ws"
import type { Mapper } from "../mapping/mapping.ts"
import type { MqttAccess } from "./access.ts"
import type { Bridges } from "./bridge/bridges.ts"
import type { BridgeOptions } from "./bridge/options.ts"
import { Broker } from "./broker.ts"
import { type ClientFacts, type ClientsPage, type ClientsRequest, clientsPage, factsOf } from "./client-facts.ts"
import type { Connection } from "./connection/connection.ts"
import { sweepsPerSecond } from "./connection/publishing.ts"
import type { WebSocketOrigin } from "./connection/web-socket-link.ts"
import type { MqttLimits } from "./limits.ts"
import {
  type ListenAddress,
  type Listener,
  openTcpListener,
  openTlsListener,
  serveWebSocket,
  type TlsListening,
} from "./listeners.ts"
import type { LocalSubscriber, OwnPublisher } from "./own-messages.ts"
import { isOwnClientId } from "./session/session.ts"
import { exposeStatistics, type Gauges, systemTopics, type TotalMetrics } from "./statistics.ts"
import type { MqttStore } from "./store.ts"
import { reason } from "./wire/reason.ts"

export interface MqttOptions {
  readonly store: MqttStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: TotalMetrics
  readonly version: string
  readonly limits: MqttLimits
  readonly access: MqttAccess
  readonly mapper: Mapper
  /** Sees messages on the topics that it wants. */
  readonly local?: LocalSubscriber | undefined
  /** Where it listens over TCP; nowhere when left out. */
  readonly listen?: ListenAddress | undefined
  /** The same over TLS. */
  readonly tls?: TlsListening | undefined
  /** Foreign brokers with which it exchanges messages. @default none */
  readonly bridges?: readonly BridgeOptions[]
  /** 16 hex digits that no other node has: the log's epoch. */
  readonly nodeId: string
  /** Calls when everything that has arrived by now was read. @default the event loop's */
  readonly soon?: (call: () => void) => void
}

export interface Mqtt extends Closeable {
  /** Where it listens: `mqtt://127.0.0.1:1883`. */
  readonly urls: readonly string[]
  /** Those that are connected and those whose sessions wait for them. */
  clients(request: ClientsRequest): ClientsPage
  client(clientId: string): ClientFacts | undefined
  /** Ends its connection, and its session too where `isForgotten`. Returns whether there was something to end. */
  disconnect(clientId: string, options: { readonly isForgotten: boolean }): boolean
  readonly webSockets: WebSockets
  /** For messages of other parts of the node. */
  readonly own: OwnPublisher
  /** Takes no more connections. */
  stopIntake(): void
}

/** Clients whose connections another room took in. */
export interface WebSockets {
  /** Longest message: room for a packet that shares it with others. */
  readonly maxMessageBytes: number
  /** Speaks MQTT over a WebSocket whose handshake is over. */
  serve(webSocket: WebSocket, from: WebSocketOrigin): void
  /** The node stops: each client is told and disconnected; sessions stay. */
  endAll(): void
}

/** Clients join packets to messages of about this size at most. */
const joinedBytes = 1_048_576
const systemIntervalMs = 10_000

/** Listens when it resolves. Throws `listen_failed`. */
export async function openMqtt(options: MqttOptions): Promise<Mqtt> {
  const { clock, metrics, listen, tls, soon = (call) => void setImmediate(call) } = options
  const broker = new Broker({ ...options, soon })
  // What bridges wait for begins before anybody connects.
  const bridges = await bridgesOf(broker, options)
  // Wills of clients that were lost with the node come before anybody connects.
  broker.sweep()
  const gauges = gaugesOf(broker)
  exposeStatistics(metrics, broker.statistics, gauges)
  const listeners: Listener[] = []
  const urls: string[] = []
  const keep = (scheme: string, listener: Listener): void => {
    listeners.push(listener)
    const { host, port } = listener.address
    urls.push(`${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`)
  }
  const stopIntake = (): void => {
    for (const listener of listeners.splice(0)) listener.stop()
  }
  try {
    if (listen !== undefined) keep("mqtt", await openTcpListener(broker, listen))
    if (tls !== undefined) keep("mqtts", await openTlsListener(broker, tls))
  } catch (error) {
    stopIntake()
    bridges?.close()
    throw error
  }
  const begunMs = clock.monotonic()
  const sweeping = every(clock, 1_000 / sweepsPerSecond, () => broker.sweep())
  const telling = every(clock, systemIntervalMs, () => {
    const uptimeS = (clock.monotonic() - begunMs) / 1_000
    for (const [topic, text] of systemTopics(broker.statistics, gauges, { version: options.version, uptimeS }))
      broker.tell(topic, text)
  })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= (async () => {
      stopIntake()
      sweeping.cancel()
      telling.cancel()
      bridges?.close()
      broker.close()
      // Sessions stay, and wills are kept for the next start.
      leaveAll(broker, () => true)
      broker.close()
    })()
    return closing
  }
  return {
    urls,
    clients: (request) => clientsPage(broker, request),
    client: (clientId) => {
      const session = broker.sessions.get(clientId)
      return session === undefined ? undefined : factsOf(broker, session)
    },
    disconnect: (clientId, { isForgotten }) => broker.endClient(clientId, isForgotten),
    webSockets: {
      maxMessageBytes: options.limits.maxPacketBytes + joinedBytes,
      serve: (webSocket, from) => serveWebSocket(broker, webSocket, from),
      endAll: () => leaveAll(broker, ({ link }) => link.transport === "websocket"),
    },
    own: {
      plan: (message) => broker.planOwn(message),
      publish: (message, records = []) => broker.sendOwn(message, records),
    },
    stopIntake,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Their code is loaded only where there is something to do for it. */
async function bridgesOf(broker: Broker, { bridges = [], metrics }: MqttOptions): Promise<Bridges | undefined> {
  const hasFormer = (): boolean => [...broker.sessions].some(({ clientId }) => isOwnClientId(clientId))
  if (bridges.length === 0 && !hasFormer()) return undefined
  const { openBridges } = await import("./bridge/bridges.ts")
  return openBridges(broker, { bridges, metrics })
}

function leaveAll({ connections }: Broker, isMeant: (connection: Connection) => boolean): void {
  for (const connection of connections) if (isMeant(connection)) connection.leaveOpen(reason.serverShuttingDown)
}

function gaugesOf(broker: Broker): Gauges {
  return {
    connections: () => broker.connections.size,
    sessions: () => broker.sessions.count,
    subscriptions: () => broker.sessions.subscriptions,
    retained: () => broker.retained.count,
    queuedMessages: () => broker.sessions.queued.messages,
    queuedBytes: () => broker.sessions.queued.bytes,
  }
}

function every(clock: Clock, periodMs: number, call: () => void): Timer {
  let timer: Timer
  let isCancelled = false
  const turn = (): void => {
    call()
    if (!isCancelled) timer = clock.after(periodMs, turn)
  }
  timer = clock.after(periodMs, turn)
  return {
    cancel() {
      isCancelled = true
      timer.cancel()
    },
  }
}
