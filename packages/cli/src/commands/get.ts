/** `brume get`: lists of what a node has. */
import type { BanView, CredentialView, Device, LiveReading, RunningStatement, TokenView } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { type Cell, type Column, Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { ageText } from "../times.ts"

export interface GetFlags extends ConnectionFlags {
  readonly json?: boolean
}

export interface GetDevicesFlags extends GetFlags {
  readonly device?: readonly string[]
}

/** Devices that decide how wide the columns are. */
const measuredDevices = 200

export async function getDevices(_none: readonly [], flags: GetDevicesFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const { signal } = terminal
  const devices = client.devices.list({ signal, ...(flags.device === undefined ? {} : { devices: flags.device }) })
  if (flags.json === true) {
    await writeJsonList(devices, terminal)
    return
  }
  const table = new Table([{ title: "DEVICE" }, { title: "SEEN" }, { title: "LATEST", isFlexible: true }], terminal.out)
  let rows: Cell[][] = []
  for await (const device of devices) {
    rows.push([device.device, ageText(Date.now() - Date.parse(device.received)), latestText(device)])
    if (rows.length >= measuredDevices) {
      await table.write(rows)
      rows = []
    }
  }
  await table.write(rows)
}

export async function getTokens(_none: readonly [], flags: GetFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const tokens = await client.tokens.list()
  await writeList(tokens, { columns: tokenColumns, cells: tokenCells, isJson: flags.json === true }, terminal)
}

/** Credentials that decide how wide the columns are. */
const measuredCredentials = 1_000

export async function getCredentials(_none: readonly [], flags: GetFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const credentials = client.credentials.list({ signal: terminal.signal })
  if (flags.json === true) {
    await writeJsonList(credentials, terminal)
    return
  }
  const table = new Table(credentialColumns, terminal.out)
  let rows: Cell[][] = []
  for await (const credential of credentials) {
    rows.push(credentialCells(credential))
    if (rows.length >= measuredCredentials) {
      await table.write(rows)
      rows = []
    }
  }
  await table.write(rows)
}

export async function getBans(_none: readonly [], flags: GetFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const bans = await client.bans.list()
  await writeList(bans, { columns: banColumns, cells: banCells, isJson: flags.json === true }, terminal)
}

export async function getQueries(_none: readonly [], flags: GetFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const running = await client.queries.list()
  await writeList(running, { columns: queryColumns, cells: queryCells, isJson: flags.json === true }, terminal)
}

const tokenColumns: readonly Column[] = [
  { title: "ID" },
  { title: "NAME" },
  { title: "SCOPES" },
  { title: "DEVICES", isFlexible: true },
  { title: "CREATED" },
  { title: "EXPIRES" },
]

function tokenCells({ id, name, scopes, devices, created, expires }: TokenView): Cell[] {
  return [id, name, scopes.join(","), devices?.join(",") ?? "all", shortTime(created), shortTime(expires) ?? "never"]
}

const credentialColumns: readonly Column[] = [
  { title: "USERNAME" },
  { title: "STATE" },
  { title: "SIGNS IN BY" },
  { title: "PUBLISH", isFlexible: true },
  { title: "SUBSCRIBE", isFlexible: true },
  { title: "CREATED" },
]

function credentialCells({ username, permissions, disabled, certificate, created }: CredentialView): Cell[] {
  const means = certificate === undefined ? "password" : `certificate ${certificate.name}`
  const shown = (filters: readonly string[]): string => (filters.length === 0 ? "nothing" : filters.join(","))
  const { publish, subscribe } = permissions
  return [username, disabled ? "disabled" : "enabled", means, shown(publish), shown(subscribe), shortTime(created)]
}

const banColumns: readonly Column[] = [
  { title: "KIND" },
  { title: "VALUE", isFlexible: true },
  { title: "SINCE" },
  { title: "EXPIRES" },
  { title: "REASON", isFlexible: true },
]

function banCells({ kind, value, created, expires, reason }: BanView): Cell[] {
  return [kind, value, shortTime(created), shortTime(expires) ?? "never", reason]
}

const queryColumns: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  { title: "SINCE" },
  { title: "SQL", isFlexible: true },
]

function queryCells({ id, state, started, sql }: RunningStatement): Cell[] {
  return [id, state, ageText(Date.now() - Date.parse(started)), sql.replace(/\s+/g, " ")]
}

interface ListForm<Item> {
  readonly columns: readonly Column[]
  readonly cells: (item: Item) => readonly Cell[]
  readonly isJson: boolean
}

async function writeList<Item>(items: readonly Item[], form: ListForm<Item>, terminal: Terminal): Promise<void> {
  if (form.isJson) await terminal.out.write(`${JSON.stringify(items)}\n`)
  else await new Table(form.columns, terminal.out).write(items.map(form.cells))
}

/** One array, an item a line, written as the items come. */
export async function writeJsonList(items: AsyncIterable<unknown>, { out }: Terminal): Promise<void> {
  let separator = "[\n"
  for await (const item of items) {
    await out.write(separator + JSON.stringify(item))
    separator = ",\n"
  }
  await out.write(separator === "[\n" ? "[]\n" : "\n]\n")
}

function latestText({ latest }: Device): string {
  return latest.map((reading) => `${reading.property} ${valueText(reading)}`).join(", ")
}

/** What a reading says, on one line. */
export function valueText({ value, text, json }: Pick<LiveReading, "value" | "text" | "json">): string {
  return json ?? text ?? String(value)
}

/** To the second: `2025-01-01 12:00:00Z`. */
function shortTime(time: string | undefined): string | undefined {
  return time?.replace("T", " ").replace(/\.\d+Z$/, "Z")
}
