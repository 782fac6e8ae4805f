/** Lets one message through a few times a second, and reports how many more there were (G3). */
import type { Clock, LogLevel } from "@brume/core"

type Fields = Readonly<Record<string, unknown>>

export interface RepeatLimitOptions {
  readonly clock: Clock
  readonly perSecond: number
  /** Prints the line that stands for those left out. */
  summarise(level: LogLevel, message: string, fields: Fields): void
}

/** What one message did since its first line within the last second. */
interface Repeats {
  count: number
}

/** Messages are constants of the source, so that only a mistake could make more than this. */
const mostMessages = 1_000
const windowMs = 1_000

export class RepeatLimit {
  readonly #options: RepeatLimitOptions
  readonly #repeats = new Map<string, Repeats>()

  constructor(options: RepeatLimitOptions) {
    this.#options = options
  }

  /** @param own the logger's own fields: the same message of two rooms is two messages. */
  admits(level: LogLevel, message: string, own: Fields): boolean {
    const key = `${level} ${String(own.room)} ${message}`
    const known = this.#repeats.get(key)
    if (known !== undefined) return ++known.count <= this.#options.perSecond
    // Beyond the limit nothing is remembered, and so nothing held back.
    if (this.#repeats.size >= mostMessages) return true
    const repeats: Repeats = { count: 1 }
    this.#repeats.set(key, repeats)
    this.#options.clock.after(windowMs, () => {
      this.#repeats.delete(key)
      const leftOut = repeats.count - this.#options.perSecond
      if (leftOut > 0) this.#options.summarise(level, message, { ...own, leftOut, withinMs: windowMs })
    })
    return true
  }
}
