/** Readings for one live connection, with how many it missed before those that follow. */
import type { LiveQueue } from "../ports.ts"
import { shownReading } from "../schemas.ts"
import type { StreamSource } from "./stream.ts"

/** Most readings in one message, about 100 kB. */
const messageReadings = 500

export function readingsSource(queue: LiveQueue): StreamSource {
  return {
    next() {
      const dropped = queue.takeDropped()
      if (dropped > 0) return JSON.stringify({ type: "dropped", count: dropped })
      const readings = queue.take(messageReadings)
      return readings.length === 0
        ? undefined
        : JSON.stringify({ type: "readings", readings: readings.map(shownReading) })
    },
    close: () => queue.close(),
  }
}
