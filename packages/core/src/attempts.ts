/**
 * Counts failed authentications per name (an address, or an address and a username), so that a stranger who tries
 * secrets costs little and shows in the log. What a failure beyond the limit means is the caller's decision.
 */
import type { Clock } from "./ambient.ts"

export interface Attempts {
  /** Counts a failure; true when the name has had too many in this window. */
  failed(name: string): boolean
  /** Whether the next failure would be beyond the limit. */
  isSpent(name: string): boolean
}

export interface AttemptOptions {
  readonly clock: Clock
  /** Failures of one name in one window that are answered as such. */
  readonly limit: number
  readonly windowMs: number
  /** Most names remembered; the oldest window is forgotten first. */
  readonly maxNames: number
}

interface Window {
  readonly start: number
  failures: number
}

export function createAttempts({ clock, limit, windowMs, maxNames }: AttemptOptions): Attempts {
  const windows = new Map<string, Window>()
  const current = (name: string): Window | undefined => {
    const window = windows.get(name)
    return window === undefined || clock.monotonic() - window.start >= windowMs ? undefined : window
  }
  return {
    failed(name) {
      let window = current(name)
      if (window === undefined) {
        windows.delete(name)
        if (windows.size >= maxNames) windows.delete(windows.keys().next().value!)
        window = { start: clock.monotonic(), failures: 0 }
        windows.set(name, window)
      }
      window.failures++
      return window.failures > limit
    },
    isSpent: (name) => (current(name)?.failures ?? 0) >= limit,
  }
}
