/** Tokens of a node: who may do what. Needs the scope `admin`. */
import type { Scope } from "@brume/core"
import { foreignAnswer } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** A token as it is listed: never its secret. Times are ISO 8601. */
export interface TokenView {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Device filters; all devices when left out. */
  readonly devices?: readonly string[]
  readonly created: string
  readonly expires?: string
}

export interface NewToken {
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Filters with MQTT wildcards. @default all devices */
  readonly devices?: readonly string[]
  /** @default never */
  readonly expires?: Date | string
}

export interface CreatedToken extends TokenView {
  /** Shown this once; the node keeps only its hash. */
  readonly secret: string
}

export interface TokenRoom {
  list(): Promise<TokenView[]>
  create(token: NewToken): Promise<CreatedToken>
  /** In force at once, also for open live streams. Throws `token_not_found`. */
  revoke(id: string): Promise<void>
}

export function createTokens(transport: Transport): TokenRoom {
  return {
    async list() {
      const answer = expectObject(
        await transport.json({ method: "GET", path: "v1/tokens", isIdempotent: true }),
        transport.base,
      )
      if (!Array.isArray(answer.tokens)) throw foreignAnswer(transport.base.href, "its answer has no tokens")
      return answer.tokens as TokenView[]
    },
    async create({ expires, ...token }) {
      const time = expires instanceof Date ? expires.toISOString() : expires
      const answer = expectObject(
        await transport.json({
          method: "POST",
          path: "v1/tokens",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ ...token, ...(time === undefined ? {} : { expires: time }) }),
          // A second attempt after a lost answer would leave a token whose secret nobody knows.
          isIdempotent: false,
        }),
        transport.base,
      )
      return { ...expectObject(answer.token, transport.base), secret: answer.secret } as CreatedToken
    },
    async revoke(id) {
      await transport.json({ method: "DELETE", path: `v1/tokens/${encodeURIComponent(id)}`, isIdempotent: false })
    },
  }
}
