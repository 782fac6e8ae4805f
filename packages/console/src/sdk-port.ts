/** The node as this page needs it, over the SDK. */
import { type BrumeClient, type ClientView, createClient, type LiveReading, type LiveState } from "@brume/sdk"
import { createAutomation } from "./automation-port.ts"
import type { Client, LinkState, NodePort, NodeStatus, Result, Row, SeriesPoint } from "./node-port.ts"

export function createNodePort(token: string): NodePort {
  // The page lies at the root of the node's API, wherever a proxy puts both.
  const client = createClient({ url: new URL("./", location.href), token })
  return {
    token,
    ...createAutomation(client),
    status: (signal) => status(client, signal),
    async *devices(signal) {
      for await (const { latest } of client.devices.list({ pageSize: 100, signal })) yield latest.map(pointOf)
    },
    rows: ({ sql, ...limits }, signal) => client.query(sql, { ...limits, signal }),
    ask: (sql, maxRows, signal) => ask(client, { sql, maxRows, signal }),
    async csv(sql, signal) {
      const { chunks, contentType } = await client.queryBytes(sql, { format: "csv", signal })
      const pieces: BlobPart[] = []
      for await (const chunk of chunks) pieces.push(chunk as Uint8Array<ArrayBuffer>)
      return new Blob(pieces, { type: contentType })
    },
    clients: (most, signal) => clients(client, most, signal),
    disconnect: (id, isForgotten) => client.clients.disconnect(id, { forget: isForgotten }),
    live(devices, events) {
      const filter = devices.length === 0 ? {} : { devices }
      const subscription = client.live(filter, {
        onReadings: (readings) => events.points(readings.map(pointOf)),
        onState: (state) => events.link(linkOf(state)),
        onGap: () => events.gap(),
      })
      return () => void subscription.close()
    },
  }
}

async function status(client: BrumeClient, signal: AbortSignal): Promise<NodeStatus> {
  const { node, version, epoch, store, token } = await client.status({ signal })
  return {
    node,
    version,
    epoch,
    nextSeq: store.nextSeq,
    state: store.state,
    damagedRanges: store.damaged.length,
    diskBytes: store.logBytes + store.segmentBytes,
    isLimited: token.devices !== undefined,
    isAdmin: token.scopes.includes("admin") && token.devices === undefined,
  }
}

/** Leaving the loop early stops the statement on the node. */
async function ask(
  client: BrumeClient,
  { sql, maxRows, signal }: { readonly sql: string; readonly maxRows: number; readonly signal: AbortSignal },
): Promise<Result> {
  const stream = await client.queryStream<Row>(sql, { signal })
  const rows: Row[] = []
  for await (const portion of stream.portions()) {
    rows.push(...portion)
    if (rows.length > maxRows) return { columns: stream.columns, rows: rows.slice(0, maxRows), isCut: true }
  }
  return { columns: stream.columns, rows, isCut: false }
}

async function clients(client: BrumeClient, most: number, signal: AbortSignal) {
  const found: Client[] = []
  for await (const one of client.clients.list({ pageSize: most, signal })) {
    if (found.length === most) return { clients: found, isCut: true }
    found.push(clientOf(one))
  }
  return { clients: found, isCut: false }
}

function clientOf({ connected, since, sessionExpiryS, protocol, transport, address, ...rest }: ClientView): Client {
  const hasLastingSession = sessionExpiryS !== 0
  return { protocol, transport, address, ...rest, isConnected: connected, since: Date.parse(since), hasLastingSession }
}

function pointOf(reading: LiveReading): SeriesPoint {
  const { device, property, tags, value } = reading
  const text = reading.text ?? (value === null ? reading.json : null)
  return { id: { device, property, tags }, point: { time: Date.parse(reading.time), value, text } }
}

function linkOf(state: LiveState): LinkState {
  switch (state.state) {
    case "connecting":
      return { state: "connecting" }
    case "open":
      return { state: "live" }
    case "closed":
      return state.retryInMs === undefined
        ? { state: "ended", reason: state.reason }
        : { state: "waiting", retryAt: Date.now() + state.retryInMs, reason: state.reason }
  }
}
