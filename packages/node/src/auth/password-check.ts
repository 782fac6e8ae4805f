/**
 * Whether a password is a credential's, at a bounded price.
 *
 * - Q2 A wrong password, an unknown username, a disabled one and one without a password cost the same slow hash: the time
 *   of a refusal tells nothing about who exists.
 * - Q3 Guessing is slow: one username gets `guessLimit` slow hashes a minute from one address, and one at a time; an
 *   address has `addressShare` of them under way, and one when it has failed much. None of this stands in the way of a
 *   password that the node made, or of one that was verified a short while ago: they cost no slow hash.
 */
import { type Attempts, type Clock, createAttempts, type Random } from "@brume/core"
import type { CredentialEntry } from "./credential-record.ts"
import { longestPassword } from "./credential-request.ts"
import type { Hashing } from "./hashing.ts"
import { isFastMatch } from "./password.ts"
import { VerifiedPasswords } from "./verified.ts"

export interface PasswordCheckOptions {
  /** One that may be used now. */
  readonly find: (username: string) => CredentialEntry | undefined
  readonly hashing: Pick<Hashing, "matches">
  /** Of addresses; counted by the caller. */
  readonly failures: Pick<Attempts, "isSpent">
  readonly clock: Clock
  readonly random: Random
}

export interface PasswordGuess {
  readonly username: string
  readonly password: Uint8Array
  readonly address: string
}

export interface PasswordCheck {
  /** The credential whose password it is. */
  check(guess: PasswordGuess): Promise<CredentialEntry | "wrong" | "throttled">
  /** A connection that the credential opened has ended. */
  left(entry: CredentialEntry): void
}

const windowMs = 60_000
const guessLimit = 10
const maxNames = 10_000
/** Slow hashes of one address that wait or run; a quarter of all that may. */
const addressShare = 16
/** A reconnect storm is over by then. */
const verifiedMs = 15 * 60_000
const maxVerified = 50_000

export function createPasswordCheck(options: PasswordCheckOptions): PasswordCheck {
  const { find, hashing, failures, clock } = options
  const guesses = createAttempts({ clock, limit: guessLimit, windowMs, maxNames })
  const verified = new VerifiedPasswords({ ...options, keptMs: verifiedMs, maxKept: maxVerified })
  /** By address and username. */
  const underWay = new Map<string, Promise<boolean>>()
  /** By address. */
  const shares = new Map<string, number>()

  /** What needs no slow hash. */
  const isKnown = (entry: CredentialEntry | undefined, { username, password }: PasswordGuess): boolean => {
    if (entry?.password === undefined) return false
    if (entry.password.kind === "sha256") return isFastMatch(password, entry.password)
    return verified.has(username, entry, password)
  }

  /** Undefined when it may not begin now. */
  const begin = (entry: CredentialEntry | undefined, { password, address }: PasswordGuess, name: string) => {
    const share = shares.get(address) ?? 0
    const most = failures.isSpent(address) ? 1 : addressShare
    if (guesses.isSpent(name) || share >= most) return undefined
    const stored = entry?.password?.kind === "scrypt" ? entry.password : undefined
    const matching = hashing.matches(password, stored)?.finally(() => {
      underWay.delete(name)
      const rest = (shares.get(address) ?? 1) - 1
      if (rest === 0) shares.delete(address)
      else shares.set(address, rest)
    })
    if (matching === undefined) return undefined
    underWay.set(name, matching)
    shares.set(address, share + 1)
    return matching
  }

  return {
    async check(guess) {
      const { username, password, address } = guess
      // Nobody has such a password, so that a quick answer tells nothing.
      if (password.length > longestPassword) return "wrong"
      const name = `${address} ${username}`
      const entry = find(username)
      if (entry !== undefined && isKnown(entry, guess)) return entry
      const before = underWay.get(name)
      if (before !== undefined) {
        // Devices that share a credential come together: what the first one shows is known for the others.
        await before.catch(() => false)
        const current = find(username)
        return current !== undefined && isKnown(current, guess) ? current : "throttled"
      }
      const matching = begin(entry, guess, name)
      if (matching === undefined) return "throttled"
      const isMatch = await matching
      // Changed meanwhile: what was verified is no longer the password.
      if (entry !== undefined && isMatch && find(username) === entry) {
        verified.remember(username, entry, password)
        return entry
      }
      guesses.failed(name)
      return "wrong"
    },
    left: (entry) => verified.prolong(entry.info.username, entry),
  }
}
