/** Twins: what each device should be, and what it says it is. */
import type { Json } from "./query.ts"
import { expectObject, type Transport } from "./transport.ts"

/** One half of a twin. */
export interface TwinStateView {
  /** Grows by one with each change; 0 where nothing was ever said. */
  readonly version: number
  readonly values: { readonly [name: string]: Json }
  /** When it last changed, ISO 8601; missing where it never did. */
  readonly time?: string
}

export interface TwinView {
  readonly device: string
  readonly desired: TwinStateView
  readonly reported: TwinStateView
  /** What is desired and not reported so. */
  readonly delta: { readonly [name: string]: Json }
}

export interface TwinRoom {
  /** Throws `twin_not_found`. */
  get(device: string, options?: { readonly signal?: AbortSignal }): Promise<TwinView>
  /**
   * Merges a patch (RFC 7396: null removes a member) into what is desired; durable when it resolves, and retained for the
   * device. Throws `twin_invalid`, and `twin_conflict` where another version than `ifVersion` is in force.
   */
  set(
    device: string,
    desired: { readonly [name: string]: Json },
    options?: { readonly ifVersion?: number; readonly signal?: AbortSignal },
  ): Promise<TwinView>
}

export function createTwins(transport: Transport): TwinRoom {
  const pathOf = (device: string): string => `v1/devices/${encodeURIComponent(device)}/twin`
  const viewOf = (answer: unknown): TwinView => expectObject(answer, transport.base) as unknown as TwinView
  return {
    async get(device, { signal } = {}) {
      return viewOf(await transport.json({ method: "GET", path: pathOf(device), isIdempotent: true, signal }))
    },
    async set(device, desired, { ifVersion, signal } = {}) {
      const answer = await transport.json({
        method: "PATCH",
        path: pathOf(device),
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ desired, ...(ifVersion === undefined ? {} : { ifVersion }) }),
        // The same patch again changes nothing; with a version its second attempt would be a conflict.
        isIdempotent: ifVersion === undefined,
        signal,
      })
      return viewOf(answer)
    },
  }
}
