/**
 * Passwords that were verified a short while ago, so that devices which all come back at once after a network cut cost
 * one HMAC each and not one slow hash. What is kept is an HMAC under a key of this process: it opens nothing elsewhere.
 */
import { createHmac, timingSafeEqual } from "node:crypto"
import type { Clock, Random } from "@brume/core"

export interface VerifiedOptions {
  readonly clock: Clock
  readonly random: Random
  /** How long one is remembered, from its verification or from the end of the connection that it opened. */
  readonly keptMs: number
  /** Beyond them the one that was seen longest ago is forgotten; about 300 bytes each. */
  readonly maxKept: number
}

interface Kept {
  readonly mac: Uint8Array
  /** What it was verified against: another password, or none, is another object. */
  readonly of: object
  until: number
}

export class VerifiedPasswords {
  readonly #options: VerifiedOptions
  readonly #key: Uint8Array
  readonly #kept = new Map<string, Kept>()

  constructor(options: VerifiedOptions) {
    this.#options = options
    this.#key = options.random.bytes(32)
  }

  has(username: string, of: object, password: Uint8Array): boolean {
    const kept = this.#kept.get(username)
    if (kept === undefined || kept.of !== of || this.#options.clock.monotonic() >= kept.until) return false
    return timingSafeEqual(kept.mac, this.#mac(password))
  }

  remember(username: string, of: object, password: Uint8Array): void {
    const { clock, keptMs, maxKept } = this.#options
    this.#kept.delete(username)
    if (this.#kept.size >= maxKept) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(username, { mac: this.#mac(password), of, until: clock.monotonic() + keptMs })
  }

  /** A connection that it opened has ended: until then it was in use. */
  prolong(username: string, of: object): void {
    const kept = this.#kept.get(username)
    if (kept === undefined || kept.of !== of) return
    kept.until = this.#options.clock.monotonic() + this.#options.keptMs
    this.#kept.delete(username)
    this.#kept.set(username, kept)
  }

  #mac(password: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#key).update(password).digest()
  }
}
