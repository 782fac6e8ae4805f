import { expect, test } from "vitest"
import { openRuled, saying } from "../../../../test/rig/ruled.ts"

test("a rule that sets itself off through messages ends after some steps", async () => {
  await using ruled = await openRuled()
  ruled.apply("echo", { on: { topic: "out" }, ...saying("again") })
  const { messages } = ruled.rules
  const { effects, store } = ruled
  /** As the front does: what the node publishes it takes itself, right after the commit. */
  const publish = (): void => {
    const taken = messages.on("out")!({ payload: Buffer.from("x") })
    if (taken === undefined) return
    store.put(taken.records)
    taken.end(undefined)
  }
  let steps = 0
  const { plan } = effects
  effects.plan = (effect) => {
    const planned = plan.call(effects, effect)!
    return {
      ...planned,
      durable: () => {
        if (++steps > 1_000) throw new Error("without end")
        publish()
      },
    }
  }
  publish()
  expect(steps).toBe(17)
  expect(ruled.rules.status("echo")).toMatchObject({ fired: 17, dropped: 1 })
  expect(ruled.rules.status("echo")?.lastFailure).toContain("set each other off")
  // The next message from outside begins a chain of its own.
  publish()
  expect(steps).toBe(34)
})

test("a rule that fires too often rests, and others go on", async () => {
  await using ruled = await openRuled()
  ruled.apply("each", { on: { device: "a" }, ...saying("x") })
  ruled.apply("other", { on: { device: "b" }, ...saying("y") })
  const many = Array.from({ length: 25_000 }, () => ({ device: "a", property: "p", value: 1 }))
  await ruled.read(...many, { device: "b", property: "p", value: 1 })
  expect(ruled.rules.status("each")).toMatchObject({ fired: 20_000, dropped: 5_000 })
  expect(ruled.rules.status("other")).toMatchObject({ fired: 1, dropped: 0 })
  await ruled.clock.run(10_000)
  await ruled.read({ device: "a", property: "p", value: 1 })
  expect(ruled.rules.status("each")?.fired).toBe(20_001)
})

test("what rules remember is bounded, and those without memory go on", async () => {
  await using ruled = await openRuled({ maxRemembered: 10 })
  ruled.apply("hot", { on: { device: "+" }, when: "value > 1", for: "1m", ...saying("{{ device }}") })
  ruled.apply("plain", { on: { device: "+" }, when: "value > 1", ...saying("plain") })
  await ruled.read(...Array.from({ length: 15 }, (_, index) => ({ device: `d${index}`, property: "p", value: 2 })))
  expect(ruled.said()).toHaveLength(15)
  expect(ruled.rules.status("hot")).toMatchObject({ pending: 10, failed: 5 })
  ruled.remove("hot")
  expect(ruled.rules.status("hot")).toBeUndefined()
  expect([...ruled.store.entries("state")]).toEqual([])
})

test("an action whose template has no value is left out, counted and told; the others are done", async () => {
  await using ruled = await openRuled()
  ruled.apply("two", {
    on: { device: "+" },
    actions: [{ publish: { topic: "a", payload: "{{ json.x }}" } }, { publish: { topic: "b", payload: "done" } }],
  })
  await ruled.read({ device: "d", property: "p", value: 1 })
  expect(ruled.said()).toEqual(["done"])
  expect(ruled.rules.status("two")).toMatchObject({ fired: 1, failed: 1 })
  expect(ruled.rules.status("two")?.lastFailure).toMatch(/json/i)
})

test("a firing counts when its commit is durable", async () => {
  await using ruled = await openRuled()
  ruled.apply("one", { on: { device: "+" }, actions: [{ publish: { topic: "a", payload: "{{ json.x }}" } }] })
  ruled.store.state = "full"
  await expect(ruled.read({ device: "d", property: "p", value: 1 })).rejects.toThrow()
  expect(ruled.rules.status("one")).toMatchObject({ fired: 0 })
  ruled.store.state = "accepting"
  await ruled.read({ device: "d", property: "p", value: 1 })
  expect(ruled.rules.status("one")).toMatchObject({ fired: 1, lastFired: ruled.clock.now() })
})

test("a condition that fails holds nothing up, and says why", async () => {
  await using ruled = await openRuled()
  ruled.apply("deep", { on: { device: "+" }, when: "json.a.b > 1", ...saying("x") })
  await ruled.read(
    { device: "d", property: "p", json: '{"a":3}' },
    { device: "d", property: "p", json: '{"a":{"b":2}}' },
  )
  expect(ruled.said()).toEqual(["x"])
  expect(ruled.rules.status("deep")).toMatchObject({ conditionFailures: 1 })
  expect(ruled.rules.status("deep")?.lastConditionFailure).toBeDefined()
})

test("what comes out of order is no news for what is remembered, until the device's clock was set back", async () => {
  await using ruled = await openRuled()
  const hot = { on: { device: "oven" }, when: "value > 30", clearWhen: "value < 25" }
  ruled.apply("hot", { ...hot, ...saying("hot", "cool") })
  ruled.clock.advance(3_600_000)
  const at = (value: number, secondsAgo: number) => ({
    ...{ device: "oven", property: "t", value },
    time: ruled.clock.now() - secondsAgo * 1_000_000,
  })
  await ruled.read(at(20, 0), at(40, 600))
  expect(ruled.said()).toEqual([])
  await ruled.read(at(31, 0), at(10, 5))
  expect(ruled.said()).toEqual(["hot"])
  // The clock of the device now lags by an hour: after a minute without anything newer, that is its time.
  ruled.clock.advance(61_000)
  await ruled.read(at(10, 3_600))
  expect(ruled.said()).toEqual(["cool"])
})
