import type { FogError } from "@brume/core"

/** Ends one statement from outside, once, for one reason. */
export class Stop {
  #fault: FogError | undefined
  readonly #listeners = new Set<() => void>()

  /** Why the statement was stopped. */
  get fault(): FogError | undefined {
    return this.#fault
  }

  /** The first reason stays. */
  because(fault: FogError): void {
    if (this.#fault !== undefined) return
    this.#fault = fault
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  /** Called once, at once when it was stopped already. Returns the function that takes the listener away. */
  onStop(listener: () => void): () => void {
    if (this.#fault !== undefined) {
      listener()
      return () => {}
    }
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  check(): void {
    if (this.#fault !== undefined) throw this.#fault
  }

  /** The result of `work`, or the reason as soon as there is one; `work` then goes on unheard. */
  async race<T>(work: Promise<T>): Promise<T> {
    let forget = () => {}
    const stopped = new Promise<never>((_resolve, reject) => {
      forget = this.onStop(() => reject(this.#fault))
    })
    try {
      return await Promise.race([work, stopped])
    } finally {
      forget()
    }
  }
}
