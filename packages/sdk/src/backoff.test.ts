import fc from "fast-check"
import { expect, test } from "vitest"
import { backoffMs, pause } from "./backoff.ts"

test("waits grow, never beyond the written limit, and at least half of the interval", () => {
  const policy = { firstDelayMs: 100, maxDelayMs: 5_000 }
  expect(backoffMs(1, policy, 1)).toBe(100)
  expect(backoffMs(2, policy, 1)).toBe(200)
  expect(backoffMs(3, policy, 0)).toBe(200)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, unit) => {
      const wait = backoffMs(failures, policy, unit)
      expect(wait).toBeGreaterThanOrEqual(50)
      expect(wait).toBeLessThanOrEqual(5_000)
    }),
  )
})

test("an aborted signal ends a pause with its reason, also one that was aborted before", async () => {
  const controller = new AbortController()
  const paused = pause(60_000, controller.signal)
  controller.abort(new Error("enough"))
  await expect(paused).rejects.toThrow("enough")
  await expect(pause(60_000, controller.signal)).rejects.toThrow("enough")
})
