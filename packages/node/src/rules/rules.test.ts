import { batchOf } from "@brume/core"
import { expect, test } from "vitest"
import { openRuled, saying } from "../../../../test/rig/ruled.ts"

const hot = { on: { device: "oven", property: "temperature" }, when: "value > 30" }
const oven = (value: number, more: object = {}): object => ({
  device: "oven",
  property: "temperature",
  value,
  ...more,
})
const minute = 60_000

test("a rule without memory fires at each reading for which it holds", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, ...saying("{{ device }} is at {{ value }}") })
  await ruled.read(oven(29), oven(31), oven(32), { device: "fridge", property: "temperature", value: 99 })
  expect(ruled.said()).toEqual(["oven is at 31", "oven is at 32"])
})

test("wildcards name devices and properties, and a text is no number", async () => {
  await using ruled = await openRuled()
  ruled.apply("hall", { on: { device: "hall/+", property: "t/#" }, when: "value > 1", ...saying("{{ device }}") })
  await ruled.read(
    { device: "hall/1", property: "t/a", value: 2 },
    { device: "hall/1", property: "u", value: 2 },
    { device: "hall/1/x", property: "t", value: 2 },
    { device: "hall/2", property: "t", text: "5" },
    { device: "hall/3", property: "t", value: 2 },
  )
  expect(ruled.said()).toEqual(["hall/1", "hall/3"])
})

test("nothing leaves before the commit is durable, and nothing at all when it is refused", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, for: "1m", ...saying("hot") })
  const goOn = ruled.store.hold()
  const reading = ruled.read(oven(31))
  ruled.clock.advance(minute)
  expect(ruled.taken()).toEqual([])
  goOn()
  await reading
  await ruled.clock.run(0)
  expect(ruled.said()).toEqual(["hot"])
  await ruled.read(oven(20))
  ruled.store.state = "full"
  await expect(ruled.read(oven(40))).rejects.toThrow()
  ruled.store.state = "accepting"
  await ruled.clock.run(2 * minute)
  expect(ruled.rules.status("hot")).toMatchObject({ pending: 0, active: 0 })
  expect(ruled.said()).toEqual([])
})

test("an alarm that a rule raised is cleared at the end, unless the rule says what happens then", async () => {
  await using ruled = await openRuled()
  const alarm = { name: "hot", message: "{{ value }}" }
  ruled.apply("hot", { ...hot, actions: [{ alarm }] })
  ruled.apply("kept", { ...hot, actions: [{ alarm: { ...alarm, name: "kept" } }], clearActions: [] })
  await ruled.read(oven(31), oven(32), oven(20))
  expect(ruled.taken()).toEqual([
    { type: "alarm", change: "raise", alarm: "hot", device: "oven", message: "31" },
    { type: "alarm", change: "raise", alarm: "kept", device: "oven", message: "31" },
    { type: "alarm", change: "clear", alarm: "hot", device: "oven" },
  ])
})

test("for: what holds for long enough fires once, with what was seen last", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, for: "5m", ...saying("{{ value }}") })
  await ruled.read(oven(31))
  await ruled.clock.run(4 * minute)
  await ruled.read(oven(33))
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual(["33"])
  await ruled.clock.run(60 * minute)
  await ruled.read(oven(35))
  expect(ruled.said()).toEqual([])
})

test("for: a reading for which it does not hold begins it anew", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, for: "5m", ...saying("hot", "cool") })
  await ruled.read(oven(31))
  await ruled.clock.run(4 * minute)
  await ruled.read(oven(29))
  await ruled.read(oven(31))
  await ruled.clock.run(4 * minute)
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(minute)
  await ruled.read(oven(29))
  expect(ruled.said()).toEqual(["hot", "cool"])
})

test("for: half-way when the node ends, it goes on from there", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, for: "5m", ...saying("{{ value }}") })
  await ruled.read(oven(31))
  await ruled.clock.run(2 * minute)
  await ruled.restart(minute)
  await ruled.clock.run(2 * minute - 1)
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(1)
  expect(ruled.said()).toEqual(["31"])
  await ruled.restart()
  await ruled.clock.run(60 * minute)
  expect(ruled.said()).toEqual([])
})

test("clearWhen: it ends where that holds, not where the condition does not", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, clearWhen: "value < 25", ...saying("hot", "cool {{ value }}") })
  await ruled.read(oven(31), oven(28), oven(31), oven(24), oven(24), oven(32))
  expect(ruled.said()).toEqual(["hot", "cool 24", "hot"])
  await ruled.restart()
  await ruled.read(oven(33), oven(20))
  expect(ruled.said()).toEqual(["cool 20"])
})

test("onChange: readings that say the same are passed over, also after the node began again", async () => {
  await using ruled = await openRuled()
  const door = (text: string): object => ({ device: "door", property: "state", text })
  ruled.apply("door", { on: { device: "door" }, onChange: true, ...saying("{{ text }}") })
  await ruled.read(door("open"), door("open"), door("shut"))
  await ruled.restart()
  await ruled.read(door("shut"), door("open"))
  expect(ruled.said()).toEqual(["open", "shut", "open"])
})

test("previous: the reading before is there, and null at first", async () => {
  await using ruled = await openRuled()
  ruled.apply("jump", {
    on: { device: "oven" },
    when: "previous != null && value - previous.value > 5",
    ...saying("{{ previous.value }} to {{ value }}"),
  })
  await ruled.read(oven(1), oven(7), oven(9))
  await ruled.restart()
  await ruled.read(oven(20))
  expect(ruled.said()).toEqual(["1 to 7", "9 to 20"])
})

test("cooldown: it fires no more for so long", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, cooldown: "10m", ...saying("{{ value }}") })
  await ruled.read(oven(31), oven(32))
  await ruled.restart(9 * minute)
  await ruled.read(oven(33))
  await ruled.clock.run(minute)
  await ruled.read(oven(34))
  expect(ruled.said()).toEqual(["31", "34"])
})

test("a rule that is changed goes on with its state; what was pending under another condition begins anew", async () => {
  await using ruled = await openRuled()
  const rule = { ...hot, for: "5m", ...saying("hot", "cool") }
  ruled.apply("hot", rule)
  await ruled.read(oven(31))
  await ruled.clock.run(4 * minute)
  ruled.apply("hot", { ...rule, for: "10m" })
  await ruled.clock.run(5 * minute)
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual(["hot"])
  ruled.apply("hot", { ...rule, when: "value > 20" })
  await ruled.read(oven(25), oven(10))
  expect(ruled.said()).toEqual(["cool"])
  await ruled.read(oven(25))
  ruled.apply("hot", { ...rule, when: "value > 26" })
  await ruled.clock.run(60 * minute)
  expect([ruled.said(), ruled.rules.status("hot")?.pending]).toEqual([[], 0])
})

test("a disabled rule does nothing, keeps what is active, and begins anew with what was pending", async () => {
  await using ruled = await openRuled()
  const rule = { ...hot, for: "5m", ...saying("hot", "cool") }
  ruled.apply("hot", rule)
  await ruled.read(oven(31))
  await ruled.clock.run(5 * minute)
  await ruled.read({ ...oven(31), device: "oven" })
  expect(ruled.said()).toEqual(["hot"])
  ruled.apply("hot", { ...rule, enabled: false })
  await ruled.read(oven(10))
  await ruled.restart()
  ruled.apply("hot", rule)
  expect(ruled.rules.status("hot")?.active).toBe(1)
  await ruled.read(oven(10), oven(31))
  expect(ruled.said()).toEqual(["cool"])
  ruled.apply("hot", { ...rule, enabled: false })
  await ruled.restart()
  ruled.apply("hot", rule)
  await ruled.clock.run(60 * minute)
  expect(ruled.said()).toEqual([])
})

test("a rule that listens to something else, or is deleted, leaves nothing behind, also on a full disk", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, for: "5m", ...saying("hot") })
  await ruled.read(oven(31))
  expect([...ruled.store.entries("state")]).toHaveLength(1)
  ruled.apply("hot", { ...hot, on: { device: "other" }, for: "5m", ...saying("hot") })
  expect([...ruled.store.entries("state")]).toEqual([])
  await ruled.read({ ...oven(31), device: "other" })
  ruled.store.state = "full"
  ruled.remove("hot")
  ruled.store.state = "accepting"
  await ruled.restart()
  expect([...ruled.store.entries("state")]).toEqual([])
  await ruled.clock.run(60 * minute)
  expect(ruled.said()).toEqual([])
})

test.each([
  ["forward", 60 * minute],
  ["back", -60 * minute],
])("a clock that is put %s neither hurries nor delays what is waited for", async (_way, byMs) => {
  await using ruled = await openRuled()
  ruled.clock.advance(120 * minute)
  ruled.apply("hot", { ...hot, for: "5m", ...saying("hot") })
  ruled.apply("silent", { on: { device: "pump" }, silence: "5m", ...saying("silent") })
  ruled.apply("often", { on: { device: "bell" }, cooldown: "5m", ...saying("ding") })
  const bell = { device: "bell", property: "p", value: 1 }
  await ruled.read(oven(31), bell, { device: "pump", property: "flow", value: 1 })
  await ruled.clock.run(2 * minute)
  ruled.clock.jump(ruled.clock.now() + byMs * 1_000)
  await ruled.read(bell)
  expect(ruled.said()).toEqual(["ding"])
  await ruled.clock.run(2 * minute)
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(minute)
  expect(ruled.said().sort()).toEqual(["hot", "silent"])
  await ruled.read(bell)
  expect(ruled.said()).toEqual(["ding"])
})

test("a series that comes by two ways has one memory, and one that is idle takes none", async () => {
  await using ruled = await openRuled()
  ruled.apply("hot", { ...hot, clearWhen: "value < 25", ...saying("hot", "cool") })
  // Each of these batches has Series objects of its own, as HTTP and MQTT have.
  const read = (value: number) => ruled.ruled.append(batchOf([{ ...oven(value), time: ruled.clock.now() }])).durable
  await ruled.read(oven(20))
  await read(20)
  expect(ruled.rules.remembered).toBe(0)
  await ruled.read(oven(31))
  await read(32)
  expect([ruled.said(), ruled.rules.remembered]).toEqual([["hot"], 1])
  await read(20)
  expect(ruled.said()).toEqual(["cool"])
  await ruled.read(oven(20), oven(31))
  await read(31)
  expect([ruled.said(), ruled.rules.remembered]).toEqual([["hot"], 1])
})
