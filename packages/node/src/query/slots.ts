import type { FogError } from "@brume/core"
import type { Stop } from "./stop.ts"

export interface SlotsOptions {
  /** Most holders at once. */
  readonly most: number
  /** Most that wait for a slot. */
  readonly mostWaiting: number
  /** What the next one meets. */
  readonly busy: () => FogError
}

/** Gives a slot back. Idempotent. */
export type Release = () => void

/** A bounded number of slots and a bounded line before them, first come, first served. */
export class Slots {
  readonly #options: SlotsOptions
  readonly #line: (() => void)[] = []
  #taken = 0

  constructor(options: SlotsOptions) {
    this.#options = options
  }

  get taken(): number {
    return this.#taken
  }

  get waiting(): number {
    return this.#line.length
  }

  /** Rejects with `busy` when the line is full, and with the reason of `stop` when it comes first. */
  async take(stop: Stop): Promise<Release> {
    stop.check()
    if (this.#taken >= this.#options.most) await this.#queue(stop)
    else this.#taken++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      const next = this.#line.shift()
      if (next === undefined) this.#taken--
      // The slot goes over without becoming free.
      else next()
    }
  }

  #queue(stop: Stop): Promise<void> {
    if (this.#line.length >= this.#options.mostWaiting) throw this.#options.busy()
    return new Promise<void>((resolve, reject) => {
      const called = () => {
        forget()
        resolve()
      }
      this.#line.push(called)
      const forget = stop.onStop(() => {
        const place = this.#line.indexOf(called)
        if (place !== -1) this.#line.splice(place, 1)
        reject(stop.fault)
      })
    })
  }
}
