/** Commands to devices on the command line: sent, listed and described. */
import { type ErrorCode, errorRegistry, FogError } from "@brume/core"
import type { CommandListOptions, CommandView, Json } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { exitCodeOf } from "../exit-code.ts"
import { usageError } from "../failure.ts"
import { type Cell, Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { ageText, parseSpan } from "../times.ts"
import { writeFacts } from "./describe.ts"
import { writeJsonList } from "./get.ts"

interface CommandFlags extends ConnectionFlags {
  readonly json?: boolean
}

export interface SendFlags extends CommandFlags {
  readonly deadline: string
  readonly retries: string
  readonly key?: string
  readonly wait: boolean
}

export async function sendCommand(
  [device, command, text]: readonly [string, string, string | undefined],
  flags: SendFlags,
  terminal: Terminal,
): Promise<number> {
  const wanted = {
    ...{ device, command, deadlineMs: Math.ceil(parseSpan(flags.deadline, "--deadline")) },
    retries: wholeOf(flags.retries, "--retries"),
    ...(text === undefined ? {} : { input: inputOf(text) }),
    ...(flags.key === undefined ? {} : { idempotencyKey: flags.key }),
  }
  const client = await connect(flags, terminal)
  const { signal } = terminal
  const sent = flags.wait
    ? await client.commands.send(wanted, { signal })
    : await client.commands.start(wanted, { signal })
  const failure = flags.wait && sent.state === "pending" ? stillOpen(sent) : failureOf(sent)
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(sent)}\n`)
  else if (failure !== undefined) throw failure
  else await terminal.out.write(`${sent.state === "pending" ? sent.id : outputText(sent.output)}\n`)
  return failure === undefined ? 0 : exitCodeOf(failure.code)
}

export interface GetCommandsFlags extends CommandFlags {
  readonly device?: readonly string[]
  readonly state?: CommandView["state"]
  readonly count: string
}

export async function getCommands(_none: readonly [], flags: GetCommandsFlags, terminal: Terminal): Promise<void> {
  const count = wholeOf(flags.count, "--count")
  const client = await connect(flags, terminal)
  const options: CommandListOptions = {
    signal: terminal.signal,
    pageSize: Math.min(1_000, Math.max(1, count)),
    ...(flags.device === undefined ? {} : { devices: flags.device }),
    ...(flags.state === undefined ? {} : { state: flags.state }),
  }
  const commands = firstOf(client.commands.list(options), count)
  if (flags.json === true) {
    await writeJsonList(commands, terminal)
    return
  }
  const rows: Cell[][] = []
  for await (const command of commands) rows.push(cellsOf(command))
  const columns = [
    { title: "ID" },
    { title: "DEVICE", isFlexible: true },
    { title: "COMMAND" },
    { title: "STATE" },
    { title: "MADE" },
    { title: "BY" },
    { title: "ANSWER", isFlexible: true },
  ]
  await new Table(columns, terminal.out).write(rows)
}

export async function describeCommand([id]: readonly [string], flags: CommandFlags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const command = await client.commands.get(id, { signal: terminal.signal })
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(command)}\n`)
  else await writeFacts(factsOf(command), terminal)
}

function factsOf(command: CommandView): [string, string][] {
  const { accepted, ended, output, error, late } = command
  return [
    ["Command", command.id],
    ["Device", command.device],
    ["Name", command.command],
    ["Input", JSON.stringify(command.input)],
    ["Wanted by", command.source],
    ["State", late === true ? `${command.state}, after it had been in doubt` : command.state],
    ["Made", command.created],
    ["Deadline", command.deadline],
    ["Sent", `${command.attempts} of at most ${command.retries + 1} times`],
    ...(accepted === undefined ? [] : [["Accepted", accepted] as [string, string]]),
    ...(ended === undefined ? [] : [["Ended", ended] as [string, string]]),
    ...(output === undefined ? [] : [["Answer", JSON.stringify(output)] as [string, string]]),
    ...(error === undefined ? [] : [["Why", `${error.message} [${error.code}]`] as [string, string]]),
  ]
}

function cellsOf({ id, device, command, state, created, source, output, error }: CommandView): Cell[] {
  const answer = error?.message ?? (output === undefined ? "" : outputText(output))
  return [id, device, command, state, ageText(Date.now() - Date.parse(created)), source, answer]
}

/** Why a command was not done; undefined where it was, or has not ended. */
function failureOf({ id, device, command, state, error }: CommandView): FogError | undefined {
  if (state === "done" || state === "pending") return undefined
  const code: ErrorCode = state === "in-doubt" ? "command_in_doubt" : ownCode(error?.code)
  return new FogError(code, {
    message: `${device} ${command} ${state === "failed" ? "has failed" : "is in doubt"}: ${error?.message ?? "no reason was given"}`,
    hint: `brume describe command ${id} shows it${state === "in-doubt" ? ", also when the device answers late" : ""}.`,
  })
}

/** The node stops: its next life goes on waiting. */
function stillOpen({ id, device, command }: CommandView): FogError {
  return new FogError("command_in_doubt", {
    message: `${device} ${command} has no outcome yet: the node ended the wait`,
    hint: `brume describe command ${id} shows what becomes of it.`,
  })
}

/** Words of devices are no codes of ours. */
function ownCode(code: string | undefined): ErrorCode {
  return code?.startsWith("command_") === true && Object.hasOwn(errorRegistry, code)
    ? (code as ErrorCode)
    : "command_rejected"
}

function inputOf(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

function outputText(output: Json | undefined): string {
  return typeof output === "string" ? output : JSON.stringify(output ?? null)
}

export function wholeOf(text: string, flag: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(value)) throw usageError(`${flag} ${JSON.stringify(text)} is not a whole number`, "Write it like 3.")
  return value
}

async function* firstOf<Item>(items: AsyncIterable<Item>, count: number): AsyncGenerator<Item, void, undefined> {
  let left = count
  if (left === 0) return
  for await (const item of items) {
    yield item
    left--
    if (left === 0) return
  }
}
