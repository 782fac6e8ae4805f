/** Alarms: conditions that somebody should know of until they are over. Times are µs since 1970 UTC. */
import type { Severity } from "./effects.ts"

export interface AlarmInfo {
  /** `<alarm>`, or `<alarm>@<device>`. */
  readonly id: string
  readonly alarm: string
  readonly device?: string
  readonly state: "raised" | "cleared"
  readonly severity: Severity
  readonly message: string
  /** Who raised it last: `rule/<name>`. */
  readonly source: string
  /** When its present or last life began. */
  readonly raised: number
  readonly cleared?: number
  /** How often it was raised so far. */
  readonly count: number
  readonly acknowledged?: AlarmNote
  readonly silenced?: AlarmNote & { readonly until: number }
}

/** Who did something, when, and what they said of it. */
export interface AlarmNote {
  readonly time: number
  /** The token's name. */
  readonly by: string
  readonly note?: string
}

export const alarmChanges = ["raised", "changed", "acknowledged", "silenced", "unsilenced", "cleared"] as const
export type AlarmChange = (typeof alarmChanges)[number]

/** One thing that happened to an alarm. */
export interface AlarmEvent {
  /** Grows with each event. */
  readonly number: number
  readonly time: number
  readonly change: AlarmChange
  /** `rule/<name>`, or the name of a token. */
  readonly by: string
  readonly note?: string
  /** As it was right after. */
  readonly alarm: AlarmInfo
}

/** What people do to alarms. All is durable when a promise resolves. */
export interface Alarms {
  /** Those that are raised first, then by time, newest first. */
  list(): readonly AlarmInfo[]
  get(id: string): AlarmInfo | undefined
  /** Newest first; of one alarm where an id is given. */
  history(options: { readonly id?: string; readonly before?: number; readonly limit: number }): readonly AlarmEvent[]
  /** Throws `alarm_not_found`, as all that follow. */
  acknowledge(id: string, by: string, note?: string): Promise<AlarmInfo>
  /** Stays over clearing and raising until its end; `until` not after now ends it. Throws `alarm_invalid`. */
  silence(id: string, until: number, by: string, note?: string): Promise<AlarmInfo>
  clear(id: string, by: string, note?: string): Promise<AlarmInfo>
  /** Called when an event is durable, in order. Must not throw. Returns the function that ends the subscription. */
  onEvent(listener: (event: AlarmEvent) => void): () => void
}
