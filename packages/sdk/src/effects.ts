/** Effects of rules and functions, and how they ended. */
import type { ActionType, EffectState } from "@brume/core"
import { foreignAnswer, isRecord } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** Times are ISO 8601. */
export interface EffectView {
  /** The same cause gives the same key; webhooks carry it as `Idempotency-Key`. */
  readonly key: string
  /** Who wanted it: `rule/…`, `function/…`. */
  readonly source: string
  readonly type: ActionType
  /** A topic, `device/command`, a function, a host, an alarm. */
  readonly target: string
  /** `failed` was certainly not done; `in-doubt` is what nobody knows of. */
  readonly state: EffectState
  readonly attempts: number
  readonly created: string
  readonly ended?: string
  /** Why it failed or is in doubt. */
  readonly code?: string
  readonly message?: string
}

export interface EffectListOptions {
  readonly state?: EffectState
  readonly type?: ActionType
  /** Only of this rule or function: `rule/too-warm`. */
  readonly source?: string
  /** Effects asked for at once. @default the node's page size */
  readonly pageSize?: number
  readonly signal?: AbortSignal
}

export interface EffectRoom {
  /** The newest first; asks for further pages as you go on. */
  list(options?: EffectListOptions): AsyncGenerator<EffectView, void, undefined>
  /** Throws `effect_not_found`. */
  get(key: string, options?: { readonly signal?: AbortSignal }): Promise<EffectView>
}

export function createEffects(transport: Transport): EffectRoom {
  const { base } = transport
  return {
    async *list({ pageSize, signal, ...filter } = {}) {
      let cursor: string | undefined
      do {
        const search = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== undefined))
        if (pageSize !== undefined) search.set("limit", String(pageSize))
        if (cursor !== undefined) search.set("cursor", cursor)
        const call = { method: "GET", path: "v1/effects", search, isIdempotent: true, signal } as const
        const page = expectObject(await transport.json(call), base)
        if (!Array.isArray(page.effects)) throw foreignAnswer(base.href, "its answer has no effects")
        yield* page.effects.filter(isRecord) as unknown as EffectView[]
        cursor = typeof page.cursor === "string" ? page.cursor : undefined
      } while (cursor !== undefined)
    },
    async get(key, { signal } = {}) {
      const path = `v1/effects/${encodeURIComponent(key)}`
      return expectObject(await transport.json({ method: "GET", path, isIdempotent: true, signal }), base) as never
    },
  }
}
