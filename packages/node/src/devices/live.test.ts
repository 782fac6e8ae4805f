import { batchOf, type DurableListener, FogError, type Principal, type Reading, SeriesCache } from "@brume/core"
import { nullMetrics } from "@brume/testkit"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { createLive, type LiveFilter, type LiveOptions, type LiveSubscription } from "./live.ts"
import { LiveQueue } from "./live-queue.ts"

const everything: Principal = { tokenId: "t", name: "reader", scopes: ["read"], devices: undefined }
const all: LiveFilter = { principal: everything, devices: undefined, properties: undefined }

/** What tells listeners of durable batches. */
class Log {
  readonly node = "gw-1"
  readonly epoch = "00000000000000aa"
  readonly listeners = new Set<DurableListener>()
  readonly #cache = new SeriesCache()
  #nextSeq = 1

  onDurable(listener: DurableListener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Readings as `device/…:property=value`. */
  store(...texts: string[]): void {
    const readings = texts.map((text) => {
      const [, device, property, value] = /^(.*):(.*)=(.*)$/.exec(text)!
      return { device: device!, property: property!, value: Number(value), time: 5 }
    })
    const batch = batchOf(readings, this.#cache)
    batch.received = 7
    for (const listener of this.listeners) listener(batch, this.#nextSeq)
    this.#nextSeq += batch.length
  }
}

function rig(options: Partial<LiveOptions> = {}) {
  const log = new Log()
  return { log, live: createLive({ store: log, metrics: nullMetrics, ...options }) }
}

const shown = (readings: readonly Reading[]): string[] =>
  readings.map(({ seq, device, property, value }) => `${seq} ${device}:${property}=${value}`)
const taken = (subscription: LiveSubscription): string[] => shown(subscription.take(1_000))

describe("a live stream", () => {
  test("has readings with all their columns, in the order of their sequence", () => {
    const { log, live } = rig()
    let wakes = 0
    const subscription = live.subscribe(all, () => wakes++)
    expect(subscription.take(10)).toEqual([])
    log.store("a:t=1", "b:t=2")
    log.store("a:t=3")
    expect(wakes).toBe(2)
    const readings = subscription.take(10)
    expect(shown(readings)).toEqual(["1 a:t=1", "2 b:t=2", "3 a:t=3"])
    expect(readings[0]).toEqual({
      time: 5,
      received: 7,
      device: "a",
      property: "t",
      value: 1,
      text: null,
      json: null,
      tags: "{}",
      quality: 0,
      node: "gw-1",
      epoch: "00000000000000aa",
      seq: 1,
    })
    expect(subscription.takeDropped()).toBe(0)
  })

  test("has what fits its filters, and wakes nobody for the rest", () => {
    const { log, live } = rig()
    let wakes = 0
    const subscription = live.subscribe({ ...all, devices: ["cold/+", "x"], properties: ["t"] }, () => wakes++)
    log.store("warm/1:t=1", "cold/1:h=2")
    expect(wakes).toBe(0)
    log.store("cold/1:t=3", "cold/1:h=4", "x:t=5", "cold/1/2:t=6")
    expect(wakes).toBe(1)
    expect(taken(subscription)).toEqual(["3 cold/1:t=3", "5 x:t=5"])
  })

  test("has only the devices of its principal, whatever it asks for", () => {
    const { log, live } = rig()
    const principal = { ...everything, devices: ["cold/#"] }
    const subscription = live.subscribe({ principal, devices: ["#"], properties: undefined }, () => {})
    log.store("cold/1:t=1", "warm/1:t=2", "colder:t=3")
    expect(taken(subscription)).toEqual(["1 cold/1:t=1"])
  })

  test("begins with what is stored after it was opened", () => {
    const { log, live } = rig()
    log.store("a:t=1")
    const subscription = live.subscribe(all, () => {})
    log.store("a:t=2")
    expect(taken(subscription)).toEqual(["2 a:t=2"])
  })

  test("shares readings with others and holds none of them back", () => {
    const { log, live } = rig({ maxQueuedReadings: 2 })
    const [slow, fast] = [live.subscribe(all, () => {}), live.subscribe(all, () => {})]
    for (let value = 1; value <= 4; value++) {
      log.store(`a:t=${value}`)
      expect(taken(fast)).toEqual([`${value} a:t=${value}`])
    }
    expect(fast.takeDropped()).toBe(0)
    expect(taken(slow)).toEqual(["4 a:t=4"])
    expect(slow.takeDropped()).toBe(3)
    expect(slow.takeDropped()).toBe(0)
  })

  test("listens to the store only while somebody listens to it", () => {
    const { log, live } = rig()
    expect(log.listeners.size).toBe(0)
    const [one, two] = [live.subscribe(all, () => {}), live.subscribe(all, () => {})]
    expect(log.listeners.size).toBe(1)
    one.close()
    one.close()
    expect(log.listeners.size).toBe(1)
    two.close()
    expect(log.listeners.size).toBe(0)
    log.store("a:t=1")
    const three = live.subscribe(all, () => {})
    log.store("a:t=2")
    expect(taken(three)).toEqual(["2 a:t=2"])
    expect(taken(one)).toEqual([])
  })

  test("is refused beyond the limit of listeners", () => {
    const { live } = rig({ maxListeners: 2 })
    const first = live.subscribe(all, () => {})
    live.subscribe(all, () => {})
    expect(() => live.subscribe(all, () => {})).toThrow(FogError)
    first.close()
    live.subscribe(all, () => {})
  })
})

describe("a queue", () => {
  const cache = new SeriesCache()
  const reading = (device: string, seq: number, text: string | null = null): Reading =>
    batchOf([{ device, value: 1 }]).readingAt(0, { node: "n", epoch: "e", firstSeq: seq }) && {
      ...batchOf([{ device, value: 1 }]).readingAt(0, { node: "n", epoch: "e", firstSeq: seq }),
      text,
    }

  test("that overflows keeps the newest of each series until it was emptied", () => {
    const queue = new LiveQueue({ maxReadings: 4, maxBytes: 1e9 })
    const add = (device: string, seq: number): void => queue.add(cache.get(device, "value"), reading(device, seq))
    const take = (limit: number): number[] => queue.take(limit).map(({ seq }) => seq)
    for (const [device, seq] of [
      ["a", 1],
      ["b", 2],
      ["a", 3],
      ["b", 4],
    ] as const)
      add(device, seq)
    expect(queue.takeDropped()).toBe(0)
    add("a", 5)
    expect(queue.takeDropped()).toBe(3)
    add("b", 6)
    add("c", 7)
    expect(queue.takeDropped()).toBe(1)
    expect(take(2)).toEqual([5, 6])
    // Not empty yet: still the newest only.
    add("c", 8)
    expect(queue.takeDropped()).toBe(1)
    expect(take(9)).toEqual([8])
    add("a", 9)
    add("a", 10)
    expect(take(9)).toEqual([9, 10])
  })

  test("of more series than fit lets the longest silent ones go", () => {
    const queue = new LiveQueue({ maxReadings: 3, maxBytes: 1e9 })
    for (let seq = 1; seq <= 10; seq++) queue.add(cache.get(`d${seq}`, "value"), reading(`d${seq}`, seq))
    expect(queue.take(10).map(({ seq }) => seq)).toEqual([8, 9, 10])
    expect(queue.takeDropped()).toBe(7)
  })

  test("is bounded by bytes too, but never keeps less than the newest reading", () => {
    const queue = new LiveQueue({ maxReadings: 1_000, maxBytes: 10_000 })
    const add = (device: string, seq: number, length: number): void =>
      queue.add(cache.get(device, "value"), reading(device, seq, "x".repeat(length)))
    for (let seq = 1; seq <= 10; seq++) add("a", seq, 1_000)
    expect(queue.size).toBe(1)
    for (let seq = 11; seq <= 20; seq++) add(`d${seq}`, seq, 1_000)
    expect(queue.size).toBe(4)
    add("huge", 21, 1_000_000)
    expect(queue.take(10).map(({ seq }) => seq)).toEqual([21])
  })

  test("hands out each reading once, in order, drops only when over its limits, and counts exactly", () => {
    const step = fc.oneof(
      fc.record({ device: fc.constantFrom("a", "b", "c", "d"), length: fc.nat(2_000) }),
      fc.record({ take: fc.nat(6) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (steps, maxReadings) => {
        const queue = new LiveQueue({ maxReadings, maxBytes: 12_000 })
        let added = 0
        let dropped = 0
        const got: number[] = []
        for (const action of steps) {
          if ("take" in action) got.push(...queue.take(action.take).map(({ seq }) => seq))
          else queue.add(cache.get(action.device, "value"), reading(action.device, ++added, "x".repeat(action.length)))
          dropped += queue.takeDropped()
          expect(queue.size).toBeLessThanOrEqual(maxReadings)
          expect(got.length + dropped + queue.size).toBe(added)
        }
        got.push(...queue.take(100).map(({ seq }) => seq))
        expect(got).toEqual(got.toSorted((a, b) => a - b))
        expect(new Set(got).size).toBe(got.length)
        // The newest reading is never dropped.
        if (added > 0) expect(got.at(-1)).toBe(added)
        expect(queue.droppedTotal).toBe(dropped)
      }),
      { numRuns: process.env.BRUME_LONG === "1" ? 50_000 : 500 },
    )
  })
})
