import { EventEmitter } from "node:events"
import { batchOf, type Reading } from "@brume/core"
import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { readingsSource } from "./readings-source.ts"
import { startStream } from "./stream.ts"

/** A socket whose bytes leave it when a test says so. */
class HeldSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  bufferedAmount = 0
  readonly sent: string[] = []
  #written: (() => void)[] = []

  send(message: string, written: () => void): void {
    this.sent.push(message)
    this.bufferedAmount += message.length
    this.#written.push(written)
  }

  /** Everything that waits leaves. */
  drain(): void {
    this.bufferedAmount = 0
    for (const written of this.#written.splice(0)) written()
  }
}

const [reading] = Array.from({ length: 1 }, (): Reading => {
  const batch = batchOf([{ device: "d", property: "p", text: "x".repeat(1_000) }])
  return batch.readingAt(0, { node: "n", epoch: "e", firstSeq: 1 })
})

/** A queue that never runs dry. */
function endless() {
  const state = { taken: 0, dropped: 0, isClosed: false }
  const queue = {
    take(limit: number) {
      state.taken += limit
      return new Array<Reading>(limit).fill(reading!)
    },
    takeDropped() {
      const { dropped } = state
      state.dropped = 0
      return dropped
    },
    close() {
      state.isClosed = true
    },
  }
  return { state, queue }
}

function started() {
  const clock = new VirtualClock()
  const socket = new HeldSocket()
  const { state, queue } = endless()
  const stream = startStream(socket as never, readingsSource(queue), { clock, isAuthorized: () => true })
  return { clock, socket, state, stream }
}

test("no more is taken from the queue than the socket has room for, and more when it has room again", () => {
  const { clock, socket, state, stream } = started()
  stream.wake()
  clock.advance(50)
  const first = state.taken
  expect(socket.bufferedAmount).toBeGreaterThan(1_000_000)
  expect(socket.bufferedAmount).toBeLessThan(2_000_000)
  for (let round = 0; round < 10; round++) {
    stream.wake()
    clock.advance(50)
  }
  expect(state.taken).toBe(first)
  socket.drain()
  clock.advance(50)
  expect(state.taken).toBeGreaterThan(first)
})

test("what was dropped is told before what came later", () => {
  const { clock, socket, state, stream } = started()
  state.dropped = 7
  stream.wake()
  clock.advance(50)
  expect(JSON.parse(socket.sent[0]!)).toEqual({ type: "dropped", count: 7 })
  expect(JSON.parse(socket.sent[1]!).type).toBe("readings")
})

test("a socket that has closed lets go of its queue and of every timer", () => {
  const { clock, socket, state, stream } = started()
  stream.wake()
  socket.readyState = 3
  socket.emit("close")
  expect([state.isClosed, clock.pending]).toEqual([true, 0])
  stream.wake()
  expect(clock.pending).toBe(0)
})
