/** Documents of a node: listed, shown, deleted. */
import type { DocumentView } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { type Cell, Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { ageText } from "../times.ts"
import { writeFacts } from "./describe.ts"
import { writeJsonList } from "./get.ts"

export interface DocumentFlags extends ConnectionFlags {
  readonly json?: boolean
}

export interface GetDocumentsFlags extends DocumentFlags {
  readonly kind?: string
}

/** Documents that decide how wide the columns are. */
const measured = 1_000

/** @param kind of all that are listed; a column says it where none is given. */
export const getDocuments =
  (kind?: string) =>
  async (_none: readonly [], flags: GetDocumentsFlags, terminal: Terminal): Promise<void> => {
    const client = await connect(flags, terminal)
    const chosen = kind ?? flags.kind
    const documents = client.documents.list({
      signal: terminal.signal,
      ...(chosen === undefined ? {} : { kind: chosen }),
    })
    if (flags.json === true) return await writeJsonList(documents, terminal)
    const columns = [
      ...(kind === undefined ? [{ title: "KIND" }] : []),
      ...[{ title: "NAME" }, { title: "STATE", isFlexible: true }, { title: "GENERATION", isNumber: true }],
      ...[{ title: "CHANGED" }, { title: "LABELS", isFlexible: true }],
    ]
    const table = new Table(columns, terminal.out)
    let rows: Cell[][] = []
    for await (const document of documents) {
      rows.push([...(kind === undefined ? [document.kind] : []), ...cellsOf(document)])
      if (rows.length >= measured) {
        await table.write(rows)
        rows = []
      }
    }
    await table.write(rows)
  }

export const describeDocument =
  (kind: string) =>
  async ([name]: readonly [string], flags: DocumentFlags, terminal: Terminal): Promise<void> => {
    const client = await connect(flags, terminal)
    const document = await client.documents.get(kind, name)
    if (flags.json === true) return await terminal.out.write(`${JSON.stringify(document)}\n`)
    await writeFacts(factsOf(document), terminal)
    if (document.spec === undefined) return
    const { stringify } = await import("yaml")
    await terminal.out.write(`\n${stringify({ spec: document.spec }, { lineWidth: 0 })}`)
  }

export const deleteDocuments =
  (kind: string) =>
  async ([names]: readonly [readonly string[]], flags: DocumentFlags, terminal: Terminal): Promise<void> => {
    const client = await connect(flags, terminal)
    for (const name of names) {
      await client.documents.delete(kind, name)
      if (flags.json !== true) await terminal.notes.write(`${kind} ${name} is deleted.\n`)
    }
    if (flags.json === true) await terminal.out.write(`${JSON.stringify({ deleted: names })}\n`)
  }

function cellsOf({ metadata, status }: DocumentView): Cell[] {
  const labels = Object.entries(metadata.labels ?? {}).map(([label, value]) => `${label}=${value}`)
  const changed = status.changed === undefined ? "" : ageText(Date.now() - Date.parse(status.changed))
  return [metadata.name, stateOf({ status }), status.generation, changed, labels.join(",")]
}

/** What its room says, or whether it is in force at all. */
function stateOf({ status }: Pick<DocumentView, "status">): string {
  const { mistakes = [], state } = status
  const [first] = mistakes
  if (first !== undefined) return `not in force: ${first.path} ${first.problem}`.replace(":  ", ": ")
  return typeof state === "string" ? state : "in force"
}

function factsOf(document: DocumentView): [string, string][] {
  const { kind, metadata, status } = document
  const { generation, created, changed, mistakes = [], state: _state, ...more } = status
  const facts: [string, string][] = [
    [kind, metadata.name],
    ["State", stateOf(document)],
  ]
  if (generation !== undefined) facts.push(["Generation", String(generation)])
  if (created !== undefined) facts.push(["Created", created])
  if (changed !== undefined) facts.push(["Changed", changed])
  for (const [label, value] of Object.entries(metadata.labels ?? {})) facts.push([`Label ${label}`, value])
  for (const { path, problem } of mistakes) facts.push(["Mistake", `${path} ${problem}`.trim()])
  for (const [name, value] of Object.entries(more)) facts.push([titleOf(name), textOf(value)])
  return facts
}

/** `lastFired` → `Last fired` */
function titleOf(name: string): string {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function textOf(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}
