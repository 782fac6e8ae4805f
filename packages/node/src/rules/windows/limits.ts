/** The written limits of windows (V5), and what counts the bytes. */

export interface WindowLimits {
  /** Devices, or whatever the windows of one rule are by, that have open windows at once. */
  readonly groups: number
  /** Parts of windows (panes of a group, sessions) of one rule that hold readings at once. */
  readonly cells: number
  /** Values of one window that are kept for exact quantiles. */
  readonly exactValues: number
  /** Bytes that the windows of all rules hold. */
  readonly bytes: number
  /** Late windows of one rule that wait for their next result. */
  readonly lateWindows: number
  /** Results that wait for a store that takes nothing. */
  readonly results: number
  /** Stored readings that are read again for one rule after a start. */
  readonly rebuiltReadings: number
}

export const defaultWindowLimits: WindowLimits = {
  groups: 10_000,
  cells: 200_000,
  exactValues: 10_000,
  bytes: 256 * 2 ** 20,
  lateWindows: 10_000,
  results: 100_000,
  rebuiltReadings: 20_000_000,
}

/** Bytes that may be held, and are. */
export class Budget {
  used = 0
  readonly #most: number
  readonly #all: Budget | undefined

  /** @param all what it is a part of */
  constructor(most: number, all?: Budget) {
    this.#most = most
    this.#all = all
  }

  /** False where there are not so many left. */
  take(bytes: number): boolean {
    if (this.used + bytes > this.#most || this.#all?.take(bytes) === false) return false
    this.used += bytes
    return true
  }

  give(bytes: number): void {
    this.used -= bytes
    this.#all?.give(bytes)
  }

  /** All that was taken. */
  release(): void {
    this.give(this.used)
  }
}
