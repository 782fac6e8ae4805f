/** Lets calls with the same key pass one after the other. */
export class Turnstile {
  readonly #last = new Map<string, Promise<void>>()

  async pass<T>(key: string, call: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve()
    const mine = before.then(call)
    const settled = mine.then(
      () => {},
      () => {},
    )
    this.#last.set(key, settled)
    try {
      return await mine
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key)
    }
  }
}
