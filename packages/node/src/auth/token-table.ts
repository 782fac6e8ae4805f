/** The tokens of a node in memory. */
import type { Principal, TokenInfo } from "@brume/core"
import { FogError } from "@brume/core"
import { claimedId, matches, type TokenEntry, type TokenRecord, tokenPrefix } from "./token-record.ts"

export class TokenTable {
  readonly #entries = new Map<string, TokenEntry>()
  /** Refused from the moment of the call; in `#entries` until that is durable, so that it can be tried again. */
  readonly #revoked = new Set<string>()
  readonly #tombstones = new Map<string, { readonly id: string; readonly revoked: number }>()
  /** Tokens that are being made. */
  #reserved = 0
  #isNew = true

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
    if ("token" in record) this.#entries.set(id, record.token)
    else this.#tombstones.set(id, { id, revoked: record.revoked })
  }

  add(entry: TokenEntry): void {
    this.#isNew = false
    this.#entries.set(entry.info.id, entry)
  }

  authenticate(secret: string, now: number): Principal | undefined {
    const id = claimedId(secret)
    const entry = id === undefined ? undefined : this.#entries.get(id)
    if (!matches(entry, secret) || entry === undefined) return undefined
    const { expires } = entry.info
    if (this.#revoked.has(entry.info.id) || (expires !== undefined && now >= expires)) return undefined
    return entry.principal
  }

  /** Oldest first. */
  list(): TokenInfo[] {
    const valid = [...this.#entries.values()].filter((entry) => !this.#revoked.has(entry.info.id))
    return valid.map((entry) => entry.info).sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
  }

  /** Ids of the tokens that the node made by itself. */
  selfMade(): string[] {
    return [...this.#entries.values()].filter((entry) => entry.selfMade).map((entry) => entry.info.id)
  }

  /** Takes a place for a token that is being made. */
  reserve(limit: number): void {
    if (this.#entries.size + this.#reserved >= limit)
      throw new FogError("token_invalid", {
        message: `This node has ${this.#entries.size} tokens already, and auth.maxTokens allows no more`,
        hint: "Revoke tokens that nobody uses, or raise auth.maxTokens.",
      })
    this.#reserved++
  }

  release(): void {
    this.#reserved--
  }

  /** Refuses the token from now on. undefined when there is none. */
  revoke(id: string): TokenEntry | undefined {
    const entry = this.#entries.get(id)
    if (entry !== undefined) this.#revoked.add(id)
    return entry
  }

  /** After its revocation is durable. */
  remove(id: string): void {
    this.#entries.delete(id)
    this.#revoked.delete(id)
  }

  /** Remembers new tombstones; returns the ids of the oldest ones, which are to be forgotten. */
  bury(ids: readonly string[], { now, most }: { readonly now: number; readonly most: number }): string[] {
    for (const id of ids) this.#tombstones.set(id, { id, revoked: now })
    const excess = this.#tombstones.size - most
    if (excess <= 0) return []
    const oldestFirst = [...this.#tombstones.values()].sort((a, b) => a.revoked - b.revoked)
    const forgotten = oldestFirst.slice(0, excess).map(({ id }) => id)
    for (const id of forgotten) this.#tombstones.delete(id)
    return forgotten
  }
}
