/**
 * What the demo's node does by itself: the rules and functions of examples/cold-storage, applied at each start.
 *
 * - A1 What somebody changed stays: only what is not there yet is applied. Delete it, or the data folder, to get it back.
 * - A2 The functions come with Brume: they may run where nothing keeps them apart from the machine.
 * - A3 A part that cannot run here is told of, and the demo goes on without it.
 */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { type BrumeClient, createClient, isFogError } from "@brume/sdk"
import { parseAllDocuments } from "yaml"
import { readFunctionFolder } from "../functions/folder.ts"
import type { Tell } from "./devices.ts"

const folder = new URL("../../../../examples/cold-storage/", import.meta.url)
const functions = ["door-report", "drift"]

interface RuleDocument {
  readonly metadata: { readonly name: string }
}

export interface AutomationOptions {
  readonly url: string
  readonly token: string
  readonly tell: Tell
}

/** Resolves when what can be in force is. Never rejects. */
export async function automate({ url, token, tell }: AutomationOptions): Promise<void> {
  const client = createClient({ url, token })
  await attempt("The rules are not in force", tell, () => applyRules(client))
  for (const name of functions)
    await attempt(`The function ${name} does not run here`, tell, () => deploy(client, name))
}

async function applyRules(client: BrumeClient): Promise<void> {
  const text = await readFile(new URL("rules.yaml", folder), "utf8")
  const written = parseAllDocuments(text).map((document) => document.toJS() as RuleDocument)
  const known = new Set<string>()
  for await (const { metadata } of client.documents.list({ kind: "Rule" })) known.add(metadata.name)
  const missing = written.filter(({ metadata }) => !known.has(metadata.name))
  // A1
  if (missing.length > 0) await client.documents.apply(missing)
}

async function deploy(client: BrumeClient, name: string): Promise<void> {
  const known = await client.functions.get(name).catch((error: unknown) => {
    if (isFogError(error, "function_not_found")) return undefined
    throw error
  })
  // A1
  if (known !== undefined) return
  const place = fileURLToPath(new URL(`functions/${name}`, folder))
  const { document, files } = await readFunctionFolder(place, place)
  // A2
  await client.functions.deploy(name, { document, files, acceptUnsandboxed: true })
}

/** A3 */
async function attempt(what: string, tell: Tell, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    tell(`${what}: ${(error as Error).message.split("\n")[0]}`)
  }
}
