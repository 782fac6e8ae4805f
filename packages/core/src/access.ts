/** Who may do what: scopes of tokens, and the principal that a request acts as. */
import { matchesFilter } from "./topic.ts"

/** `admin` includes all others. */
export const scopes = ["admin", "read", "write"] as const
export type Scope = (typeof scopes)[number]

export interface Principal {
  /** The token's id; `credential/<username>` for a credential, `anonymous` for who came unnamed. */
  readonly tokenId: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Filters with MQTT wildcards; undefined means every device. */
  readonly devices: readonly string[] | undefined
}

export function allows(principal: Principal, scope: Scope): boolean {
  return principal.scopes.includes("admin") || principal.scopes.includes(scope)
}

export function allowsDevice(principal: Principal, device: string): boolean {
  return principal.devices === undefined || principal.devices.some((filter) => matchesFilter(filter, device))
}

/** A token as it is listed: never its secret. Times are µs since 1970 UTC. */
export interface TokenInfo {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly devices?: readonly string[]
  readonly created: number
  readonly expires?: number
}

export interface TokenRequest {
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Device filters; all devices when left out. */
  readonly devices?: readonly string[]
  /** µs since 1970 UTC; never when left out. */
  readonly expires?: number
}

/** The tokens of a node. Only hashes are kept. */
export interface Tokens {
  /** The principal of a secret, or undefined when it is unknown, expired or revoked. Takes the same time either way. */
  authenticate(secret: string): Principal | undefined
  /** Durable when it resolves. The secret is shown this once. */
  create(request: TokenRequest): Promise<{ readonly info: TokenInfo; readonly secret: string }>
  list(): TokenInfo[]
  /** Durable when it resolves. Throws `token_not_found`. */
  revoke(id: string): Promise<void>
}
