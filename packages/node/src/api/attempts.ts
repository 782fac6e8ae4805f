/**
 * Counts failed authentications per address, so that a stranger who tries secrets costs little and shows in the log.
 *
 * It never stands in the way of a right secret: behind one address there may be many clients, and one of them with an
 * old token must not lock out the others. Guessing is no danger, as a secret has at least 128 random bits.
 */
import type { Clock } from "@brume/core"

export interface Attempts {
  /** Counts a failure; true when the address has had too many in this window. */
  failed(address: string): boolean
}

export interface AttemptOptions {
  readonly clock: Clock
  /** Failures of one address in one window that are answered as such. */
  readonly limit: number
  readonly windowMs: number
  /** Most addresses remembered; the oldest window is forgotten first. */
  readonly maxAddresses: number
}

interface Window {
  readonly start: number
  failures: number
}

export function createAttempts(options: AttemptOptions): Attempts {
  const windows = new Map<string, Window>()
  return {
    failed(address) {
      const now = options.clock.monotonic()
      let window = windows.get(address)
      if (window === undefined || now - window.start >= options.windowMs) {
        windows.delete(address)
        if (windows.size >= options.maxAddresses) windows.delete(windows.keys().next().value!)
        window = { start: now, failures: 0 }
        windows.set(address, window)
      }
      window.failures++
      return window.failures > options.limit
    },
  }
}
