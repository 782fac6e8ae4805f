/** The tokens of a node in memory. */
import type { Principal, TokenInfo } from "@brume/core"
import { FogError } from "@brume/core"
import { RevocableTable } from "./revocable-table.ts"
import { claimedId, matches, type TokenEntry, type TokenRecord, tokenPrefix } from "./token-record.ts"

export class TokenTable extends RevocableTable<TokenEntry> {
  #isNew = true

  constructor() {
    super(tokenPrefix)
  }

  /** Whether no token was ever made here. */
  get isNew(): boolean {
    return this.#isNew
  }

  get hasAdmin(): boolean {
    return this.list().some((info) => info.scopes.includes("admin"))
  }

  load(key: string, record: TokenRecord | undefined): void {
    this.#isNew = false
    if (record === undefined) return
    const id = key.slice(tokenPrefix.length)
    if ("token" in record) this.set(id, record.token)
    else this.loadTombstone(id, record.revoked)
  }

  override set(id: string, entry: TokenEntry): void {
    this.#isNew = false
    super.set(id, entry)
  }

  authenticate(secret: string, now: number): Principal | undefined {
    const id = claimedId(secret)
    const entry = id === undefined ? undefined : this.get(id)
    if (!matches(entry, secret) || entry === undefined) return undefined
    return isExpired(entry.info, now) ? undefined : entry.principal
  }

  /** Oldest first. */
  list(): TokenInfo[] {
    const valid = [...this.inForce()].map((entry) => entry.info)
    return valid.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
  }

  /** Ids of the tokens that the node made by itself. */
  selfMade(): string[] {
    return [...this.inForce()].filter((entry) => entry.selfMade).map((entry) => entry.info.id)
  }

  /** Takes a place for a token that is being made. */
  reservePlace(limit: number): void {
    if (!this.reserve(limit))
      throw new FogError("token_invalid", {
        message: `This node has ${this.size} tokens already, and auth.maxTokens allows no more`,
        hint: "Revoke tokens that nobody uses, or raise auth.maxTokens.",
      })
  }
}

export function isExpired({ expires }: TokenInfo, now: number): boolean {
  return expires !== undefined && now >= expires
}
