import { FogError, type WebhookAction } from "@brume/core"
import { expect, test } from "vitest"
import { commit, effectOf, openEffectsRig } from "../../../../test/rig/effects.ts"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { defaultEffectLimits } from "./limits.ts"

const { webhook } = defaultEffectLimits

test("what is certain with the commit of its cause is one commit, outcome and all", async () => {
  const { effects, world, store } = await openEffectsRig()
  effects.begin(world.executors)
  const planned = effects.plan(effectOf("publish", "k1"))!
  expect(planned.records.map(({ kind, key }) => `${kind} ${key}`)).toEqual(["effect effect/k1", "state own/k1"])
  expect(effects.get("k1")).toBeUndefined()
  expect(world.done).toEqual([])
  await commit(store, planned)
  expect(world.done).toEqual(["k1"])
  expect(effects.get("k1")).toMatchObject({ key: "k1", state: "done", type: "publish", target: "a/b", attempts: 1 })
})

test("an effect is found by the beginning of its key, as lists show it, where no other begins so", async () => {
  const { effects, world, store } = await openEffectsRig()
  effects.begin(world.executors)
  for (const key of ["0123456789ab11", "0123456789ab22", "fedcba98765400"])
    await commit(store, effects.plan(effectOf("publish", key)))
  expect(effects.get("fedcba987654")).toMatchObject({ key: "fedcba98765400" })
  expect(effects.get("0123456789ab1")).toMatchObject({ key: "0123456789ab11" })
  expect(effects.get("0123456789ab")).toBeUndefined()
  expect(effects.get("fedcba9")).toBeUndefined()
})

test("a key that is remembered is not planned again, also while its commit is on its way, and after a restart", async () => {
  const { effects, world, store } = await openEffectsRig()
  effects.begin(world.executors)
  const planned = effects.plan(effectOf("publish", "k1"))
  expect(effects.plan(effectOf("publish", "k1"))).toBeUndefined()
  await commit(store, planned)
  expect(effects.plan(effectOf("webhook", "k1"))).toBeUndefined()
  const again = await openEffectsRig({ store })
  expect(again.effects.plan(effectOf("publish", "k1"))).toBeUndefined()
})

test("a commit that is refused leaves nothing: the same cause may come again", async () => {
  const { effects, world, store } = await openEffectsRig()
  effects.begin(world.executors)
  effects.plan(effectOf("publish", "k1"))!.refused()
  effects.plan(effectOf("webhook", "k2"))!.refused()
  expect(world.done).toEqual([])
  expect(effects.list({ limit: 10 }).effects).toEqual([])
  await commit(store, effects.plan(effectOf("publish", "k1")))
  expect(world.done).toEqual(["k1"])
})

test("a function and a webhook are attempted after the commit, and their outcome is a record", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  await commit(store, effects.plan(effectOf("webhook", "w")))
  await commit(store, effects.plan(effectOf("function", "f")))
  await clock.run(0)
  expect(world.done).toEqual(["w", "f"])
  expect(effects.get("w")).toMatchObject({ state: "done", target: "chat.test", attempts: 1 })
  expect(effects.get("f")).toMatchObject({ state: "done", target: "drift" })
  const { effects: later } = await openEffectsRig({ store })
  expect(later.list({ limit: 10 }).effects.map(({ state }) => state)).toEqual(["done", "done"])
})

test("what certainly failed says why; what nobody knows is in doubt", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  const codes = { rejected: "webhook_rejected", doubt: "effect_in_doubt" } as const
  world.execute = async ({ key }) => {
    if (key in codes) throw new FogError(codes[key as keyof typeof codes], { message: `said ${key}` })
    throw new TypeError("a fault")
  }
  for (const key of ["rejected", "doubt", "fault"]) await commit(store, effects.plan(effectOf("webhook", key)))
  await clock.run(0)
  expect(effects.get("rejected")).toMatchObject({ state: "failed", code: "webhook_rejected", message: "said rejected" })
  expect(effects.get("doubt")).toMatchObject({ state: "in-doubt", code: "effect_in_doubt", message: "said doubt" })
  expect(effects.get("fault")).toMatchObject({ state: "failed", code: "internal", message: "a fault" })
})

test("what cannot be planned has failed in the commit of its cause", async () => {
  const { effects, world, store } = await openEffectsRig()
  effects.begin(world.executors)
  world.planned = new FogError("effect_invalid", { message: "no such topic" })
  const planned = effects.plan(effectOf("publish", "k1"))!
  expect(planned.records).toHaveLength(1)
  await commit(store, planned)
  expect(effects.get("k1")).toMatchObject({ state: "failed", code: "effect_invalid", attempts: 0 })
})

test("an attempt that does not end in its time is told to stop, and is in doubt when it says nothing", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  let isStopped = false
  world.execute = (_effect, signal) =>
    new Promise(() => {
      signal.addEventListener("abort", () => {
        isStopped = true
      })
    })
  await commit(store, effects.plan(effectOf("webhook", "k1")))
  await clock.run(webhook.deadlineMs - 1)
  expect(isStopped).toBe(false)
  expect(effects.get("k1")!.state).toBe("pending")
  await clock.run(1)
  expect(isStopped).toBe(true)
  await clock.run(1_000)
  expect(effects.get("k1")).toMatchObject({ state: "in-doubt", message: "It did not end within its 10000 ms" })
})

test("a certain failure that may pass is attempted again with the same key, later and later, and not for ever", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  const at: number[] = []
  world.execute = async () => {
    at.push(clock.monotonic())
    throw new FogError("webhook_failed", { message: "refused" })
  }
  await commit(store, effects.plan(effectOf("webhook", "k1")))
  await clock.run(300_000)
  expect(world.done).toEqual(new Array(webhook.maxAttempts).fill("k1"))
  const waits = at.slice(1).map((time, index) => time - at[index]!)
  for (const [index, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(500 * 2 ** index)
    expect(wait).toBeLessThanOrEqual(1_000 * 2 ** index)
  }
  expect(effects.get("k1")).toMatchObject({ state: "failed", code: "webhook_failed", attempts: webhook.maxAttempts })
})

test("who says how long to wait is heeded, within bounds", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  const waits = [30_000, 86_400_000]
  world.execute = async () => {
    const retryAfterMs = waits.shift()
    if (retryAfterMs !== undefined) throw new FogError("webhook_failed", { message: "busy", details: { retryAfterMs } })
  }
  await commit(store, effects.plan(effectOf("webhook", "k1")))
  await clock.run(29_999)
  expect(world.done).toHaveLength(1)
  await clock.run(1)
  expect(world.done).toHaveLength(2)
  await clock.run(300_000)
  expect(effects.get("k1")).toMatchObject({ state: "done", attempts: 3 })
})

test("so many run at once, and what is over the limit fails as busy", async () => {
  const limits = {
    webhook: { ...webhook, maxRunning: 2 },
    maxPending: { ...defaultEffectLimits.maxPending, webhook: 3 },
  }
  const { effects, world, store, clock } = await openEffectsRig({ limits })
  effects.begin(world.executors)
  const ends: (() => void)[] = []
  world.execute = () => new Promise((resolve) => void ends.push(resolve))
  for (const key of ["a", "b", "c", "d"]) await commit(store, effects.plan(effectOf("webhook", key)))
  await commit(store, effects.plan(effectOf("function", "e")))
  await clock.run(0)
  expect(world.done).toEqual(["a", "b", "e"])
  expect(effects.get("d")).toMatchObject({ state: "failed", code: "effects_busy", attempts: 0 })
  expect(effects.list({ state: "pending", limit: 10 }).effects.map(({ key }) => key)).toEqual(["e", "c", "b", "a"])
  ends[0]!()
  await clock.run(0)
  expect(world.done).toEqual(["a", "b", "e", "c"])
})

test("a host that hangs takes its own share of attempts, and no other host waits for it", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  world.execute = (effect) => (effect.key.startsWith("slow") ? new Promise(() => {}) : Promise.resolve())
  for (let n = 0; n < 100; n++) await commit(store, effects.plan(effectOf("webhook", `slow-${n}`)))
  const other = effectOf("webhook", "quick")
  const action = { ...other.action, url: "https://other.test/" } as WebhookAction
  await commit(store, effects.plan({ ...other, action }))
  await clock.run(0)
  expect(effects.get("quick")!.state).toBe("done")
  expect(world.done).toHaveLength(webhook.maxRunningPerTarget + 1)
})

test("the outcome of a command comes when the command has ended; one that never comes is for the next start", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  world.planned = "later"
  for (const key of ["k1", "k2"]) await commit(store, effects.plan(effectOf("command", key)))
  expect(effects.get("k1")).toMatchObject({ state: "pending", target: "hall/fan/start" })
  world.end("k1", { state: "failed", code: "E7", message: "jammed" })
  world.end("k2", undefined)
  await clock.run(0)
  expect(effects.get("k1")).toMatchObject({ state: "failed", code: "E7", message: "jammed" })
  const asked: string[] = []
  const next = await openEffectsRig({
    store,
    ask: ({ key, type, source, target }) => {
      asked.push(`${type} ${key} ${source} ${target}`)
      return Promise.resolve({ state: "done" })
    },
  })
  await next.clock.run(0)
  expect(asked).toEqual(["command k2 rule/test hall/fan/start"])
  expect(next.effects.get("k2")).toMatchObject({ state: "done", attempts: 1 })
})

test("after a crash an intent without outcome is in doubt, durable before the room opens, and not attempted", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  world.execute = () => new Promise(() => {})
  await commit(store, effects.plan(effectOf("webhook", "k1")))
  await clock.run(0)
  const next = await openEffectsRig({ store })
  expect(next.effects.get("k1")).toMatchObject({ state: "in-doubt", code: "effect_in_doubt" })
  next.effects.begin(next.world.executors)
  await next.clock.run(60_000)
  expect(next.world.done).toEqual([])
  expect(next.logger.messages("warn")).toEqual(["Effects had no outcome when the node stopped, and are in doubt"])
})

test("by policy it is attempted again with the same key, and not without end over many crashes", async () => {
  const store = new MemoryStore()
  const first = await openEffectsRig({ store })
  first.effects.begin(first.world.executors)
  first.world.execute = () => new Promise(() => {})
  await commit(store, first.effects.plan(effectOf("webhook", "k1")))
  const tries: string[] = []
  for (let crash = 0; crash < 10; crash++) {
    const next = await openEffectsRig({ store, policy: { webhook: "retry" } })
    next.world.execute = () => new Promise(() => {})
    expect(next.world.done).toEqual([])
    next.effects.begin(next.world.executors)
    await next.clock.run(0)
    tries.push(...next.world.done)
  }
  expect(tries).toEqual(new Array(webhook.maxAttempts - 1).fill("k1"))
  const last = await openEffectsRig({ store })
  expect(last.effects.get("k1")).toMatchObject({ state: "in-doubt" })
})

test("a node that stops in order tells what runs, and goes on with the rest when it is there again", async () => {
  const store = new MemoryStore()
  const limits = { webhook: { ...webhook, maxRunning: 1 } }
  const first = await openEffectsRig({ store, limits })
  first.effects.begin(first.world.executors)
  first.world.execute = (_effect, signal) =>
    new Promise((_resolve, reject) => {
      const error = new FogError("effect_in_doubt", { message: "broken off" })
      signal.addEventListener("abort", () => reject(error))
    })
  for (const key of ["running", "waiting"]) await commit(store, first.effects.plan(effectOf("webhook", key)))
  const closed = first.effects.close()
  await first.clock.run(2_000)
  await closed
  expect(first.effects.get("running")).toMatchObject({ state: "in-doubt", message: "broken off" })
  const next = await openEffectsRig({ store, limits })
  next.effects.begin(next.world.executors)
  await next.clock.run(0)
  expect(next.world.done).toEqual(["waiting"])
  expect(next.effects.get("waiting")).toMatchObject({ state: "done", attempts: 1 })
})

test("what is planned while the node starts is carried out when it is known by whom", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  await commit(store, effects.plan(effectOf("publish", "p")))
  await commit(store, effects.plan(effectOf("function", "f")))
  expect(world.done).toEqual([])
  effects.begin(world.executors)
  await clock.run(0)
  expect(world.done).toEqual(["f", "p"])
  expect(effects.list({ limit: 10 }).effects.map(({ state }) => state)).toEqual(["done", "done"])
  expect(store.get("state", "own/p")).toBeDefined()
})

test("an outcome that the log does not take is written again", async () => {
  const { effects, world, store, clock } = await openEffectsRig()
  effects.begin(world.executors)
  await commit(store, effects.plan(effectOf("webhook", "k1")))
  const release = (store as MemoryStore).hold()
  await clock.run(0)
  release(new FogError("store_full", { message: "full" }))
  await clock.run(0)
  expect(effects.get("k1")!.state).toBe("pending")
  await clock.run(200)
  expect(effects.get("k1")!.state).toBe("done")
})

test("a full disk does not keep the room from opening, and nothing is attempted before it takes that", async () => {
  const store = new MemoryStore()
  const first = await openEffectsRig({ store })
  await commit(store, first.effects.plan(effectOf("webhook", "k1")))
  const release = store.hold()
  const opening = openEffectsRig({ store, policy: { webhook: "retry" } })
  release(new FogError("store_full", { message: "full" }))
  const again = store.hold()
  const { effects, world, clock } = await opening
  effects.begin(world.executors)
  await clock.run(200)
  expect(world.done).toEqual([])
  again()
  await clock.run(0)
  expect(world.done).toEqual(["k1"])
})

test("keys are forgotten after their time, and the oldest where there are too many, a few with each new one", async () => {
  const limits = { windowMs: 60_000, maxKeys: 20 }
  const { effects, world, store, clock } = await openEffectsRig({ limits })
  effects.begin(world.executors)
  world.planned = "later"
  await commit(store, effects.plan(effectOf("command", "open", clock.now())))
  world.planned = { state: "done" }
  for (let n = 0; n < 50; n++) await commit(store, effects.plan(effectOf("publish", `n${n}`, clock.now())))
  expect([...store.entries("effect")]).toHaveLength(20)
  expect(effects.get("n49")).toBeDefined()
  expect(effects.get("n10")).toBeUndefined()
  const again = effects.plan(effectOf("publish", "n10", clock.now()))
  expect(again).toBeDefined()
  again!.refused()
  // What has no outcome stays.
  expect(effects.get("open")).toMatchObject({ state: "pending" })
  await clock.run(61_000)
  for (let n = 0; n < 10; n++) await commit(store, effects.plan(effectOf("publish", `m${n}`, clock.now())))
  expect([...store.entries("effect")]).toHaveLength(11)
})

test("a list is filtered by state, source and type, and read page by page", async () => {
  const { effects, world, store } = await openEffectsRig()
  effects.begin(world.executors)
  for (let n = 0; n < 5; n++) {
    world.planned = n === 2 ? new FogError("effect_invalid", { message: "no" }) : { state: "done" }
    await commit(store, effects.plan({ ...effectOf("publish", `k${n}`), source: n < 3 ? "rule/a" : "rule/b" }))
  }
  const keys = (filter: Partial<Parameters<typeof effects.list>[0]>) =>
    effects.list({ limit: 10, ...filter }).effects.map(({ key }) => key)
  expect(keys({ state: "failed" })).toEqual(["k2"])
  expect(keys({ source: "rule/b" })).toEqual(["k4", "k3"])
  expect(keys({ type: "webhook" })).toEqual([])
  const page = effects.list({ limit: 2 })
  expect(page.effects.map(({ key }) => key)).toEqual(["k4", "k3"])
  expect(keys({ after: page.next })).toEqual(["k2", "k1", "k0"])
  expect(effects.list({ limit: 10 }).next).toBeUndefined()
})

test("a record that is not one of an effect counts as remembered", async () => {
  const store = new MemoryStore()
  store.put([{ kind: "effect", key: "effect/odd", value: Buffer.from("[2]") }])
  const { effects, logger } = await openEffectsRig({ store })
  expect(effects.get("odd")).toBeUndefined()
  expect(effects.plan(effectOf("publish", "odd"))).toBeUndefined()
  expect(logger.messages("error")).toEqual(["An effect's record is unreadable; it is not done again"])
})

test("the same parts give the same key, and others another", async () => {
  const { effects } = await openEffectsRig()
  const key = effects.keyOf(["rule", "hot", "node", "00aa", 7, 0])
  expect(key).toMatch(/^[0-9a-f]{64}$/)
  expect(effects.keyOf(["rule", "hot", "node", "00aa", 7, 0])).toBe(key)
  expect(effects.keyOf(["rule", "hot", "node", "00aa", 70])).not.toBe(key)
})
