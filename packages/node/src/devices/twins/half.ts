/** One half of a twin: as it is durable, and as it will be when all that is on its way to the disk is. */
import type { TwinState } from "@brume/core"

export const nothing: TwinState = { version: 0, values: {}, time: 0 }

export class Half {
  /** What everybody sees. */
  durable: TwinState
  /** In their order. */
  #coming: TwinState[] = []

  constructor(durable: TwinState = nothing) {
    this.durable = durable
  }

  /** What the next change is made of. */
  get newest(): TwinState {
    return this.#coming.at(-1) ?? this.durable
  }

  get isSettled(): boolean {
    return this.#coming.length === 0
  }

  /** Its commit was handed to the log, or to a turn. */
  begin(state: TwinState): void {
    this.#coming.push(state)
  }

  /** A refused one goes alone: those behind it were made of it, and have a fate of their own. */
  end(state: TwinState, isDurable: boolean): void {
    this.#coming = this.#coming.filter((other) => other !== state)
    // A later change may be durable already, with this one in it.
    if (isDurable && state.version > this.durable.version) this.durable = state
  }
}
