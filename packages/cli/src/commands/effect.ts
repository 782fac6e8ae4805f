/** Effects on the command line: listed and described. */
import { actionTypes, effectStates } from "@brume/core"
import type { EffectListOptions, EffectView } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { type Cell, type Column, Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { visible } from "../text-width.ts"
import { ageText } from "../times.ts"
import { writeFacts } from "./describe.ts"
import { writeJsonList } from "./get.ts"

interface Flags extends ConnectionFlags {
  readonly json?: boolean
}

export interface GetEffectsFlags extends Flags {
  readonly state?: string
  readonly type?: string
  readonly source?: string
  readonly limit: string
}

const columns: readonly Column[] = [
  { title: "STATE" },
  { title: "TYPE" },
  { title: "TARGET", isFlexible: true },
  { title: "SOURCE" },
  { title: "MADE" },
  { title: "KEY" },
  { title: "MESSAGE", isFlexible: true },
]
const pageSize = 1_000
/** Enough of a key to find it among others. */
const shownKey = 12

export async function getEffects(_none: readonly [], flags: GetEffectsFlags, terminal: Terminal): Promise<void> {
  const { signal, out } = terminal
  const limit = limitOf(flags.limit)
  const filter: EffectListOptions = {
    ...{ signal, pageSize: Math.min(limit, pageSize) },
    ...(flags.state === undefined ? {} : { state: oneOf(effectStates, flags.state, "--state") }),
    ...(flags.type === undefined ? {} : { type: oneOf(actionTypes, flags.type, "--type") }),
    ...(flags.source === undefined ? {} : { source: flags.source }),
  }
  const client = await connect(flags, terminal)
  const effects = first(client.effects.list(filter), limit)
  if (flags.json === true) {
    await writeJsonList(effects, terminal)
    return
  }
  const rows: Cell[][] = []
  for await (const effect of effects) rows.push(cells(effect))
  await new Table(columns, out).write(rows)
}

export async function describeEffect([key]: readonly [string], flags: Flags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const effect = await client.effects.get(key, { signal: terminal.signal })
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(effect)}\n`)
  else await writeFacts(factsOf(effect), terminal)
}

function cells({ state, type, target, source, created, key, message }: EffectView): Cell[] {
  const age = ageText(Date.now() - Date.parse(created))
  return [state, type, target, source, age, key.slice(0, shownKey), message ?? ""]
}

function factsOf({ key, source, type, target, state, attempts, created, ended, code, message }: EffectView) {
  const facts: [string, string][] = [
    ["Key", key],
    ["Effect", `${type} to ${visible(target)}`],
    ["Of", visible(source)],
    ["State", state],
    ["Attempts", String(attempts)],
    ["Made", created],
  ]
  if (ended !== undefined) facts.push(["Ended", ended])
  if (message !== undefined)
    facts.push(["Why", `${visible(message)}${code === undefined ? "" : ` (${visible(code)})`}`])
  return facts
}

async function* first<Item>(items: AsyncIterable<Item>, limit: number): AsyncGenerator<Item> {
  let count = 0
  for await (const item of items) {
    yield item
    if (++count >= limit) return
  }
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usageError(`--limit ${JSON.stringify(text)} is no whole number from 1 on`, "Write it like --limit 100.")
}

function oneOf<Word extends string>(words: readonly Word[], text: string, flag: string): Word {
  const word = words.find((one) => one === text)
  if (word !== undefined) return word
  throw usageError(
    `${flag} ${JSON.stringify(text)} is none of ${words.join(", ")}`,
    `Write it like ${flag} ${words[0]}.`,
  )
}
