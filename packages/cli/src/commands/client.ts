/** MQTT clients on the command line: listed, described and disconnected. */
import type { ClientView } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { type Cell, Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { ageText, countText, plural, sizeText } from "../times.ts"
import { writeFacts } from "./describe.ts"
import { writeJsonList } from "./get.ts"

interface ClientFlags extends ConnectionFlags {
  readonly json?: boolean
}

export interface GetClientsFlags extends ClientFlags {
  readonly connected?: boolean
  readonly away?: boolean
}

/** Clients that decide how wide the columns are. */
const measuredClients = 200

export async function getClients(_none: readonly [], flags: GetClientsFlags, terminal: Terminal): Promise<void> {
  const { connected, away } = flags
  if (connected === true && away === true)
    throw usageError("Nobody is connected and away", "Give one, or none for all.")
  const filter = connected === away ? {} : { connected: connected === true }
  const client = await connect(flags, terminal)
  const clients = client.clients.list({ signal: terminal.signal, ...filter })
  if (flags.json === true) {
    await writeJsonList(clients, terminal)
    return
  }
  const columns = [
    { title: "CLIENT", isFlexible: true },
    { title: "STATE" },
    { title: "SINCE" },
    { title: "NAME", isFlexible: true },
    { title: "PROTOCOL" },
    { title: "FROM" },
    { title: "QUEUED", isNumber: true },
    { title: "DROPPED", isNumber: true },
  ]
  const table = new Table(columns, terminal.out)
  let rows: Cell[][] = []
  for await (const one of clients) {
    rows.push(cellsOf(one))
    if (rows.length >= measuredClients) {
      await table.write(rows)
      rows = []
    }
  }
  await table.write(rows)
}

function cellsOf(client: ClientView): Cell[] {
  return [
    client.id,
    client.connected ? "connected" : "away",
    ageText(Date.now() - Date.parse(client.since)),
    client.name,
    client.protocol ?? "",
    fromText(client),
    client.queuedMessages + client.inflightMessages,
    client.droppedMessages,
  ]
}

function fromText({ transport, address }: ClientView): string {
  return transport === undefined ? "" : `${transport} ${address ?? ""}`.trim()
}

export async function describeClient([id]: readonly [string], flags: ClientFlags, terminal: Terminal): Promise<void> {
  const client = await (await connect(flags, terminal)).clients.get(id, { signal: terminal.signal })
  if (flags.json === true) {
    await terminal.out.write(`${JSON.stringify(client)}\n`)
    return
  }
  await writeFacts(factsOf(client), terminal)
  if (client.subscriptions.length === 0) return
  await terminal.out.write("\n")
  const columns = [
    { title: "SUBSCRIPTION", isFlexible: true },
    { title: "QOS", isNumber: true },
  ]
  await new Table(columns, terminal.out).write(client.subscriptions.map(({ filter, qos }) => [filter, qos]))
}

function factsOf(client: ClientView): [string, string][] {
  const { keepAliveS, sessionExpiryS } = client
  const since = `${client.since} (${ageText(Date.now() - Date.parse(client.since))})`
  const connection: [string, string][] = client.connected
    ? [
        ["Connected since", since],
        ["Protocol", `MQTT ${client.protocol}`],
        ["From", fromText(client)],
        ["Keep-alive", keepAliveS === 0 ? "none" : `${keepAliveS} s`],
        ["Received from it", plural(client.receivedMessages, "message")],
        ["Sent to it", plural(client.sentMessages, "message")],
      ]
    : [["Away since", since]]
  return [
    ["Client", client.id],
    ["Name", client.name],
    ...connection,
    ["Session", sessionText(sessionExpiryS)],
    ["Waiting for it", `${plural(client.queuedMessages, "message")}, ${sizeText(client.queuedBytes)}`],
    ["Not acknowledged", plural(client.inflightMessages, "message")],
    ["Dropped", countText(client.droppedMessages)],
  ]
}

function sessionText(expiryS: number | undefined): string {
  if (expiryS === 0) return "ends with its connection"
  return expiryS === undefined ? "never ends by itself" : `kept for ${countText(expiryS)} s after its connection`
}

export async function disconnectClients(
  [ids]: readonly [readonly string[]],
  flags: ClientFlags & { readonly forget?: boolean },
  terminal: Terminal,
): Promise<void> {
  const client = await connect(flags, terminal)
  const forget = flags.forget === true
  for (const id of ids) {
    await client.clients.disconnect(id, { forget })
    if (flags.json !== true) await terminal.notes.write(`${id} is disconnected${forget ? " and forgotten" : ""}.\n`)
  }
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ disconnected: ids, forgotten: forget })}\n`)
}
