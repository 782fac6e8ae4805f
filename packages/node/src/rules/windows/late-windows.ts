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
  /** Sequence of the earliest reading that is in none of the results yet. */
  #fromSeq: number | undefined

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#windows.size
  }

  get fromSeq(): number | undefined {
    return this.#fromSeq
  }

  /** False where there are as many as the limit allows. */
  add(group: Group, startUs: number, seq: number): boolean {
    const key = `${startUs} ${group.device ?? ""}\u0000${group.property ?? ""}`
    if (!this.#windows.has(key) && this.#windows.size >= this.#most) return false
    this.#windows.set(key, { group, startUs })
    this.#fromSeq = Math.min(this.#fromSeq ?? seq, seq)
    return true
  }

  /** Takes all of them out. */
  take(): { readonly windows: readonly LateWindow[]; readonly fromSeq: number | undefined } {
    const taken = { windows: [...this.#windows.values()], fromSeq: this.#fromSeq }
    this.#windows.clear()
    this.#fromSeq = undefined
    return taken
  }

  /** Puts back what could not be told. */
  giveBack(windows: readonly LateWindow[], fromSeq: number | undefined): void {
    for (const { group, startUs } of windows) this.add(group, startUs, fromSeq ?? 0)
  }
}
