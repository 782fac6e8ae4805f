/**
 * Passwords of devices, as they are stored and compared.
 *
 * A password that a person chose is hashed with scrypt, whose parameters and salt stand beside it. One that the node made
 * has 256 random bits: no dictionary helps against it, so that one SHA-256 is enough, and a restarted node takes all its
 * devices back without minutes of hashing.
 */
import { hash as digest, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto"
import type { Random } from "@brume/core"

export type StoredPassword = SlowHash | FastHash

/** scrypt, RFC 7914. Bytes are in hex. */
export interface SlowHash {
  readonly kind: "scrypt"
  readonly n: number
  readonly r: number
  readonly p: number
  readonly salt: string
  readonly hash: string
}

/** SHA-256 of salt and password. */
export interface FastHash {
  readonly kind: "sha256"
  readonly salt: string
  readonly hash: string
}

export type Cost = Pick<SlowHash, "n" | "r" | "p">

/** 32 MiB of memory and some 140 ms for each comparison. */
export const defaultCost: Cost = { n: 2 ** 15, r: 8, p: 1 }

/** A record may ask for no more than this: 256 MiB. */
const mostMemoryBytes = 2 ** 28
const saltBytes = 16
const hashBytes = 32

/** 256 random bits in letters that survive shells, URLs and configuration files. */
export function makePassword(random: Random): string {
  return Buffer.from(random.bytes(32)).toString("base64url")
}

export function fastHash(password: Uint8Array, random: Random): FastHash {
  const salt = hex(random.bytes(saltBytes))
  return { kind: "sha256", salt, hash: hex(saltedDigest(salt, password)) }
}

export function isFastMatch(password: Uint8Array, { salt, hash }: FastHash): boolean {
  return timingSafeEqual(Buffer.from(hash, "hex"), saltedDigest(salt, password))
}

export async function slowHash(password: Uint8Array, cost: Cost, random: Random): Promise<SlowHash> {
  const salt = random.bytes(saltBytes)
  return { kind: "scrypt", ...cost, salt: hex(salt), hash: hex(await derive(password, salt, cost)) }
}

export async function isSlowMatch(password: Uint8Array, stored: SlowHash): Promise<boolean> {
  const derived = await derive(password, Buffer.from(stored.salt, "hex"), stored)
  return timingSafeEqual(Buffer.from(stored.hash, "hex"), derived)
}

/** A hash that no password has, for who does not exist: comparing with it takes as long. */
export function nobodysHash(cost: Cost): SlowHash {
  return { kind: "scrypt", ...cost, salt: "00".repeat(saltBytes), hash: "00".repeat(hashBytes) }
}

export function isStoredPassword(value: unknown): value is StoredPassword {
  if (typeof value !== "object" || value === null) return false
  const { kind, salt, hash, n, r, p } = value as Partial<Record<keyof SlowHash, unknown>>
  if (!isHex(salt, saltBytes) || !isHex(hash, hashBytes)) return false
  if (kind === "sha256") return true
  if (kind !== "scrypt" || !isCount(n) || !isCount(r) || !isCount(p)) return false
  return (n & (n - 1)) === 0 && n > 1 && 128 * n * r <= mostMemoryBytes && p <= 16
}

function derive(password: Uint8Array, salt: Uint8Array, { n, r, p }: Cost): Promise<Buffer> {
  // The limit that Node.js sets by itself is just below what the default cost needs.
  const options: ScryptOptions = { N: n, r, p, maxmem: 2 * mostMemoryBytes }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hashBytes, options, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}

function saltedDigest(salt: string, password: Uint8Array): Buffer {
  return digest("sha256", Buffer.concat([Buffer.from(salt, "hex"), password]), "buffer")
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}

function isHex(value: unknown, bytes: number): boolean {
  return typeof value === "string" && value.length === 2 * bytes && /^[0-9a-f]+$/.test(value)
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 2 ** 24
}
