/** What the node tells of its clients. */
import type { Broker } from "./broker.ts"
import type { Session } from "./session/session.ts"

export interface ClientFacts {
  readonly clientId: string
  /** Whose credentials it came with. */
  readonly name: string
  readonly isConnected: boolean
  /** `3.1`, `3.1.1` or `5.0`; undefined while nobody is connected, as are the next ones. */
  readonly protocol: string | undefined
  readonly transport: string | undefined
  readonly peerAddress: string | undefined
  /** Since when it is connected or away, µs since 1970 UTC. */
  readonly since: number
  readonly keepAliveS: number | undefined
  /** How long its session outlives its connection, seconds; undefined where it never ends by itself. */
  readonly sessionExpiryS: number | undefined
  readonly subscriptions: readonly { readonly filter: string; readonly qos: number }[]
  readonly queuedMessages: number
  readonly queuedBytes: number
  readonly inflightMessages: number
  /** Messages for which its session had no room. */
  readonly droppedMessages: number
  readonly receivedMessages: number
  readonly sentMessages: number
}

export interface ClientsRequest {
  readonly limit: number
  /** Only clients whose identifiers sort behind this one. */
  readonly after?: string | undefined
  /** Only those that are connected, or that are not. */
  readonly isConnected?: boolean | undefined
}

export interface ClientsPage {
  /** By identifier. */
  readonly clients: readonly ClientFacts[]
  /** The identifier to go on after, where there are more. */
  readonly next: string | undefined
}

const protocols = { 3: "3.1", 4: "3.1.1", 5: "5.0" } as const

export function factsOf(broker: Broker, session: Session): ClientFacts {
  const connection = broker.clients.get(session.clientId)
  const client = connection?.client
  return {
    clientId: session.clientId,
    name: session.facts.owner,
    isConnected: client !== undefined,
    protocol: client === undefined ? undefined : protocols[client.level],
    transport: connection?.link.transport,
    peerAddress: connection?.link.peerAddress,
    since: client?.since ?? session.detachedAt ?? session.facts.created,
    keepAliveS: client === undefined ? undefined : client.keepAliveMs / 1_000,
    sessionExpiryS: Number.isFinite(session.expiryS) ? session.expiryS : undefined,
    subscriptions: Array.from(session.subscriptions, ([filter, { qos }]) => ({ filter, qos })),
    queuedMessages: session.queuedMessages,
    queuedBytes: session.queuedBytes,
    inflightMessages: session.inflightMessages,
    droppedMessages: session.dropped,
    receivedMessages: connection?.messagesReceived ?? 0,
    sentMessages: connection?.messagesSent ?? 0,
  }
}

/** A session costs a comparison, whatever the page. */
export function clientsPage(broker: Broker, { limit, after, isConnected }: ClientsRequest): ClientsPage {
  let smallest: string[] = []
  const cut = (): void => {
    smallest = smallest.sort(byCodeUnit).slice(0, limit + 1)
  }
  for (const { clientId } of broker.sessions) {
    if (after !== undefined && clientId <= after) continue
    if (isConnected !== undefined && broker.clients.has(clientId) !== isConnected) continue
    smallest.push(clientId)
    if (smallest.length > 4 * limit + 1_000) cut()
  }
  cut()
  const ids = smallest.slice(0, limit)
  return {
    clients: ids.map((id) => factsOf(broker, broker.sessions.get(id)!)),
    next: smallest.length > limit ? ids.at(-1) : undefined,
  }
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : 1)
