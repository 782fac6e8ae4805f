import { setTimeout as delay } from "node:timers/promises"
import { expect, test, vi } from "vitest"
import { type ClockSources, systemClock } from "./system-clock.ts"
import { systemRandom } from "./system-random.ts"

/** A machine whose clocks stand where the test puts them. */
function machine(): ClockSources & { wall: number; steady: number; boot: number | undefined; bootReads: number } {
  return {
    wall: 1_750_000_000_000,
    steady: 5_000,
    boot: 5_000,
    bootReads: 0,
    wallMs() {
      return this.wall
    },
    steadyMs() {
      return this.steady
    },
    bootMs() {
      this.bootReads++
      return this.boot
    },
  }
}

test("wall time is the system's, with µs that the steady clock adds within each millisecond", () => {
  const sources = machine()
  const clock = systemClock(sources)
  expect(clock.now()).toBe(1_750_000_000_000_000)
  sources.steady += 0.25
  expect(clock.now()).toBe(1_750_000_000_000_250)
  sources.steady += 5
  expect(clock.now(), "the system's millisecond has not ended").toBe(1_750_000_000_000_999)
  sources.wall += 2
  expect(clock.now()).toBe(1_750_000_000_002_000)
})

test("wall time follows a step of the system's clock at once, forwards and backwards", () => {
  const sources = machine()
  const clock = systemClock(sources)
  clock.now()
  sources.wall = 0
  expect(clock.now()).toBe(999)
  sources.wall = 32_503_680_000_000
  expect(clock.now()).toBe(32_503_680_000_000_000)
})

test("the real wall clock agrees with Date.now to the millisecond and has finer steps", () => {
  const clock = systemClock()
  const seen = new Set<number>()
  let previous = 0
  for (let i = 0; i < 10_000; i++) {
    const before = Date.now()
    const now = clock.now()
    const after = Date.now()
    expect(Math.floor(now / 1_000)).toBeGreaterThanOrEqual(before)
    expect(Math.floor(now / 1_000)).toBeLessThanOrEqual(after)
    expect(now).toBeGreaterThanOrEqual(previous)
    expect(Number.isInteger(now)).toBe(true)
    seen.add(now)
    previous = now
  }
  expect(seen.size).toBeGreaterThan((previous - Math.min(...seen)) / 1_000 + 10)
})

test("monotonic time adds a suspend, but not a step of the wall clock", () => {
  const sources = machine()
  const clock = systemClock(sources)
  expect(clock.monotonic()).toBe(5_000)
  sources.wall += 3_600_000
  expect(clock.monotonic(), "an administrator set the clock").toBe(5_000)
  sources.wall += 600_000
  sources.boot = 605_000
  expect(clock.monotonic(), "the machine slept for ten minutes").toBe(605_000)
  sources.wall -= 7_200_000
  sources.boot = 604_995
  expect(clock.monotonic(), "never back").toBe(605_000)
  const reads = sources.bootReads
  for (let i = 0; i < 100; i++) clock.monotonic()
  expect(sources.bootReads, "the system is asked only after a jump").toBe(reads)
})

test("monotonic time does without a system that tells no suspend", () => {
  const sources = machine()
  const clock = systemClock(sources)
  sources.boot = undefined
  sources.wall += 10_000
  expect(clock.monotonic()).toBe(5_000)
})

test("a timer fires once, not when cancelled, and not early for delays beyond 24.8 days", async () => {
  const clock = systemClock()
  const calls: string[] = []
  clock.after(1, () => calls.push("short"))
  clock.after(1, () => calls.push("cancelled")).cancel()
  const long = clock.after(60 * 86_400_000, () => calls.push("long"))
  await delay(30)
  long.cancel()
  expect(calls).toEqual(["short"])
})

test("a timer of 60 days fires after 60 days", () => {
  vi.useFakeTimers()
  try {
    let fired = 0
    systemClock().after(60 * 86_400_000, () => fired++)
    vi.advanceTimersByTime(60 * 86_400_000 - 1)
    expect(fired).toBe(0)
    vi.advanceTimersByTime(1)
    expect(fired).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})

test("random bytes have the wanted length and differ", () => {
  const random = systemRandom()
  expect(random.bytes(32)).toHaveLength(32)
  expect(random.bytes(32)).not.toEqual(random.bytes(32))
  expect(random.unit()).toBeLessThan(1)
})
