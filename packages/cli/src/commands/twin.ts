/** Twins on the command line. */
import type { Json, TwinView } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { wholeOf } from "./command.ts"
import { writeFacts } from "./describe.ts"

interface TwinFlags extends ConnectionFlags {
  readonly json?: boolean
}

export async function getTwin([device]: readonly [string], flags: TwinFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  await show(await client.twins.get(device, { signal: terminal.signal }), flags, terminal)
}

export interface SetTwinFlags extends TwinFlags {
  readonly ifVersion?: string
}

export async function setTwin(
  [device, text]: readonly [string, string],
  flags: SetTwinFlags,
  terminal: Terminal,
): Promise<void> {
  const patch = patchOf(text)
  const ifVersion = flags.ifVersion === undefined ? {} : { ifVersion: wholeOf(flags.ifVersion, "--if-version") }
  const client = await connect(flags, terminal)
  await show(await client.twins.set(device, patch, { ...ifVersion, signal: terminal.signal }), flags, terminal)
}

function patchOf(text: string): { [name: string]: Json } {
  let patch: Json | undefined
  try {
    patch = JSON.parse(text) as Json
  } catch {
    // Said below.
  }
  if (typeof patch === "object" && patch !== null && !Array.isArray(patch)) return patch
  throw usageError(`${JSON.stringify(text)} is no JSON object`, `Write it like '{"speed": 3}'; null removes a member.`)
}

async function show(twin: TwinView, { json }: TwinFlags, terminal: Terminal): Promise<void> {
  if (json === true) {
    await terminal.out.write(`${JSON.stringify(twin)}\n`)
    return
  }
  const { desired, reported, delta } = twin
  const versionText = ({ version, time }: TwinView["desired"]): string =>
    time === undefined ? "never" : `version ${version}, ${time}`
  await writeFacts(
    [
      ["Device", twin.device],
      ["Desired", versionText(desired)],
      ["Reported", versionText(reported)],
    ],
    terminal,
  )
  await terminal.out.write("\n")
  const names = [...new Set([...Object.keys(desired.values), ...Object.keys(reported.values)])].sort()
  const textOf = (value: Json | undefined): string => (value === undefined ? "" : JSON.stringify(value))
  const columns = [
    { title: "MEMBER" },
    { title: "DESIRED", isFlexible: true },
    { title: "REPORTED", isFlexible: true },
    { title: "" },
  ]
  await new Table(columns, terminal.out).write(
    names.map((name) => [
      name,
      textOf(desired.values[name]),
      textOf(reported.values[name]),
      Object.hasOwn(delta, name) ? "differs" : "",
    ]),
  )
}
