import type { QueryRow } from "@brume/core"
import { expect, test } from "vitest"
import { openRuled, saying } from "../../../../test/rig/ruled.ts"

const minute = 60_000
const silent = {
  on: { device: "pump/+", property: "flow" },
  silence: "10m",
  ...saying("{{ device }} is silent", "{{ device }} is back"),
}
const flow = (device: string): object => ({ device, property: "flow", value: 1 })

test("a series that says nothing for so long fires once, and clears when it is heard again", async () => {
  await using ruled = await openRuled()
  ruled.apply("silent", silent)
  await ruled.read(flow("pump/1"), flow("pump/2"))
  await ruled.clock.run(9 * minute)
  await ruled.read(flow("pump/2"))
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual(["pump/1 is silent"])
  await ruled.clock.run(30 * minute)
  expect(ruled.said()).toEqual(["pump/2 is silent"])
  await ruled.read(flow("pump/1"))
  expect(ruled.said()).toEqual(["pump/1 is back"])
})

test("what is silent stays so when the node begins again, and comes back", async () => {
  await using ruled = await openRuled()
  ruled.apply("silent", silent)
  await ruled.read(flow("pump/1"))
  await ruled.clock.run(10 * minute)
  expect(ruled.said()).toEqual(["pump/1 is silent"])
  await ruled.restart(minute)
  await ruled.clock.run(60 * minute)
  expect(ruled.said()).toEqual([])
  await ruled.read(flow("pump/1"))
  expect(ruled.said()).toEqual(["pump/1 is back"])
})

test("half-way when the node ends, silence goes on, without the time for which the node was down", async () => {
  let heardAt = 0
  const latest = (): QueryRow[] => [{ device: "pump/1", property: "flow", tags: "{}", received: heardAt }]
  await using ruled = await openRuled({ latest })
  ruled.apply("silent", silent)
  heardAt = ruled.clock.now()
  await ruled.read(flow("pump/1"))
  await ruled.clock.run(6 * minute)
  await ruled.restart(60 * minute)
  await ruled.clock.run(3 * minute)
  expect(ruled.said()).toEqual([])
  await ruled.restart(60 * minute)
  await ruled.clock.run(minute / 2)
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual(["pump/1 is silent"])
})

test("a device that a rule names is missed although it was never heard", async () => {
  await using ruled = await openRuled()
  ruled.apply("silent", { ...silent, on: { device: "pump/1", property: "flow" } })
  await ruled.clock.run(9 * minute)
  await ruled.restart()
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(11 * minute)
  expect(ruled.said()).toEqual(["pump/1 is silent"])
})

test("a topic that says nothing for so long fires too", async () => {
  await using ruled = await openRuled()
  ruled.apply("beat", { on: { topic: "beat/+" }, silence: "1m", ...saying("{{ topic }}") })
  ruled.rules.messages.on("beat/a")?.({ payload: Buffer.from("x") })
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual(["beat/a"])
})

test("a topic that was heard before the node ended is missed after it began again, and costs few records", async () => {
  await using ruled = await openRuled()
  let records = 0
  const beat = async (topic: string): Promise<void> => {
    const taken = ruled.rules.messages.on(topic)?.({ payload: Buffer.from("x") })
    if (taken === undefined) return
    records += taken.records.length
    await ruled.store.put(taken.records).durable
    taken.end(undefined)
  }
  ruled.apply("beat", { on: { topic: "beat/+" }, silence: "4m", ...saying("{{ topic }}") })
  for (let second = 0; second < 240; second++) {
    await beat("beat/a")
    await ruled.clock.run(1_000)
  }
  expect(records).toBe(4)
  await ruled.restart(60 * minute)
  await ruled.clock.run(2 * minute)
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(3 * minute)
  expect(ruled.said()).toEqual(["beat/a"])
})
