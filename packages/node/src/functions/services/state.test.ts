import { expect, test } from "vitest"
import { MemoryStore } from "../../../../../test/rig/memory-store.ts"
import { FunctionStates } from "./state.ts"

test("values are a function's own, survive a restart, and go with it", async () => {
  const store = new MemoryStore()
  const states = new FunctionStates(store)
  await states.set("a", "key", { n: 1 })
  await states.set("b", "key", 2)
  expect(states.get("a", "key")).toEqual({ n: 1 })
  const later = new FunctionStates(store)
  expect([later.get("a", "key"), later.get("b", "key"), later.get("a", "other")]).toEqual([{ n: 1 }, 2, null])
  store.put(later.removal("a"))
  expect([later.get("a", "key"), later.get("b", "key")]).toEqual([null, 2])
})

test("a change is answered when it is durable", async () => {
  const store = new MemoryStore()
  const states = new FunctionStates(store)
  const release = store.hold()
  let isDone = false
  const setting = states.set("a", "key", 1).then(() => {
    isDone = true
  })
  await Promise.resolve()
  expect(isDone).toBe(false)
  release()
  await setting
})

test("of comparisons at the same time one wins, and members' order does not matter", async () => {
  const states = new FunctionStates(new MemoryStore())
  const tries = [1, 2, 3].map((n) => states.compareAndSet("a", ["lock", null, { owner: n, since: 0 }]))
  expect(await Promise.all(tries)).toEqual([true, false, false])
  expect(await states.compareAndSet("a", ["lock", { since: 0, owner: 1 }, { owner: 2 }])).toBe(true)
  expect(await states.compareAndSet("a", ["lock", { owner: 1 }, null])).toBe(false)
  expect(await states.compareAndSet("a", ["lock", { owner: 2 }, null])).toBe(true)
  expect(states.get("a", "lock")).toBe(null)
})

test("keys, values and all together are bounded", async () => {
  const states = new FunctionStates(new MemoryStore())
  const refused = { code: "function_refused" }
  for (const key of ["", 7, null, "a\n", "x".repeat(513)]) {
    await expect(states.set("a", key, 1)).rejects.toMatchObject(refused)
  }
  await expect(states.set("a", "k", "x".repeat(262_144))).rejects.toMatchObject(refused)
  const large = "x".repeat(262_000)
  for (let n = 0; n < 64; n++) await states.set("a", `k${n}`, large)
  await expect(states.set("a", "more", large)).rejects.toMatchObject(refused)
  await states.set("b", "more", large)
  await states.delete("a", "k0")
  await states.set("a", "more", large)
})
