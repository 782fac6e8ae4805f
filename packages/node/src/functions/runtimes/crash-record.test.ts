import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { CrashRecord } from "./crash-record.ts"

test("restarts wait longer each time, and the fifth crash in ten seconds is the last", () => {
  const clock = new VirtualClock()
  const crashes = new CrashRecord(clock)
  const waits = [1, 2, 3, 4, 5].map(() => {
    clock.advance(1_000)
    return crashes.add()
  })
  expect(waits).toEqual([0, 100, 200, 400, undefined])
})

test("crashes that lie ten seconds back do not count", () => {
  const clock = new VirtualClock()
  const crashes = new CrashRecord(clock)
  for (let crash = 0; crash < 20; crash++) {
    expect(crashes.add()).toBeLessThanOrEqual(400)
    clock.advance(2_600)
  }
  clock.advance(10_000)
  expect(crashes.add()).toBe(0)
})

test("what is forgotten does not count", () => {
  const crashes = new CrashRecord(new VirtualClock())
  for (let crash = 0; crash < 4; crash++) crashes.add()
  crashes.forget()
  expect(crashes.add()).toBe(0)
})
