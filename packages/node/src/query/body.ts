import type { Stop } from "./stop.ts"

/**
 * The pieces of an answer, of which the first are there already. Whoever stops reading ends the statement; a statement
 * that is stopped ends the reading.
 */
export class Body implements AsyncIterableIterator<Uint8Array> {
  readonly #ready: Uint8Array[]
  /** What follows; undefined when the answer is complete. */
  readonly #rest: AsyncGenerator<Uint8Array, void, undefined> | undefined
  readonly #stop: Stop
  readonly #abandon: () => void

  constructor(options: {
    readonly ready: Uint8Array[]
    readonly rest: AsyncGenerator<Uint8Array, void, undefined> | undefined
    readonly stop: Stop
    readonly abandon: () => void
  }) {
    this.#ready = options.ready
    this.#rest = options.rest
    this.#stop = options.stop
    this.#abandon = options.abandon
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const piece = this.#ready.shift()
    if (piece !== undefined) return { done: false, value: piece }
    if (this.#rest === undefined) return { done: true, value: undefined }
    const { done, value } = await this.#rest.next()
    if (done !== true) return { done: false, value }
    this.#stop.check()
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#ready.length = 0
    if (this.#rest !== undefined) {
      this.#abandon()
      await this.#rest.return()
    }
    return { done: true, value: undefined }
  }
}
