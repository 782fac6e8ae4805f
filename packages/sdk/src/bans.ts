/** Bans of a node: what may not connect over MQTT. Needs the scope `admin`. */
import type { BanKind } from "@brume/core"
import { foreignAnswer } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** Times are ISO 8601. */
export interface BanView {
  readonly kind: BanKind
  /** An IP address, a client id or a username. */
  readonly value: string
  readonly created: string
  /** Never ends without it. */
  readonly expires?: string
  readonly reason?: string
}

export interface NewBan {
  readonly kind: BanKind
  readonly value: string
  /** @default never */
  readonly expires?: Date | string
  /** For people. */
  readonly reason?: string
}

export interface BanRoom {
  list(): Promise<BanView[]>
  /** In force at once, also for open connections; replaces an earlier ban of the same. Throws `ban_invalid`. */
  add(ban: NewBan): Promise<BanView>
  /** Throws `ban_not_found`. */
  remove(kind: BanKind, value: string): Promise<void>
}

const path = "v1/bans"

export function createBans(transport: Transport): BanRoom {
  const { base } = transport
  return {
    async list() {
      const answer = expectObject(await transport.json({ method: "GET", path, isIdempotent: true }), base)
      if (!Array.isArray(answer.bans)) throw foreignAnswer(base.href, "its answer has no bans")
      return answer.bans as BanView[]
    },
    async add({ expires, ...ban }) {
      const time = expires instanceof Date ? expires.toISOString() : expires
      const answer = await transport.json({
        method: "POST",
        path,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...ban, ...(time === undefined ? {} : { expires: time }) }),
        isIdempotent: true,
      })
      return expectObject(answer, base) as unknown as BanView
    },
    async remove(kind, value) {
      await transport.json({
        method: "DELETE",
        path: `${path}/${kind}/${encodeURIComponent(value)}`,
        isIdempotent: false,
      })
    },
  }
}
