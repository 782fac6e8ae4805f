/** MQTT clients of a node. Needs the scope `admin`. */
import { foreignAnswer, isRecord } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** An MQTT client: its connection, and what its session holds. Times are ISO 8601. */
export interface ClientView {
  /** Its client identifier. */
  readonly id: string
  /** Whose credentials it came with. */
  readonly name: string
  readonly connected: boolean
  /** Missing while it is away, as are the next ones. */
  readonly protocol?: "3.1" | "3.1.1" | "5.0"
  readonly transport?: "tcp" | "tls" | "websocket"
  readonly address?: string
  /** Since when it is connected, or away. */
  readonly since: string
  readonly keepAliveS?: number
  /** How long its session outlives its connection; missing where it never ends by itself. */
  readonly sessionExpiryS?: number
  readonly subscriptions: readonly { readonly filter: string; readonly qos: 0 | 1 | 2 }[]
  readonly queuedMessages: number
  readonly queuedBytes: number
  readonly inflightMessages: number
  /** Messages for which its session had no room. */
  readonly droppedMessages: number
  readonly receivedMessages: number
  readonly sentMessages: number
}

export interface ClientListOptions {
  /** Only those that are connected, or only those that are away. @default both */
  readonly connected?: boolean
  /** Clients asked for at once. @default the node's page size */
  readonly pageSize?: number
  readonly signal?: AbortSignal
}

export interface ClientRoom {
  /** By identifier; asks for further pages as you go on. */
  list(options?: ClientListOptions): AsyncGenerator<ClientView, void, undefined>
  /** Throws `client_not_found`. */
  get(id: string, options?: { readonly signal?: AbortSignal }): Promise<ClientView>
  /**
   * Ends its connection; it may connect again at once. With `forget` its session ends too: its subscriptions and what
   * waits for it are gone. Throws `client_not_found`.
   */
  disconnect(id: string, options?: { readonly forget?: boolean }): Promise<void>
}

export function createClients(transport: Transport): ClientRoom {
  const pathOf = (id: string): string => `v1/clients/${encodeURIComponent(id)}`
  return {
    async *list({ connected, pageSize, signal } = {}) {
      let cursor: string | undefined
      do {
        const search = new URLSearchParams()
        if (connected !== undefined) search.set("connected", String(connected))
        if (pageSize !== undefined) search.set("limit", String(pageSize))
        if (cursor !== undefined) search.set("cursor", cursor)
        const page = expectObject(
          await transport.json({ method: "GET", path: "v1/clients", search, isIdempotent: true, signal }),
          transport.base,
        )
        if (!Array.isArray(page.clients)) throw foreignAnswer(transport.base.href, "its answer has no clients")
        yield* page.clients.filter(isRecord) as unknown as ClientView[]
        cursor = typeof page.cursor === "string" ? page.cursor : undefined
      } while (cursor !== undefined)
    },
    async get(id, { signal } = {}) {
      const answer = await transport.json({ method: "GET", path: pathOf(id), isIdempotent: true, signal })
      return expectObject(answer, transport.base) as unknown as ClientView
    },
    async disconnect(id, { forget = false } = {}) {
      await transport.json({
        method: "POST",
        path: `${pathOf(id)}/disconnect`,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ forget }),
        // It may be there again when a second attempt comes.
        isIdempotent: false,
      })
    },
  }
}
