/** `brume secret`: what functions may read by name. A value never stands on a command line. */
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { ageText } from "../times.ts"

interface SecretFlags extends ConnectionFlags {
  readonly json?: boolean
}

export async function listSecrets(_none: readonly [], flags: SecretFlags, terminal: Terminal): Promise<void> {
  const secrets = await (await connect(flags, terminal)).secrets.list()
  if (flags.json === true) {
    await terminal.out.write(`${JSON.stringify(secrets)}\n`)
    return
  }
  const rows = secrets.map(({ name, changed }) => [name, ageText(Date.now() - Date.parse(changed))])
  await new Table([{ title: "SECRET" }, { title: "SET" }], terminal.out).write(rows)
}

export async function setSecret([name]: readonly [string], flags: SecretFlags, terminal: Terminal): Promise<void> {
  const value = await givenValue(name, terminal)
  terminal.signal.throwIfAborted()
  if (value === "")
    throw usageError(`The secret ${name} has no value`, "Pipe it in: brume secret set NAME < file, or type it.")
  const secret = await (await connect(flags, terminal)).secrets.set(name, value)
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(secret)}\n`)
  else await terminal.notes.write(`The secret ${name} is set.\n`)
}

async function givenValue(name: string, { input, isInputTerminal, notes, readHidden }: Terminal): Promise<string> {
  if (isInputTerminal) {
    // Before it is asked for, so that not even the fastest typist sees it.
    const typed = readHidden()
    await notes.write(`Value of ${name} (not shown): `)
    const value = await typed
    await notes.write("\n")
    return value
  }
  const pieces: Uint8Array[] = []
  for await (const piece of input) pieces.push(piece)
  // A file, or echo, ends with a line break that is not meant.
  return Buffer.concat(pieces)
    .toString()
    .replace(/\r?\n$/, "")
}

export async function deleteSecrets(
  [names]: readonly [readonly string[]],
  flags: SecretFlags,
  terminal: Terminal,
): Promise<void> {
  const client = await connect(flags, terminal)
  for (const name of names) {
    await client.secrets.delete(name)
    if (flags.json !== true) await terminal.notes.write(`The secret ${name} is deleted.\n`)
  }
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ deleted: names })}\n`)
}
