/** Functions on the command line: deployed, rolled back, called, listed, described, deleted, and what they say. */
import { isFogError } from "@brume/core"
import type { BrumeClient, DeployedFunction, FunctionLine, FunctionView } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { readFunctionFolder } from "../functions/folder.ts"
import { Table } from "../table.ts"
import { Ended, type Terminal } from "../terminal.ts"
import { visible } from "../text-width.ts"
import { countText, parseSpan, sizeText } from "../times.ts"
import { writeFacts } from "./describe.ts"

interface FunctionFlags extends ConnectionFlags {
  readonly json?: boolean
}

export interface DeployFlags extends FunctionFlags {
  readonly acceptUnsandboxed?: boolean
}

export async function deploy([folder]: readonly [string], flags: DeployFlags, terminal: Terminal): Promise<void> {
  const { name, document, files } = await readFunctionFolder(folder, terminal.folder)
  const client = await connect(flags, terminal)
  const accept = flags.acceptUnsandboxed === true ? { acceptUnsandboxed: true } : {}
  await writeDeployed(await client.functions.deploy(name, { document, files, ...accept }), flags, terminal)
}

export async function rollback(
  [name]: readonly [string],
  flags: FunctionFlags & { readonly to?: string },
  terminal: Terminal,
): Promise<void> {
  const { to } = flags
  if (to !== undefined && !/^[1-9]\d{0,8}$/.test(to))
    throw usageError(`--to ${JSON.stringify(to)} is no version`, "brume describe function NAME shows its versions.")
  const client = await connect(flags, terminal)
  const deployed = await client.functions.rollback(name, to === undefined ? undefined : Number(to))
  await writeDeployed(deployed, flags, terminal)
}

async function writeDeployed(deployed: DeployedFunction, { json }: FunctionFlags, { out }: Terminal): Promise<void> {
  const { name, version, change } = deployed
  const what = change === "unchanged" ? "was in force already" : "is in force"
  await out.write(json === true ? `${JSON.stringify(deployed)}\n` : `${name}: version ${version} ${what}\n`)
}

export interface InvokeFlags extends FunctionFlags {
  readonly data?: string
  readonly timeout?: string
  readonly key?: string
}

export async function invoke([name]: readonly [string], flags: InvokeFlags, terminal: Terminal): Promise<void> {
  const event = await eventOf(flags, terminal)
  const client = await connect(flags, terminal)
  const result = await client.functions.invoke(name, event, {
    signal: terminal.signal,
    ...(flags.timeout === undefined ? {} : { deadlineMs: Math.ceil(parseSpan(flags.timeout, "--timeout")) }),
    ...(flags.key === undefined ? {} : { idempotencyKey: flags.key }),
  })
  const isText = typeof result === "string" && flags.json !== true
  await terminal.out.write(`${isText ? result : JSON.stringify(result, null, flags.json === true ? 0 : 2)}\n`)
}

async function eventOf({ data }: InvokeFlags, { input }: Terminal): Promise<unknown> {
  if (data === undefined) return null
  let text = data
  if (data === "-") {
    const pieces: Uint8Array[] = []
    for await (const piece of input) pieces.push(piece)
    text = Buffer.concat(pieces).toString()
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw usageError(`The event is not JSON: ${(cause as Error).message}`, `Write it like --data '{"celsius": 4.2}'.`)
  }
}

export interface LogsFlags extends FunctionFlags {
  readonly follow?: boolean
  readonly lines: string
}

export async function logs([name]: readonly [string], flags: LogsFlags, terminal: Terminal): Promise<void> {
  const { signal } = terminal
  if (!/^\d{1,4}$/.test(flags.lines) || Number(flags.lines) > 1_000)
    throw usageError(`--lines ${JSON.stringify(flags.lines)} cannot be used`, "Give a whole number from 0 to 1000.")
  const client = await connect(flags, terminal)
  const limit = Number(flags.lines)
  if (flags.follow === true) await followLogs(client, name, { flags, terminal, limit })
  else for await (const line of client.functions.logs(name, { limit, signal })) await writeLine(line, flags, terminal)
  // Ctrl-C is how one leaves what does not end by itself.
  if (signal.reason instanceof Ended && signal.reason.exitCode !== 130) throw signal.reason
}

export interface Following {
  readonly flags: FunctionFlags
  readonly terminal: Terminal
  /** Lines of those that were said already. */
  readonly limit: number
}

/** How long it waits before it follows again what was broken off. ms. */
const againMs = 500
const mostLines = 1_000

/** Until the command ends, over connections that break and nodes that start anew. Throws what is wrong at first. */
export async function followLogs(client: BrumeClient, name: string, following: Following): Promise<void> {
  const { flags, terminal } = following
  const { signal, notes } = terminal
  let { limit } = following
  let after = 0
  let isConnected = false
  while (!signal.aborted) {
    try {
      for await (const line of client.functions.logs(name, { follow: true, after, limit, signal })) {
        isConnected = true
        after = line.seq
        await writeLine(line, flags, terminal)
      }
      isConnected = true
    } catch (error) {
      if (signal.aborted) return
      const mayPass = isFogError(error) && error.retry !== "never"
      if (!isConnected || !mayPass) throw error
      await notes.write(`${notes.paint.dim(`${error.message}; trying again`)}\n`)
    }
    // What was said meanwhile is not missed.
    limit = mostLines
    await new Promise<void>((resolve) => setTimeout(resolve, signal.aborted ? 0 : againMs))
  }
}

export async function writeLine(line: FunctionLine, { json }: FunctionFlags, { out }: Terminal): Promise<void> {
  if (json === true) {
    await out.write(`${JSON.stringify(line)}\n`)
    return
  }
  const { paint } = out
  const { time, level, message, fields } = line
  const painted = level === "error" ? paint.red : level === "warn" ? paint.yellow : paint.dim
  const shown = message.split("\n").map(visible).join("\n")
  const more = fields === undefined ? "" : `  ${paint.dim(visible(JSON.stringify(fields)))}`
  await out.write(`${paint.dim(time.slice(11, 23))}  ${painted(level.padEnd(5))}  ${shown}${more}\n`)
}

export async function getFunctions(_none: readonly [], flags: FunctionFlags, terminal: Terminal): Promise<void> {
  const functions = await (await connect(flags, terminal)).functions.list()
  if (flags.json === true) {
    await terminal.out.write(`${JSON.stringify(functions)}\n`)
    return
  }
  const columns = [
    { title: "NAME" },
    { title: "STATE" },
    { title: "VERSION", isNumber: true },
    { title: "RUNTIME" },
    { title: "SANDBOX" },
    { title: "CALLS", isNumber: true },
    { title: "FAILED", isNumber: true },
    { title: "WAITING", isNumber: true },
  ]
  const rows = functions.map((one) => [
    ...[one.name, one.state, one.version, specOf(one)?.runtime, one.sandbox ?? "unsandboxed"],
    ...[one.calls, one.failed, one.waiting],
  ])
  await new Table(columns, terminal.out).write(rows)
}

const specOf = ({ version, versions }: FunctionView) => versions.find((one) => one.version === version)?.spec

export async function describeFunction(
  [name]: readonly [string],
  flags: FunctionFlags,
  terminal: Terminal,
): Promise<void> {
  const view = await (await connect(flags, terminal)).functions.get(name)
  const { out } = terminal
  if (flags.json === true) {
    await out.write(`${JSON.stringify(view)}\n`)
    return
  }
  await writeFacts(factsOf(view), terminal)
  await out.write("\n")
  const columns = [
    { title: "VERSION", isNumber: true },
    { title: "DEPLOYED" },
    { title: "SIZE" },
    { title: "CODE" },
    { title: "" },
  ]
  const rows = view.versions.map(({ version, created, bytes, bundle }) => [
    ...[version, created.slice(0, 19).replace("T", " "), sizeText(bytes), bundle.slice(0, 12)],
    version === view.version ? "in force" : "",
  ])
  await new Table(columns, out).write(rows)
  if (view.failures.length === 0) return
  await out.write("\nLast failures:\n")
  for (const { time, version, code, message } of view.failures.slice(-5))
    await out.write(
      `${out.paint.dim(time.slice(0, 23))}  version ${version}  ${code}  ${visible(message.split("\n")[0]!)}\n`,
    )
}

function factsOf(view: FunctionView): [string, string][] {
  const spec = specOf(view)
  const facts: [string, string][] = [
    ["Function", view.name],
    ["State", view.reason === undefined ? view.state : `${view.state}: ${view.reason.split("\n")[0]}`],
    ["Version", String(view.version)],
    ["Sandbox", view.sandbox ?? "unsandboxed: nothing keeps it apart from the machine"],
    ["Calls", `${countText(view.calls)}, ${countText(view.failed)} of them failed`],
    [
      "Events",
      `${countText(view.waiting)} wait; ${countText(view.deadLetters)} dead letters, ${countText(view.dropped)} dropped`,
    ],
  ]
  if (spec === undefined) return facts
  const { runtime, entry, limits, triggers, secrets, network, retries } = spec
  const { timeMs, memoryMiB, outputBytes, concurrency, instances } = limits
  return [
    ...facts,
    ["Code", `${entry}, ${runtime}`],
    ["Limits", `${timeMs} ms, ${memoryMiB} MiB, ${sizeText(outputBytes)} of output`],
    ["Processes", `${instances}, each with ${concurrency} calls at a time`],
    ["Triggers", triggers.length === 0 ? "none" : triggers.map(triggerText).join("; ")],
    ["Retries", String(retries)],
    ["Secrets", secrets.length === 0 ? "none" : secrets.join(", ")],
    ["Network", network ? "yes" : "no"],
  ]
}

function triggerText(trigger: object): string {
  return Object.entries(trigger)
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ")
}

export async function deleteFunctions(
  [names]: readonly [readonly string[]],
  flags: FunctionFlags,
  terminal: Terminal,
): Promise<void> {
  const client = await connect(flags, terminal)
  for (const name of names) {
    await client.functions.delete(name)
    if (flags.json !== true) await terminal.notes.write(`The function ${name} is deleted, with its state.\n`)
  }
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ deleted: names })}\n`)
}
