/**
 * `brume apply`: documents from files to a node. All files are read and checked before anything is applied; the node then
 * takes all documents in one commit. Only where they are too many for one request do they go in several, each of which
 * the node has checked before the first is applied.
 */
import { FogError, isFogError } from "@brume/core"
import type { AppliedDocumentView, BrumeClient } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { readTexts } from "../documents/files.ts"
import type { Mistake, WrittenDocument } from "../documents/written.ts"
import { usageError } from "../failure.ts"
import { Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { plural } from "../times.ts"

export interface ApplyFlags extends ConnectionFlags {
  readonly file: readonly string[]
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** What one request carries at most: a node takes 1,000 documents and 2 MiB. */
const mostTogether = 1_000
const mostBytes = 2_000_000

export async function apply(_none: readonly [], flags: ApplyFlags, terminal: Terminal): Promise<void> {
  const texts = await readTexts(flags.file, terminal)
  const { readDocuments, whichOf } = await import("../documents/written.ts")
  const { documents, mistakes } = readDocuments(texts)
  if (mistakes.length > 0) throw refusal(mistakes)
  if (documents.length === 0)
    throw usageError(
      `There is no document in ${flags.file.join(", ")}`,
      "brume apply --help shows what one looks like.",
    )
  const client = await connect(flags, terminal)
  const parts = partsOf(documents)
  const applied: AppliedDocumentView[] = []
  const send = async (part: readonly WrittenDocument[], dryRun: boolean): Promise<AppliedDocumentView[]> =>
    await sent(client, part, { dryRun, whichOf, before: dryRun ? 0 : applied.length })
  if (parts.length > 1 || flags.dryRun === true) for (const part of parts) applied.push(...(await send(part, true)))
  if (flags.dryRun !== true) {
    applied.length = 0
    for (const part of parts) applied.push(...(await send(part, false)))
  }
  await show(applied, documents, flags, terminal)
}

interface SendOptions {
  readonly dryRun: boolean
  readonly whichOf: (document: unknown) => string | undefined
  /** Documents of earlier parts that are in force. */
  readonly before: number
}

/** The mistakes that the node finds get the places where they stand. */
async function sent(
  client: BrumeClient,
  part: readonly WrittenDocument[],
  { dryRun, whichOf, before }: SendOptions,
): Promise<AppliedDocumentView[]> {
  try {
    return await client.documents.apply(
      part.map(({ value }) => value as object),
      { dryRun },
    )
  } catch (error) {
    const found = isFogError(error, "document_invalid") ? error.details?.mistakes : undefined
    if (!Array.isArray(found)) throw error
    throw refusal(
      (found as { readonly document: number; readonly path: string; readonly problem: string }[]).map(
        ({ document, path, problem }) => {
          const written = part[document] ?? part[0]!
          const which = whichOf(written.value)
          return {
            ...{ file: written.file, line: written.lineOf(path), path, problem },
            ...(which === undefined ? {} : { which }),
          }
        },
      ),
      { more: (error as FogError).details?.more as number | undefined, before },
    )
  }
}

function partsOf(documents: readonly WrittenDocument[]): WrittenDocument[][] {
  const parts: WrittenDocument[][] = [[]]
  let bytes = 0
  for (const document of documents) {
    const own = Buffer.byteLength(JSON.stringify(document.value)) + 1
    bytes += own
    const last = parts.at(-1)!
    if (last.length > 0 && (last.length === mostTogether || bytes > mostBytes)) {
      parts.push([document])
      bytes = own
    } else last.push(document)
  }
  return parts
}

interface RefusalOptions {
  /** How many mistakes there are besides. */
  readonly more?: number | undefined
  /** Documents of earlier parts that are in force. */
  readonly before?: number
}

function refusal(mistakes: readonly Mistake[], { more = 0, before = 0 }: RefusalOptions = {}): FogError {
  const lines = mistakes.map(({ file, line, which, path, problem }) => {
    const what = [which === undefined ? undefined : `${which}:`, path, problem].filter(Boolean)
    return `  ${file}:${line}  ${what.join(" ")}`
  })
  if (more > 0) lines.push(`  and ${plural(more, "more mistake")}`.replace(/mistakes$/, "mistakes"))
  const done = before === 0 ? "nothing was applied" : `${plural(before, "document")} before were applied, no more`
  return new FogError("document_invalid", {
    message: `${plural(mistakes.length + more, "mistake")}; ${done}:\n${lines.join("\n")}`,
    hint: "Correct them and apply again. docs/reference has the schema of each kind, for editors that check while you write.",
    details: { mistakes },
  })
}

async function show(
  applied: readonly AppliedDocumentView[],
  written: readonly WrittenDocument[],
  { json, dryRun = false }: ApplyFlags,
  { out }: Terminal,
): Promise<void> {
  const rows = applied.map(({ change, document }, index) => ({
    ...{ change, kind: document.kind, name: document.metadata.name, generation: document.status.generation },
    file: written[index]?.file,
  }))
  if (json === true) {
    await out.write(`${JSON.stringify(rows)}\n`)
    return
  }
  const wouldBe = (change: string): string => (dryRun && change !== "unchanged" ? `would be ${change}` : change)
  const columns = [{ title: "KIND" }, { title: "NAME" }, { title: "CHANGE" }, { title: "FILE", isFlexible: true }]
  await new Table(columns, out).write(rows.map(({ change, kind, name, file }) => [kind, name, wouldBe(change), file]))
}
