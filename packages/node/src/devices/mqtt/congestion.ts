/**
 * Publishers wait for subscribers that are behind, so that what is acknowledged need not be dropped: a publisher whose
 * message goes to a connected session with more than half of its room taken is not read until there is room again, for
 * `congestionPauseMs` at most. A session that has not moved by then is stuck: nobody waits for it until it moves.
 */
import type { Clock, Timer } from "@brume/core"
import type { Fanout } from "./fanout.ts"
import { congestionPauseMs } from "./limits.ts"
import type { Session } from "./session/session.ts"

/** Whose reading can be held. */
export interface Publisher {
  waitForSubscribers(): void
  subscribersCaughtUp(): void
}

/** How often it is looked whether there is room again, ms. */
const lookMs = 20

interface Waiting {
  readonly sessions: Set<Session>
  readonly untilMs: number
}

export class Congestion {
  readonly #clock: Clock
  readonly #waiting = new Map<Publisher, Waiting>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Publishers that are held now. */
  get held(): number {
    return this.#waiting.size
  }

  /** Holds the publisher where its message goes to somebody else who is behind. */
  check(publisher: Publisher, own: Session, { deliveries }: Fanout): void {
    for (const { session } of deliveries) {
      if (session === own || !session.isBehind || session.isStuck || session.consumer === undefined) continue
      const known = this.#waiting.get(publisher)
      if (known !== undefined) known.sessions.add(session)
      else {
        const untilMs = this.#clock.monotonic() + congestionPauseMs
        this.#waiting.set(publisher, { sessions: new Set([session]), untilMs })
        publisher.waitForSubscribers()
      }
      this.#timer ??= this.#clock.after(lookMs, () => this.#look())
    }
  }

  /** The publisher is gone. */
  forget(publisher: Publisher): void {
    this.#waiting.delete(publisher)
  }

  #look(): void {
    this.#timer = undefined
    const now = this.#clock.monotonic()
    for (const [publisher, { sessions, untilMs }] of this.#waiting) {
      for (const session of sessions) {
        if (now >= untilMs && session.isBehind) session.isStuck = true
        if (!session.isBehind || session.isStuck || session.consumer === undefined) sessions.delete(session)
      }
      if (sessions.size > 0) continue
      this.#waiting.delete(publisher)
      publisher.subscribersCaughtUp()
    }
    if (this.#waiting.size > 0) this.#timer = this.#clock.after(lookMs, () => this.#look())
  }
}
