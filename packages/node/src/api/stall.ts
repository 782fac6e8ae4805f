/** Ends answers that nobody reads: a statement, its memory and a connection would wait for the client for ever. (A7) */
import type { ServerResponse } from "node:http"
import type { Clock, Timer } from "@brume/core"

/** Destroys the answer when its client takes nothing of what is ready for this long. */
export function endWhenStalled(
  raw: ServerResponse,
  options: { readonly clock: Clock; readonly stallMs: number },
): void {
  let timer: Timer | undefined
  let seen = -1
  const look = (): void => {
    const waiting = raw.writableLength
    const sent = raw.socket?.bytesWritten ?? 0
    // Bytes that wait, and none that went since the last look: only then the client is the slow one.
    const progress = sent - waiting
    if (waiting > 0 && progress === seen) {
      raw.destroy()
      return
    }
    seen = progress
    timer = options.clock.after(options.stallMs, look)
  }
  timer = options.clock.after(options.stallMs, look)
  raw.once("close", () => timer?.cancel())
}
