/**
 * What a child prints, as lines: bounded in length and rate, so that neither memory nor the event loop is spent on it.
 *
 * - A burst of lines passes, then a steady rate; what is beyond is dropped, and a line says how much.
 * - Bytes have a budget too. A child that exceeds it is a flood, and reading on would cost the node more than the lines
 *   are worth.
 */
import type { Clock } from "@brume/core"
import type { FunctionLine } from "./runtime.ts"

export const longestLine = 8_192
const burstLines = 1_000
const linesPerSecond = 200
export const burstBytes = 4 * 2 ** 20
const bytesPerSecond = 2 ** 20

export class LineGate {
  readonly #clock: Clock
  readonly #say: (line: FunctionLine) => void
  #lines = burstLines
  #bytes = burstBytes
  #filledMs: number
  #dropped = 0
  readonly #rests = { stdout: "", stderr: "" }

  constructor(clock: Clock, say: (line: FunctionLine) => void) {
    this.#clock = clock
    this.#say = say
    this.#filledMs = clock.monotonic()
  }

  /** Text that was printed. Returns false when it is a flood. */
  print(stream: "stdout" | "stderr", text: string): boolean {
    if (!this.#pay(text.length)) return false
    const lines = (this.#rests[stream] + text).split("\n")
    this.#rests[stream] = lines.pop()!.slice(0, longestLine + 1)
    for (const line of lines) this.#pass({ level: stream === "stderr" ? "warn" : "info", message: line, stream })
    return true
  }

  /** A line of `ctx.log`, of so many characters. Returns false when it is a flood. */
  log(line: FunctionLine, size: number): boolean {
    if (!this.#pay(size)) return false
    this.#pass(line)
    return true
  }

  /** What was printed without an end of line. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#rests[stream] !== "")
        this.#pass({ level: stream === "stderr" ? "warn" : "info", message: this.#rests[stream], stream })
      this.#rests[stream] = ""
    }
    this.#tellDropped()
  }

  #pay(bytes: number): boolean {
    const now = this.#clock.monotonic()
    const seconds = (now - this.#filledMs) / 1_000
    this.#filledMs = now
    this.#lines = Math.min(burstLines, this.#lines + seconds * linesPerSecond)
    this.#bytes = Math.min(burstBytes, this.#bytes + seconds * bytesPerSecond) - bytes
    return this.#bytes >= 0
  }

  #pass(line: FunctionLine): void {
    if (this.#lines < 1) {
      this.#dropped++
      return
    }
    this.#tellDropped()
    this.#lines--
    const { message } = line
    this.#say(message.length <= longestLine ? line : { ...line, message: `${message.slice(0, longestLine)}…` })
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return
    const message = `${this.#dropped} lines were dropped: more than ${linesPerSecond} a second came`
    this.#dropped = 0
    this.#say({ level: "warn", message, stream: "node" })
  }
}
