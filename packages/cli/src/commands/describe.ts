/** `brume describe`: one thing, with everything that the node knows of it. */
import type { Device, NodeStatus } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { ageText, countText, plural, sizeText } from "../times.ts"
import { valueText } from "./get.ts"

export interface DescribeFlags extends ConnectionFlags {
  readonly json?: boolean
}

export async function describeDevice(
  [name]: readonly [string],
  flags: DescribeFlags,
  terminal: Terminal,
): Promise<void> {
  const client = await connect(flags, terminal)
  const device = await client.devices.get(name, { signal: terminal.signal })
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(device)}\n`)
  else await writeDevice(device, terminal)
}

export async function describeNode(_none: readonly [], flags: DescribeFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const status = await client.status({ signal: terminal.signal })
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(status)}\n`)
  else await writeFacts(nodeFacts(status, client.url), terminal)
}

async function writeDevice({ device, received, latest }: Device, terminal: Terminal): Promise<void> {
  const now = Date.now()
  await writeFacts(
    [
      ["Device", device],
      ["Last seen", `${received} (${ageText(now - Date.parse(received))})`],
      ["Series", countText(latest.length)],
    ],
    terminal,
  )
  await terminal.out.write("\n")
  const columns = [
    { title: "PROPERTY" },
    { title: "VALUE", isFlexible: true },
    { title: "TIME" },
    { title: "TAGS", isFlexible: true },
    { title: "QUALITY" },
  ]
  await new Table(columns, terminal.out).write(
    latest.map((reading) => [
      reading.property,
      valueText(reading),
      reading.time,
      reading.tags === "{}" ? "" : reading.tags,
      qualityText(reading.quality),
    ]),
  )
}

function nodeFacts(status: NodeStatus, url: string): [string, string][] {
  const { store, token } = status
  const facts: [string, string][] = [
    ["Node", status.node],
    ["Address", url.replace(/\/$/, "")],
    ["Version", status.version],
    ["Running for", ageText(Date.parse(status.time) - Date.parse(status.started))],
    ["Clock", status.time],
    ["Ingest", store.state],
    ["Epoch", status.epoch],
    ["Next sequence", countText(store.nextSeq)],
    ["Durable up to", countText(store.durableSeq)],
    ["Visible to SQL up to", countText(store.appliedSeq)],
    ["Log", `${sizeText(store.logBytes)} in ${plural(store.logFiles, "file")}`],
    ["Tables", plural(store.tableRows, "row")],
    [
      "Segments",
      `${plural(store.segmentRows, "row")}, ${sizeText(store.segmentBytes)} in ${plural(store.segmentFiles, "file")}`,
    ],
    ["Token", `${token.name} (${token.scopes.join(", ")})`],
  ]
  for (const { fromSeq, toSeq, epoch, file, certainty } of store.damaged) {
    facts.push([
      "Damaged",
      `${countText(toSeq - fromSeq)} records from ${fromSeq} of epoch ${epoch} in ${file} (${certainty})`,
    ])
  }
  return facts
}

/** Names and values below each other. */
export async function writeFacts(facts: readonly (readonly [string, string])[], { out }: Terminal): Promise<void> {
  const width = Math.max(...facts.map(([name]) => name.length)) + 2
  for (const [name, value] of facts) await out.write(`${out.paint.dim(name.padEnd(width))}${value}\n`)
}

const qualities: readonly (readonly [bit: number, meaning: string])[] = [
  [1, "device clock"],
  [2, "node clock"],
  [4, "marked by the device"],
]

/** What makes a reading doubtful; `good` otherwise. */
function qualityText(quality: number): string {
  const meanings = qualities.filter(([bit]) => (quality & bit) !== 0).map(([, meaning]) => meaning)
  return meanings.length === 0 ? "good" : meanings.join(", ")
}
