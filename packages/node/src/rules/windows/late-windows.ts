/** Windows that were told and got late readings since: what is to be told again (`late: update`). */
import type { Group } from "./groups.ts"

export interface LateWindow {
  readonly group: Group
  /** Of a session: the time of a late reading in it. µs since 1970 UTC. */
  readonly startUs: number
}

export class LateWindows {
  readonly #windows = new Map<string, LateWindow>()
  readonly #most: number
  /** Sequences of the earliest readings: of what waits, and of what was taken out to be told. */
  #fromSeq = Number.POSITIVE_INFINITY
  #takenFromSeq = Number.POSITIVE_INFINITY

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#windows.size
  }

  /** Infinite where nothing waits. */
  get waitingFromSeq(): number {
    return this.#fromSeq
  }

  /** Sequence of the earliest reading that is in no result yet. */
  get fromSeq(): number | undefined {
    const first = Math.min(this.#fromSeq, this.#takenFromSeq)
    return first === Number.POSITIVE_INFINITY ? undefined : first
  }

  /** False where there are as many as the limit allows. */
  add(group: Group, startUs: number, seq: number): boolean {
    const key = `${startUs} ${group.device ?? ""}\u0000${group.property ?? ""}`
    if (!this.#windows.has(key) && this.#windows.size >= this.#most) return false
    this.#windows.set(key, { group, startUs })
    this.#fromSeq = Math.min(this.#fromSeq, seq)
    return true
  }

  /** Takes all of them out; {@link told} or {@link giveBack} has to follow. */
  take(): readonly LateWindow[] {
    const windows = [...this.#windows.values()]
    this.#takenFromSeq = this.#fromSeq
    this.#windows.clear()
    this.#fromSeq = Number.POSITIVE_INFINITY
    return windows
  }

  told(): void {
    this.#takenFromSeq = Number.POSITIVE_INFINITY
  }

  giveBack(windows: readonly LateWindow[]): void {
    for (const { group, startUs } of windows) this.add(group, startUs, this.#takenFromSeq)
    this.told()
  }
}
