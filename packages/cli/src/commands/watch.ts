/** `brume watch`: readings as they become durable. */
import type { LiveGap, LiveReading, LiveState } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import { Ended, type Terminal } from "../terminal.ts"
import { textWidth, visible } from "../text-width.ts"
import { valueText } from "./get.ts"

export interface WatchFlags extends ConnectionFlags {
  readonly property?: readonly string[]
  readonly count?: string
  readonly json?: boolean
}

export async function watch(
  [devices]: readonly [readonly string[]],
  flags: WatchFlags,
  terminal: Terminal,
): Promise<void> {
  const { out, notes, signal } = terminal
  const isJson = flags.json === true
  const count = flags.count === undefined ? Number.POSITIVE_INFINITY : countOf(flags.count)
  const client = await connect(flags, terminal)
  // Said first: a token that is refused, or an address where nobody answers, is not worth waiting for.
  await client.status({ signal })
  const tell = (text: string): void => void notes.write(`${notes.paint.dim(text)}\n`)
  const live = client.live(
    {
      ...(devices.length === 0 ? {} : { devices }),
      ...(flags.property === undefined ? {} : { properties: flags.property }),
    },
    { signal, onState: (state) => tellState(state, tell), onGap: (gap) => tellGap(gap, tell) },
  )
  const line = isJson ? (reading: LiveReading) => JSON.stringify(reading) : createLiner(terminal)
  let shown = 0
  for await (const reading of live) {
    await out.write(`${line(reading)}\n`)
    if (++shown >= count) return
  }
  // Ctrl-C is how one leaves; SIGTERM and a reader that went away keep their own codes.
  if (signal.reason instanceof Ended && signal.reason.exitCode !== 130) throw signal.reason
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw usageError(`--count ${JSON.stringify(text)} is no whole number from 1 on`, "Write it like --count 10.")
}

/** Columns that grow with what they have shown, so that lines stay below each other. */
function createLiner({ out: { paint } }: Terminal): (reading: LiveReading) => string {
  const widths = [0, 0]
  const padded = (text: string, place: 0 | 1): string => {
    const width = Math.max(widths[place] ?? 0, Math.min(textWidth(text), 40))
    widths[place] = width
    return text + " ".repeat(Math.max(0, width - textWidth(text)))
  }
  return (reading) => {
    const tags = reading.tags === "{}" ? "" : `  ${paint.dim(visible(reading.tags))}`
    const doubt = reading.quality === 0 ? "" : `  ${paint.yellow(`quality ${reading.quality}`)}`
    const device = paint.cyan(padded(visible(reading.device), 0))
    const property = padded(visible(reading.property), 1)
    return `${paint.dim(reading.time)}  ${device}  ${property}  ${visible(valueText(reading))}${tags}${doubt}`
  }
}

export function tellState(state: LiveState, tell: (text: string) => void): void {
  if (state.state === "connecting" && state.attempt > 1) tell(`connecting, attempt ${state.attempt}`)
  else if (state.state === "closed" && state.retryInMs !== undefined) {
    tell(`${state.reason?.message ?? "closed"}; next attempt in ${(state.retryInMs / 1_000).toFixed(1)} s`)
  }
}

function tellGap({ reason, from, to, count, after }: LiveGap, tell: (text: string) => void): void {
  const what = count === undefined ? "readings may be missing" : `${count} readings are missing`
  const why = reason === "slow" ? "this reader is too slow" : "there was no connection"
  const condition = after === undefined ? `received >= '${from}'` : `epoch = '${after.epoch}' AND seq > ${after.seq}`
  tell(
    `gap: ${what} between ${from} and ${to}, as ${why}. They are on the node: SELECT * FROM readings WHERE ${condition}`,
  )
}
