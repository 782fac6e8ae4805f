/**
 * Connections that were let in, by what let them in, so that each can be ended when that no longer holds: its token or
 * credential is revoked, changed or expired, or it is banned. As many entries as connections; the front bounds those.
 */
import type { Clock, Timer } from "@brume/core"

/** One connection. */
export interface Admission {
  /** `token/<id>`, `credential/<username>` or `anonymous`. */
  readonly holder: string
  readonly clientId: string
  readonly username: string | undefined
  readonly address: string
  /** µs since 1970 UTC; never when undefined. */
  readonly expires: number | undefined
  /** Must not throw. */
  end(): void
}

/** Expiry goes by the wall clock, which may be stepped meanwhile: it is looked at no less often. ms. */
const longestWaitMs = 60_000

export class Admissions {
  readonly #clock: Clock
  readonly #byHolder = new Map<string, Set<Admission>>()
  readonly #expiring = new Set<Admission>()
  #timer: Timer | undefined
  /** When the timer looks, µs. */
  #due = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(admission: Admission): void {
    const { holder, expires } = admission
    const others = this.#byHolder.get(holder)
    if (others === undefined) this.#byHolder.set(holder, new Set([admission]))
    else others.add(admission)
    if (expires !== undefined) {
      this.#expiring.add(admission)
      if (expires < this.#due) this.#watch(expires)
    }
  }

  /** The connection has ended. */
  remove(admission: Admission): void {
    this.#forget(admission)
  }

  endHolder(holder: string): void {
    this.#end(this.#byHolder.get(holder) ?? [])
  }

  /** Looks at every connection: some milliseconds where there are many. */
  endEach(isMeant: (admission: Admission) => boolean): void {
    for (const admissions of [...this.#byHolder.values()]) this.#end([...admissions].filter(isMeant))
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#due = Number.POSITIVE_INFINITY
  }

  #end(admissions: Iterable<Admission>): void {
    for (const admission of [...admissions]) {
      this.#forget(admission)
      admission.end()
    }
  }

  #forget(admission: Admission): void {
    const others = this.#byHolder.get(admission.holder)
    others?.delete(admission)
    if (others?.size === 0) this.#byHolder.delete(admission.holder)
    this.#expiring.delete(admission)
    if (this.#expiring.size === 0) this.close()
  }

  /** One timer for all, for the one that expires first. */
  #watch(first: number): void {
    this.close()
    const now = this.#clock.now()
    const waitMs = Math.min(longestWaitMs, Math.max(0, Math.ceil((first - now) / 1_000)))
    this.#due = now + waitMs * 1_000
    this.#timer = this.#clock.after(waitMs, () => {
      this.close()
      const then = this.#clock.now()
      this.#end([...this.#expiring].filter(({ expires = then }) => expires <= then))
      let next = Number.POSITIVE_INFINITY
      for (const { expires = next } of this.#expiring) next = Math.min(next, expires)
      if (next < this.#due) this.#watch(next)
    })
  }
}
