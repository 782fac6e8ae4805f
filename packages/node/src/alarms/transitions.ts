/** What happens to an alarm when something is done with it. Pure. */
import type { AlarmAction, AlarmChange, AlarmInfo, Effect } from "@brume/core"

export interface Transition {
  readonly after: AlarmInfo
  /** Undefined where nothing happened that anybody has to hear of: it was raised again as it was. */
  readonly change: AlarmChange | undefined
}

/** What a person does. */
export interface Deed {
  readonly time: number
  readonly by: string
  readonly note: string | undefined
}

export function idOf({ alarm, device }: Pick<AlarmAction, "alarm" | "device">): string {
  return device === undefined ? alarm : `${alarm}@${device}`
}

/** A raised alarm that is raised again counts, and takes over what is said of it: nobody is told of more than severity. */
export function raise(before: AlarmInfo | undefined, effect: Effect<AlarmAction>, now: number): Transition {
  const { source, action } = effect
  const { alarm, device, severity = "warning", message = alarm } = action
  const said = { severity, message: cut(message), source, count: (before?.count ?? 0) + 1 }
  if (before?.state === "raised")
    return { after: { ...before, ...said }, change: before.severity === severity ? undefined : "changed" }
  const named = { id: idOf(action), alarm, ...(device === undefined ? {} : { device }) }
  const silenced = before?.silenced === undefined ? {} : { silenced: before.silenced }
  return { after: { ...named, state: "raised", ...said, raised: now, ...silenced }, change: "raised" }
}

/** Undefined where it is not raised. */
export function clear(before: AlarmInfo | undefined, now: number): Transition | undefined {
  if (before?.state !== "raised") return undefined
  return { after: { ...before, state: "cleared", cleared: now }, change: "cleared" }
}

export function acknowledge(before: AlarmInfo, deed: Deed): Transition {
  return { after: { ...before, acknowledged: noteOf(deed) }, change: "acknowledged" }
}

/** @param until at most `deed.time` ends a silence */
export function silence(before: AlarmInfo, until: number, deed: Deed): Transition | undefined {
  if (until > deed.time) return { after: { ...before, silenced: { ...noteOf(deed), until } }, change: "silenced" }
  if (before.silenced === undefined || before.silenced.until <= deed.time) return undefined
  const { silenced: _silenced, ...after } = before
  return { after, change: "unsilenced" }
}

/** As it is shown: a silence that is over is none. */
export function shownAt(alarm: AlarmInfo, now: number): AlarmInfo {
  if (alarm.silenced === undefined || alarm.silenced.until > now) return alarm
  const { silenced: _silenced, ...rest } = alarm
  return rest
}

/** Longest message that is kept, UTF-16 code units. */
const maxMessageLength = 1_000

function cut(message: string): string {
  return message.length <= maxMessageLength ? message : `${message.slice(0, maxMessageLength - 1)}…`
}

function noteOf({ time, by, note }: Deed) {
  return { time, by, ...(note === undefined ? {} : { note }) }
}
