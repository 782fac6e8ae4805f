/**
 * Alarms: conditions that somebody should know of until they are over. Rules and functions raise and clear them as
 * effects; people acknowledge, silence and clear them.
 *
 * - A1 An alarm and the event of its change are one commit, for effects that of their cause; nobody sees or hears of a
 *   change before it is durable.
 * - A2 The same effect changes an alarm once. Raising what is raised counts, and may change message and severity: only a
 *   changed severity is an event, so that a rule that fires at each reading is heard once.
 * - A3 Acknowledging is for one life of an alarm: when it is raised anew it is unacknowledged. A silence lasts until its
 *   end, whatever is raised and cleared meanwhile.
 * - A4 Alarms and events are bounded in number: the one that was cleared first makes room, and the oldest events.
 *
 * It sends nothing to anybody: that is what rules' other actions are for. Who listens hears all, also what is silenced.
 */
import {
  type AlarmAction,
  type AlarmEvent,
  type AlarmInfo,
  type Alarms,
  type Clock,
  type Effect,
  FogError,
  type KeyedRecord,
  type Logger,
  type Metrics,
  nameProblem,
  type Planned,
  type PlannedAction,
  type Planner,
  type Store,
  severities,
} from "@brume/core"
import { alarmRecord, decodeAlarm, eventRecord, isAlarmKey, noAlarmRecord } from "./alarm-record.ts"
import { History } from "./history.ts"
import { acknowledge, clear, type Deed, idOf, raise, shownAt, silence, type Transition } from "./transitions.ts"

export interface AlarmLimits {
  /** Raised and cleared ones. Costs about 1 kB each here and in the store. @default 10000 */
  readonly maxAlarms: number
  /** Costs about 600 B each in the store. @default 10000 */
  readonly maxEvents: number
}

export interface AlarmsOptions {
  readonly store: Pick<Store, "put" | "get" | "entries">
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly limits?: Partial<AlarmLimits>
}

export interface OpenedAlarms extends Alarms {
  readonly plan: Planner<AlarmAction>
}

const defaultLimits: AlarmLimits = { maxAlarms: 10_000, maxEvents: 10_000 }
const maxAlarmLength = 128
const maxNoteLength = 1_000
const maxSilenceUs = 366 * 86_400 * 1_000_000
/** Cleared alarms that are looked at for one that may make room. */
const examinedAtOnce = 16

/** One alarm as it is durable, and as what is on its way to the disk makes it, in order. */
interface Entry {
  durable: AlarmInfo | undefined
  effect: string | undefined
  readonly coming: AlarmInfo[]
}

export function openAlarms(options: AlarmsOptions): OpenedAlarms {
  return new AlarmRoom(options)
}

class AlarmRoom implements OpenedAlarms {
  readonly #options: AlarmsOptions
  readonly #limits: AlarmLimits
  readonly #entries = new Map<string, Entry>()
  /** The one that was cleared first comes first. */
  readonly #cleared = new Set<string>()
  readonly #history: History
  readonly #listeners = new Set<(event: AlarmEvent) => void>()
  readonly #count: (change: string) => void

  constructor(options: AlarmsOptions) {
    const { store, logger, metrics } = options
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#history = new History({ store, logger, maxEvents: this.#limits.maxEvents })
    const cleared: AlarmInfo[] = []
    for (const [key, value] of store.entries("state")) {
      if (!isAlarmKey(key)) continue
      const found = decodeAlarm(value)
      if (found === undefined) {
        logger.error("An alarm's record is unreadable and is left out", { key })
        continue
      }
      const { alarm, effect } = found
      this.#entries.set(alarm.id, { durable: alarm, effect, coming: [] })
      if (alarm.state === "cleared") cleared.push(alarm)
    }
    cleared.sort((a, b) => (a.cleared ?? 0) - (b.cleared ?? 0))
    for (const { id } of cleared) this.#cleared.add(id)
    const events = metrics.counter("brume_alarms_events_total", "What happened to alarms", ["change"])
    this.#count = (change) => events.add(1, { change })
    metrics.gauges("brume_alarms_raised", "Alarms that are raised", "severity", () => this.#raised())
  }

  readonly plan: Planner<AlarmAction> = (effect): PlannedAction => {
    const { action } = effect
    const problem = actionProblem(action)
    if (problem !== undefined) throw invalid(idOf(action), problem)
    const planned = this.#planEffect(effect)
    return { ...(planned ?? nothing), ended: { state: "done" } }
  }

  list(): readonly AlarmInfo[] {
    const now = this.#options.clock.now()
    const alarms: AlarmInfo[] = []
    for (const { durable } of this.#entries.values()) if (durable !== undefined) alarms.push(shownAt(durable, now))
    const rank = ({ state }: AlarmInfo) => (state === "raised" ? 0 : 1)
    return alarms.sort((a, b) => rank(a) - rank(b) || b.raised - a.raised)
  }

  get(id: string): AlarmInfo | undefined {
    const alarm = this.#entries.get(id)?.durable
    return alarm === undefined ? undefined : shownAt(alarm, this.#options.clock.now())
  }

  history(options: { readonly id?: string; readonly before?: number; readonly limit: number }): readonly AlarmEvent[] {
    return this.#history.list(options)
  }

  async acknowledge(id: string, by: string, note?: string): Promise<AlarmInfo> {
    return await this.#do(id, { by, note }, (before, deed) => {
      if (before.state === "raised") return acknowledge(before, deed)
      throw invalid(id, "it is not raised, so there is nothing to acknowledge")
    })
  }

  async silence(id: string, until: number, by: string, note?: string): Promise<AlarmInfo> {
    return await this.#do(id, { by, note }, (before, deed) => {
      if (Number.isSafeInteger(until) && until <= deed.time + maxSilenceUs) return silence(before, until, deed)
      throw invalid(id, "it can be silenced for at most 366 days")
    })
  }

  async clear(id: string, by: string, note?: string): Promise<AlarmInfo> {
    return await this.#do(id, { by, note }, (before, deed) => clear(before, deed.time))
  }

  onEvent(listener: (event: AlarmEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #planEffect(effect: Effect<AlarmAction>): Planned | undefined {
    const id = idOf(effect.action)
    const entry = this.#entries.get(id)
    // A2
    if (entry?.effect === effect.key) return undefined
    const now = this.#options.clock.now()
    const before = newest(entry)
    const transition = effect.action.change === "raise" ? raise(before, effect, now) : clear(before, now)
    if (transition === undefined) return undefined
    return this.#plan(transition, { time: now, by: effect.source, note: undefined }, effect.key)
  }

  async #do(
    id: string,
    { by, note }: Omit<Deed, "time">,
    transitionOf: (before: AlarmInfo, deed: Deed) => Transition | undefined,
  ): Promise<AlarmInfo> {
    const entry = this.#entries.get(id)
    const before = newest(entry)
    if (entry === undefined || before === undefined)
      throw new FogError("alarm_not_found", {
        message: `There is no alarm ${excerpt(id)}`,
        hint: "brume get alarms lists them; a rule makes one when it raises it.",
      })
    if (note !== undefined && note.length > maxNoteLength)
      throw invalid(id, `the note is longer than ${maxNoteLength} characters`)
    const deed = { time: this.#options.clock.now(), by, note }
    const transition = transitionOf(before, deed)
    if (transition === undefined) return shownAt(before, deed.time)
    const planned = this.#plan(transition, deed, entry.effect)
    try {
      await this.#options.store.put(planned.records).durable
    } catch (error) {
      planned.refused()
      throw error
    }
    planned.durable()
    return transition.after
  }

  /** A1 */
  #plan({ after, change }: Transition, { time, by, note }: Deed, effect: string | undefined): Planned {
    const { id } = after
    const leaving = this.#entries.has(id) ? [] : this.#makeRoom(id)
    const entry = this.#entries.get(id) ?? { durable: undefined, effect: undefined, coming: [] }
    this.#entries.set(id, entry)
    const formerEffect = entry.effect
    entry.effect = effect
    entry.coming.push(after)
    const records: KeyedRecord[] = [alarmRecord({ alarm: after, effect })]
    for (const alarm of leaving) records.push(noAlarmRecord(alarm.id))
    let event: AlarmEvent | undefined
    let old: readonly number[] = []
    if (change !== undefined) {
      event = { number: this.#history.take(), time, change, by, ...(note === undefined ? {} : { note }), alarm: after }
      old = this.#history.takeOld()
      records.push(eventRecord(event), ...this.#history.removals(old))
    }
    return {
      records,
      durable: () => {
        this.#arrived(entry, after)
        if (event !== undefined) this.#tell(event, old)
      },
      refused: () => {
        for (const alarm of leaving) this.#restore(alarm)
        remove(entry.coming, after)
        if (entry.coming.length > 0) return
        entry.effect = formerEffect
        if (entry.durable === undefined) this.#entries.delete(id)
      },
    }
  }

  /**
   * A4: the cleared alarms that leave for a new one, at once, so that no other one counts on their room. It is one; two
   * where a refused commit left more than there may be. Throws `alarms_full`.
   */
  #makeRoom(id: string): readonly AlarmInfo[] {
    const { maxAlarms } = this.#limits
    const leaving: AlarmInfo[] = []
    const now = this.#options.clock.now()
    let examined = 0
    for (const cleared of this.#cleared) {
      if (this.#entries.size < maxAlarms || leaving.length >= 2 || examined++ >= examinedAtOnce) break
      const { durable, coming = [] } = this.#entries.get(cleared) ?? {}
      if (durable === undefined || coming.length > 0 || isSilenced(durable, now)) continue
      this.#cleared.delete(cleared)
      this.#entries.delete(cleared)
      leaving.push(durable)
    }
    if (this.#entries.size < maxAlarms || leaving.length > 0) return leaving
    throw new FogError("alarms_full", {
      message: `The alarm ${excerpt(id)} finds no room: ${this.#entries.size} are known and cannot be forgotten, which is the limit`,
      hint: "Clear what is over with brume alarm clear; one rule for many devices can raise one alarm without a device.",
    })
  }

  /** The commit that removed it was refused. */
  #restore(alarm: AlarmInfo): void {
    const entry = this.#entries.get(alarm.id)
    // It may be there as a new one, or on its way.
    if (entry?.durable !== undefined) return
    if (entry === undefined) this.#entries.set(alarm.id, { durable: alarm, effect: undefined, coming: [] })
    else entry.durable = alarm
    this.#cleared.add(alarm.id)
  }

  #arrived(entry: Entry, after: AlarmInfo): void {
    remove(entry.coming, after)
    entry.durable = after
    this.#cleared.delete(after.id)
    if (after.state === "cleared") this.#cleared.add(after.id)
  }

  #tell(event: AlarmEvent, old: readonly number[]): void {
    this.#history.add(event, old)
    this.#count(event.change)
    for (const listener of this.#listeners) listener(event)
  }

  #raised(): Readonly<Record<string, number>> {
    const raised: Record<string, number> = Object.fromEntries(severities.map((severity) => [severity, 0]))
    for (const { durable } of this.#entries.values())
      if (durable?.state === "raised") raised[durable.severity] = (raised[durable.severity] ?? 0) + 1
    return raised
  }
}

const nothing: Planned = { records: [], durable: () => {}, refused: () => {} }

function newest(entry: Entry | undefined): AlarmInfo | undefined {
  return entry?.coming.at(-1) ?? entry?.durable
}

function isSilenced(alarm: AlarmInfo | undefined, now: number): boolean {
  return alarm?.silenced !== undefined && alarm.silenced.until > now
}

function remove<Item>(items: Item[], item: Item): void {
  const at = items.indexOf(item)
  if (at !== -1) items.splice(at, 1)
}

function actionProblem({ alarm, device, severity }: AlarmAction): string | undefined {
  const problem = nameProblem(alarm)
  if (problem !== undefined) return `its name ${problem}`
  if (alarm.length > maxAlarmLength) return `its name is longer than ${maxAlarmLength} characters`
  if (alarm.includes("@")) return "its name has an @, which stands before the device"
  const deviceProblem = device === undefined ? undefined : nameProblem(device)
  if (deviceProblem !== undefined) return `the device's name ${deviceProblem}`
  return severity === undefined || severities.includes(severity)
    ? undefined
    : `its severity is none of ${severities.join(", ")}`
}

function invalid(id: string, why: string): FogError {
  return new FogError("alarm_invalid", {
    message: `The alarm ${excerpt(id)} is not changed: ${why}`,
    hint: "docs/guide/alarms.md says what alarms may be.",
  })
}

function excerpt(text: string): string {
  return JSON.stringify(text.length <= 160 ? text : `${text.slice(0, 159)}…`)
}
