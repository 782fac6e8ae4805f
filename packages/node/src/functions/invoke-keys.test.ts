import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { InvokeKeys } from "./invoke-keys.ts"

const limits = { windowMs: 1_000, maxKeys: 3, maxBytes: 100 }

function counted(result: unknown = "r") {
  let calls = 0
  return {
    call: async () => {
      calls++
      if (result instanceof Error) throw result
      return result
    },
    calls: () => calls,
  }
}

test("the same key is the same call, also while it runs, until its window is over", async () => {
  const clock = new VirtualClock()
  const keys = new InvokeKeys(clock, limits)
  const { call, calls } = counted()
  expect(await Promise.all([keys.once(["f", "k"], 1, call), keys.once(["f", "k"], 1, call)])).toEqual(["r", "r"])
  expect(calls()).toBe(1)
  await expect(keys.once(["f", "k"], 2, call)).rejects.toMatchObject({ code: "idempotency_conflict" })
  await keys.once(["g", "k"], 2, call)
  expect(calls()).toBe(2)
  clock.advance(1_000)
  await keys.once(["f", "k"], 2, call)
  expect(calls()).toBe(3)
})

test("what failed, or is large, may be called again", async () => {
  const keys = new InvokeKeys(new VirtualClock(), limits)
  const failing = counted(new Error("no"))
  const large = counted("x".repeat(70_000))
  for (const { call } of [failing, failing]) await expect(keys.once(["f", "a"], 1, call)).rejects.toThrow("no")
  for (const { call } of [large, large]) await keys.once(["f", "b"], 1, call)
  expect([failing.calls(), large.calls(), keys.size]).toEqual([2, 2, 0])
})

test("the oldest make room, by number and by bytes", async () => {
  const keys = new InvokeKeys(new VirtualClock(), limits)
  const { call, calls } = counted("x".repeat(10))
  for (const key of ["a", "b", "c", "d", "e"]) await keys.once(["f", key], 1, call)
  expect(keys.size).toBe(3)
  await keys.once(["f", "e"], 1, call)
  expect(calls()).toBe(5)
  await keys.once(["f", "large"], 1, counted("x".repeat(200)).call)
  await keys.once(["f", "next"], 1, call)
  expect(keys.size).toBe(1)
})
