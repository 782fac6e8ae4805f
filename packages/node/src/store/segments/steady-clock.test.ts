import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { SteadyClock } from "./steady-clock.ts"

test("a clock is steady when it has kept pace for a while since the start and since each jump", () => {
  const clock = new VirtualClock()
  const steady = new SteadyClock(clock, 60_000)
  expect(steady.isSteady).toBe(false)
  clock.advance(59_999)
  expect(steady.isSteady).toBe(false)
  clock.advance(1)
  expect(steady.isSteady).toBe(true)
  clock.jump(clock.now() + 1_000_000)
  expect(steady.isSteady, "NTP corrects a second").toBe(true)
  clock.jump(Date.UTC(3000, 0, 1) * 1000)
  expect(steady.isSteady).toBe(false)
  clock.advance(59_999)
  expect(steady.isSteady).toBe(false)
  clock.jump(Date.UTC(2026, 0, 1) * 1000)
  clock.advance(1)
  expect(steady.isSteady, "back again is a jump too").toBe(false)
  clock.advance(60_000)
  expect(steady.isSteady).toBe(true)
})
