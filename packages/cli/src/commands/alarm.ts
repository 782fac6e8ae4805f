/** Alarms on the command line: listed, described, watched, and what people do about them. */
import type { AlarmEventView, AlarmUpdate, AlarmView, BrumeClient } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { type Cell, type Column, Table } from "../table.ts"
import { Ended, type Terminal } from "../terminal.ts"
import { visible } from "../text-width.ts"
import { ageText, parseSpan } from "../times.ts"
import { writeFacts } from "./describe.ts"
import { writeJsonList } from "./get.ts"
import { tellState } from "./watch.ts"

interface Flags extends ConnectionFlags {
  readonly json?: boolean
}

interface NoteFlags extends Flags {
  readonly note?: string
}

const columns: readonly Column[] = [
  { title: "ALARM" },
  { title: "STATE" },
  { title: "SEVERITY" },
  { title: "SINCE" },
  { title: "MESSAGE", isFlexible: true },
]

/** Events that are shown of one alarm. */
const shownEvents = 20

export async function getAlarms(
  _none: readonly [],
  flags: Flags & { readonly raised?: boolean },
  terminal: Terminal,
): Promise<void> {
  const client = await connect(flags, terminal)
  const { signal } = terminal
  const alarms = await client.alarms.list({ signal, ...(flags.raised === true ? { state: "raised" } : {}) })
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(alarms)}\n`)
  else await new Table(columns, terminal.out).write(alarms.map(cells))
}

export async function describeAlarm([id]: readonly [string], flags: Flags, terminal: Terminal): Promise<void> {
  const client = await connect(flags, terminal)
  const { signal, out } = terminal
  const alarm = await client.alarms.get(id, { signal })
  const history: AlarmEventView[] = []
  for await (const event of client.alarms.history({ id, pageSize: shownEvents, signal }))
    if (history.push(event) >= shownEvents) break
  if (flags.json === true) {
    await out.write(`${JSON.stringify({ alarm, history })}\n`)
    return
  }
  await writeFacts(factsOf(alarm), terminal)
  await out.write("\n")
  const table = new Table(
    [{ title: "TIME" }, { title: "CHANGE" }, { title: "BY" }, { title: "NOTE", isFlexible: true }],
    out,
  )
  await table.write(history.map(({ time, change, by, note }) => [time, change, by, note]))
}

export async function acknowledgeAlarms(
  [ids]: readonly [readonly string[]],
  flags: NoteFlags,
  terminal: Terminal,
): Promise<void> {
  await changeAlarms(ids, { flags, terminal, done: "is acknowledged" }, (client, id) =>
    client.alarms.acknowledge(id, noteOf(flags)),
  )
}

export async function clearAlarms(
  [ids]: readonly [readonly string[]],
  flags: NoteFlags,
  terminal: Terminal,
): Promise<void> {
  await changeAlarms(ids, { flags, terminal, done: "is cleared" }, (client, id) =>
    client.alarms.clear(id, noteOf(flags)),
  )
}

export async function silenceAlarms(
  [ids]: readonly [readonly string[]],
  flags: NoteFlags & { readonly for: string },
  terminal: Terminal,
): Promise<void> {
  const until = new Date(Date.now() + parseSpan(flags.for, "--for"))
  const done = `is silenced until ${until.toISOString()}`
  await changeAlarms(ids, { flags, terminal, done }, (client, id) => client.alarms.silence(id, until, noteOf(flags)))
}

export async function unsilenceAlarms(
  [ids]: readonly [readonly string[]],
  flags: NoteFlags,
  terminal: Terminal,
): Promise<void> {
  await changeAlarms(ids, { flags, terminal, done: "is no longer silenced" }, (client, id) =>
    client.alarms.silence(id, new Date(0), noteOf(flags)),
  )
}

export async function watchAlarms(
  _none: readonly [],
  flags: Flags & { readonly count?: string },
  terminal: Terminal,
): Promise<void> {
  const { out, notes, signal } = terminal
  const count = flags.count === undefined ? Number.POSITIVE_INFINITY : countOf(flags.count)
  const client = await connect(flags, terminal)
  // Said first: a token that is refused, or an address where nobody answers, is not worth waiting for.
  await client.status({ signal })
  const tell = (text: string): void => void notes.write(`${notes.paint.dim(text)}\n`)
  const line = flags.json === true ? (update: AlarmUpdate) => JSON.stringify(update) : liner(terminal)
  let events = 0
  for await (const update of client.alarms.live({ signal, onState: (state) => tellState(state, tell) })) {
    const text = line(update)
    if (text !== "") await out.write(`${text}\n`)
    if (update.type === "event" && ++events >= count) return
  }
  // Ctrl-C is how one leaves; SIGTERM and a reader that went away keep their own codes.
  if (signal.reason instanceof Ended && signal.reason.exitCode !== 130) throw signal.reason
}

interface Change {
  readonly flags: Flags
  readonly terminal: Terminal
  /** What is said of each. */
  readonly done: string
}

async function changeAlarms(
  ids: readonly string[],
  { flags, terminal, done }: Change,
  change: (client: BrumeClient, id: string) => Promise<AlarmView>,
): Promise<void> {
  const client = await connect(flags, terminal)
  const changed = async function* (): AsyncGenerator<AlarmView> {
    for (const id of ids) yield await change(client, id)
  }
  if (flags.json === true) await writeJsonList(changed(), terminal)
  else for await (const { id } of changed()) await terminal.notes.write(`${visible(id)} ${done}.\n`)
}

function noteOf({ note }: NoteFlags): { readonly note?: string } {
  return note === undefined ? {} : { note }
}

function cells(alarm: AlarmView): Cell[] {
  return [alarm.id, stateText(alarm), alarm.severity, sinceText(alarm), alarm.message]
}

/** What somebody who looks at a list wants to know first. */
function stateText({ state, acknowledged, silenced }: AlarmView): string {
  const more = [acknowledged === undefined ? "" : "acknowledged", silenced === undefined ? "" : "silenced"]
  return [state, ...more.filter((word) => word !== "")].join(", ")
}

function sinceText({ raised, cleared }: AlarmView): string {
  return ageText(Date.now() - Date.parse(cleared ?? raised))
}

function factsOf(alarm: AlarmView): [string, string][] {
  const { acknowledged, silenced } = alarm
  const facts: [string, string][] = [
    ["Alarm", visible(alarm.id)],
    ["State", stateText(alarm)],
    ["Severity", alarm.severity],
    ["Message", visible(alarm.message)],
    ["Raised by", visible(alarm.source)],
    ["Raised", alarm.raised],
  ]
  if (alarm.cleared !== undefined) facts.push(["Cleared", alarm.cleared])
  facts.push(["Raised so far", `${alarm.count} times`])
  if (acknowledged !== undefined) facts.push(["Acknowledged", noteText(acknowledged)])
  if (silenced !== undefined) facts.push(["Silenced", `until ${silenced.until}, ${noteText(silenced)}`])
  return facts
}

function noteText({ time, by, note }: { readonly time: string; readonly by: string; readonly note?: string }): string {
  return `by ${visible(by)} at ${time}${note === undefined ? "" : `: ${visible(note)}`}`
}

function liner({ out: { paint } }: Terminal): (update: AlarmUpdate) => string {
  const severityText = ({ severity }: AlarmView): string =>
    severity === "critical" ? paint.red(severity) : severity === "warning" ? paint.yellow(severity) : severity
  const line = (time: string, change: string, alarm: AlarmView): string =>
    `${paint.dim(time)}  ${change.padEnd(12)}  ${paint.cyan(visible(alarm.id))}  ${severityText(alarm)}  ${visible(alarm.message)}`
  return (update) => {
    if (update.type === "alarms") {
      const lines = update.alarms.map((alarm) => line(alarm.raised, "is raised", alarm))
      if (update.left > 0) lines.push(paint.dim(`and ${update.left} more: brume get alarms --raised`))
      return lines.join("\n")
    }
    const { time, change, by, note, alarm } = update.event
    const who = change === "raised" || change === "changed" ? "" : paint.dim(`  by ${visible(by)}`)
    return `${line(time, change, alarm)}${who}${note === undefined ? "" : paint.dim(`: ${visible(note)}`)}`
  }
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw usageError(`--count ${JSON.stringify(text)} is no whole number from 1 on`, "Write it like --count 10.")
}
