/** The last lines of each function, in memory, for those who ask and those who listen. Bounded by lines and bytes. */
import type { Clock, FunctionLogLevel, FunctionLogLine } from "@brume/core"

const mostLines = 1_000
const mostBytes = 1_048_576
const longestLine = 8_192

export interface SaidLine {
  readonly level: FunctionLogLevel
  readonly message: string
  readonly version: number
  /** The number of the call. */
  readonly call?: number | undefined
  readonly fields?: unknown
}

export class FunctionLog {
  readonly #clock: Clock
  readonly #lines: FunctionLogLine[] = []
  readonly #listeners = new Set<() => void>()
  #bytes = 0
  #seq = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add({ level, message, version, call, fields }: SaidLine): void {
    const line: FunctionLogLine = {
      seq: ++this.#seq,
      time: this.#clock.now(),
      level,
      message: message.length > longestLine ? `${message.slice(0, longestLine)}…` : message,
      version,
      ...(call === undefined ? {} : { call }),
      ...shownFields(fields),
    }
    this.#lines.push(line)
    this.#bytes += weightOf(line)
    while (this.#lines.length > mostLines || this.#bytes > mostBytes) this.#bytes -= weightOf(this.#lines.shift()!)
    for (const listener of [...this.#listeners]) listener()
  }

  /** The newest lines behind a place, oldest first. */
  read(after: number, limit: number): readonly FunctionLogLine[] {
    const from = this.#lines.findIndex(({ seq }) => seq > after)
    return from < 0 ? [] : this.#lines.slice(Math.max(from, this.#lines.length - limit))
  }

  /** Calls when there are more lines. Returns the function that ends it. */
  onLine(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

function shownFields(fields: unknown): { readonly fields?: unknown } {
  if (fields === undefined || fields === null) return {}
  const text = JSON.stringify(fields) ?? ""
  return { fields: text.length > longestLine ? `${text.slice(0, longestLine)}…` : fields }
}

/** About what a line takes in memory. */
function weightOf({ message, fields }: FunctionLogLine): number {
  return 100 + message.length + (fields === undefined ? 0 : (JSON.stringify(fields)?.length ?? 0))
}
