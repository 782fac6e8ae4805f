/**
 * The alarms that the page knows, kept up to date: asked for once, then live.
 *
 * W1: a change that comes while the list is asked for wins over the list, which may be older.
 */
import { isFogError } from "@brume/sdk"
import type { Alarm, NodePort } from "./node-port.ts"

/** Cleared alarms that are kept to be looked at. */
const maxCleared = 100
const retryMs = 3_000

export class AlarmWatch {
  alarms: readonly Alarm[] = $state.raw([])
  isLoaded: boolean = $state(false)
  failure: Error | undefined = $state.raw(undefined)
  readonly #port: NodePort
  readonly #ending = new AbortController()
  readonly #byId = new Map<string, Alarm>()
  #isFresh = new Set<string>()
  #endLive: (() => void) | undefined

  constructor(port: NodePort) {
    this.#port = port
  }

  get raised(): readonly Alarm[] {
    return this.alarms.filter(({ state }) => state === "raised")
  }

  get cleared(): readonly Alarm[] {
    return this.alarms.filter(({ state }) => state === "cleared")
  }

  start(): void {
    this.#endLive = this.#port.liveAlarms({
      alarm: (alarm) => {
        this.#isFresh.add(alarm.id)
        this.#byId.set(alarm.id, alarm)
        this.#show()
      },
      gap: () => void this.#load(),
    })
    void this.#load()
  }

  /** Idempotent. */
  close(): void {
    this.#ending.abort()
    this.#endLive?.()
  }

  async #load(): Promise<void> {
    const { signal } = this.#ending
    for (;;) {
      this.#isFresh = new Set()
      try {
        const alarms = await this.#port.alarms(signal)
        const isListed = new Set(alarms.map(({ id }) => id))
        for (const id of this.#byId.keys()) if (!isListed.has(id) && !this.#isFresh.has(id)) this.#byId.delete(id)
        // W1
        for (const alarm of alarms) if (!this.#isFresh.has(alarm.id)) this.#byId.set(alarm.id, alarm)
        this.isLoaded = true
        this.failure = undefined
        this.#show()
        return
      } catch (error) {
        if (signal.aborted) return
        this.failure = error as Error
        // A token for some devices alone hears of no alarms.
        if (isFogError(error, "forbidden")) return
        await new Promise((resolve) => setTimeout(resolve, retryMs))
        if (signal.aborted) return
      }
    }
  }

  #show(): void {
    const sorted = [...this.#byId.values()].sort(byUrgency)
    const cleared = sorted.filter(({ state }) => state === "cleared")
    for (const { id } of cleared.slice(maxCleared)) this.#byId.delete(id)
    this.alarms = sorted.filter((alarm) => this.#byId.has(alarm.id))
  }
}

const weight = { critical: 0, warning: 1, info: 2 } as const

/** Raised before cleared, what nobody has seen before what somebody has, then by severity, then the newest. */
function byUrgency(a: Alarm, b: Alarm): number {
  if (a.state !== b.state) return a.state === "raised" ? -1 : 1
  if (a.state === "cleared") return (b.cleared ?? b.raised) - (a.cleared ?? a.raised)
  const seen = Number(a.acknowledgedBy !== undefined) - Number(b.acknowledgedBy !== undefined)
  return seen || weight[a.severity] - weight[b.severity] || b.raised - a.raised
}
