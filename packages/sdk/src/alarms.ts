/** Alarms of a node: what is raised, what happened, and what people do about it. */
import type { AlarmChange, Severity } from "@brume/core"
import { openAlarms } from "./live/alarms.ts"
import type { LivePort, LiveState, StreamOptions } from "./live/stream.ts"
import { foreignAnswer, isRecord } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** Times are ISO 8601. */
export interface AlarmNote {
  readonly time: string
  /** The token's name. */
  readonly by: string
  readonly note?: string
}

export interface AlarmView {
  /** `<alarm>`, or `<alarm>@<device>`. */
  readonly id: string
  readonly alarm: string
  readonly device?: string
  readonly state: "raised" | "cleared"
  readonly severity: Severity
  readonly message: string
  /** Who raised it last. */
  readonly source: string
  /** When its present or last life began. */
  readonly raised: string
  readonly cleared?: string
  /** How often it was raised so far. */
  readonly count: number
  readonly acknowledged?: AlarmNote
  readonly silenced?: AlarmNote & { readonly until: string }
}

export interface AlarmEventView {
  /** Grows with each event. */
  readonly number: number
  readonly time: string
  readonly change: AlarmChange
  /** `rule/…`, `function/…`, or the name of a token. */
  readonly by: string
  readonly note?: string
  /** As it was right after. */
  readonly alarm: AlarmView
}

/** `alarms` comes first, and again after each interruption: what is raised now. `event` is what happens then. */
export type AlarmUpdate =
  | { readonly type: "alarms"; readonly alarms: readonly AlarmView[]; readonly left: number }
  | { readonly type: "event"; readonly event: AlarmEventView }

/** Iterate it once. Leaving the loop closes it. */
export interface AlarmSubscription extends AsyncIterable<AlarmUpdate>, AsyncDisposable {
  readonly state: LiveState
  /** Idempotent. */
  close(): Promise<void>
}

export interface AlarmHistoryOptions {
  /** Of this alarm alone. @default all */
  readonly id?: string
  /** Events asked for at once. @default the node's page size */
  readonly pageSize?: number
  readonly signal?: AbortSignal
}

export interface AlarmRoom {
  /** Those that are raised first, the newest of them first. */
  list(options?: { readonly state?: AlarmView["state"]; readonly signal?: AbortSignal }): Promise<AlarmView[]>
  /** Throws `alarm_not_found`, as all that follow. */
  get(id: string, options?: { readonly signal?: AbortSignal }): Promise<AlarmView>
  /** The newest first; asks for further pages as you go on. */
  history(options?: AlarmHistoryOptions): AsyncGenerator<AlarmEventView, void, undefined>
  /** Says that somebody sees to it, until it is raised anew. Throws `alarm_invalid` where it is not raised. */
  acknowledge(id: string, options?: { readonly note?: string }): Promise<AlarmView>
  /** Until then nobody wants to be called for it; a time that has passed ends a silence. Throws `alarm_invalid`. */
  silence(id: string, until: Date | string, options?: { readonly note?: string }): Promise<AlarmView>
  /** What raised it may raise it again. */
  clear(id: string, options?: { readonly note?: string }): Promise<AlarmView>
  /**
   * What is raised, and what happens then, over connections that may break.
   *
   * @example
   * ```ts
   * for await (const update of client.alarms.live()) {
   *   if (update.type === "event") console.log(update.event.change, update.event.alarm.id)
   * }
   * ```
   */
  live(options?: StreamOptions): AlarmSubscription
}

const path = "v1/alarms"

export function createAlarms(transport: Transport, port: LivePort): AlarmRoom {
  const { base } = transport
  const pathOf = (id: string): string => `${path}/${encodeURIComponent(id)}`
  const change = async (id: string, verb: string, body: object): Promise<AlarmView> => {
    const headers = { "content-type": "application/json" }
    // Doing it twice is an event more in the history, and nothing else.
    const call = { method: "POST", path: `${pathOf(id)}/${verb}`, headers, isIdempotent: false } as const
    return expectObject(await transport.json({ ...call, body: JSON.stringify(body) }), base) as never
  }
  return {
    async list({ state, signal } = {}) {
      const search = new URLSearchParams(state === undefined ? {} : { state })
      const answer = expectObject(
        await transport.json({ method: "GET", path, search, isIdempotent: true, signal }),
        base,
      )
      if (!Array.isArray(answer.alarms)) throw foreignAnswer(base.href, "its answer has no alarms")
      return answer.alarms as AlarmView[]
    },
    async get(id, { signal } = {}) {
      const answer = await transport.json({ method: "GET", path: pathOf(id), isIdempotent: true, signal })
      return expectObject(answer, base) as never
    },
    async *history({ id, pageSize, signal } = {}) {
      const from = id === undefined ? "v1/alarm-events" : `${pathOf(id)}/history`
      let cursor: string | undefined
      do {
        const search = new URLSearchParams()
        if (pageSize !== undefined) search.set("limit", String(pageSize))
        if (cursor !== undefined) search.set("cursor", cursor)
        const call = { method: "GET", path: from, search, isIdempotent: true, signal } as const
        const page = expectObject(await transport.json(call), base)
        if (!Array.isArray(page.events)) throw foreignAnswer(base.href, "its answer has no events")
        yield* page.events.filter(isRecord) as unknown as AlarmEventView[]
        cursor = typeof page.cursor === "string" ? page.cursor : undefined
      } while (cursor !== undefined)
    },
    acknowledge: (id, options = {}) => change(id, "acknowledge", options),
    silence: (id, until, options = {}) =>
      change(id, "silence", { ...options, until: until instanceof Date ? until.toISOString() : until }),
    clear: (id, options = {}) => change(id, "clear", options),
    live: (options) => openAlarms(port, options),
  }
}
