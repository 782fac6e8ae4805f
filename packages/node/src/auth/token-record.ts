/** A token as it lies in the log, and how one is made. */
import { hash as digest, timingSafeEqual } from "node:crypto"
import type { Clock, KeyedRecord, Principal, Random, TokenInfo, TokenRequest } from "@brume/core"
import { scopes } from "@brume/core"
import { documentOf, parseDocument } from "./revocable-table.ts"

export const tokenPrefix = "token/"

/** A token in memory. */
export interface TokenEntry {
  readonly info: TokenInfo
  readonly principal: Principal
  /** SHA-256 of the whole secret. */
  readonly hash: Uint8Array
  /** Made by the node itself at its first start or by a reset. */
  readonly selfMade: boolean
}

export type TokenRecord = { readonly token: TokenEntry } | { readonly revoked: number }

/** What the record says, as JSON. */
interface StoredToken {
  readonly name: string
  readonly scopes: TokenInfo["scopes"]
  readonly devices?: readonly string[]
  readonly created: number
  readonly expires?: number
  readonly hash: string
  readonly selfMade?: true
}

/** Crockford's base 32: no letter is taken for another when an id is read aloud. */
const letters = "0123456789abcdefghjkmnpqrstvwxyz"
const idLength = 12
const secretBytes = 32

/** Longest secret that is looked at; ours have 62 characters. */
export const longestSecret = 128

export interface MakeTokenOptions {
  readonly clock: Clock
  readonly random: Random
  readonly selfMade?: boolean
}

export function makeToken(
  request: TokenRequest,
  { clock, random, selfMade = false }: MakeTokenOptions,
): { readonly entry: TokenEntry; readonly secret: string; readonly record: KeyedRecord } {
  const id = Array.from(random.bytes(idLength), (byte) => letters[byte % letters.length]).join("")
  const secret = `brume_${id}_${Buffer.from(random.bytes(secretBytes)).toString("base64url")}`
  const hash = hashSecret(secret)
  const stored: StoredToken = {
    name: request.name,
    scopes: request.scopes,
    ...(request.devices === undefined ? {} : { devices: request.devices }),
    created: clock.now(),
    ...(request.expires === undefined ? {} : { expires: request.expires }),
    hash: Buffer.from(hash).toString("hex"),
    ...(selfMade ? { selfMade } : {}),
  }
  return { entry: entryOf(id, stored), secret, record: documentOf(tokenPrefix + id, stored) }
}

/** undefined when the record is not what this module writes. */
export function readRecord(key: string, value: Uint8Array): TokenRecord | undefined {
  const stored = parseDocument(value)
  if (stored === undefined) return undefined
  if ("revoked" in stored) return { revoked: Number(stored.revoked) }
  return isStoredToken(stored) ? { token: entryOf(key.slice(tokenPrefix.length), stored) } : undefined
}

/** The id that a secret claims to belong to; undefined when it is no secret of ours. */
export function claimedId(secret: string): string | undefined {
  if (secret.length > longestSecret) return undefined
  const parts = /^brume_([0-9a-z]{1,32})_/.exec(secret)
  return parts?.[1]
}

const nobody = new Uint8Array(32)

/** A2: compares with a hash that nothing has when there is no token, so that the time is the same. */
export function matches(entry: TokenEntry | undefined, secret: string): boolean {
  return timingSafeEqual(entry?.hash ?? nobody, hashSecret(secret.slice(0, longestSecret))) && entry !== undefined
}

function hashSecret(secret: string): Uint8Array {
  return digest("sha256", secret, "buffer")
}

function entryOf(id: string, stored: StoredToken): TokenEntry {
  const { name, scopes, devices, created, expires, hash, selfMade = false } = stored
  const info: TokenInfo = {
    id,
    name,
    scopes,
    ...(devices === undefined ? {} : { devices }),
    created,
    ...(expires === undefined ? {} : { expires }),
  }
  const principal: Principal = { tokenId: id, name, scopes, devices }
  return { info, principal, hash: Buffer.from(hash, "hex"), selfMade }
}

function isStoredToken(stored: object): stored is StoredToken {
  const { name, scopes: given, devices, created, expires, hash } = stored as Partial<Record<keyof StoredToken, unknown>>
  const isTexts = (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((item) => typeof item === "string")
  return (
    typeof name === "string" &&
    isTexts(given) &&
    given.every((scope) => scopes.some((known) => known === scope)) &&
    (devices === undefined || isTexts(devices)) &&
    typeof created === "number" &&
    (expires === undefined || typeof expires === "number") &&
    typeof hash === "string" &&
    /^[0-9a-f]{64}$/.test(hash)
  )
}
