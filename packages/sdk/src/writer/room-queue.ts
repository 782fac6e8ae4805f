/** Readings that wait for room in a full buffer, in order. Bounded. */
import type { FogError } from "@brume/core"

/** Most `add` calls that wait at once. */
const limit = 1_000

export interface WaitingReading {
  readonly line: string
  readonly readings: number
  readonly resolve: () => void
  readonly reject: (error: FogError) => void
}

export class RoomQueue {
  #waiting: WaitingReading[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  get isFull(): boolean {
    return this.#waiting.length >= limit
  }

  get first(): WaitingReading | undefined {
    return this.#waiting[0]
  }

  push(line: string, readings: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, readings, resolve, reject })
    })
  }

  shift(): void {
    this.#waiting.shift()
  }

  rejectAll(error: FogError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
