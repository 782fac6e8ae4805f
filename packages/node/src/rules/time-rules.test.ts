import { expect, test } from "vitest"
import { openRuled, saying } from "../../../../test/rig/ruled.ts"

const minute = 60_000
const hour = 60 * minute

test("a schedule fires at its moments, with the moment as its time", async () => {
  await using ruled = await openRuled()
  // The clock begins at midnight.
  ruled.apply("tick", { on: { schedule: "*/15 * * * *" }, ...saying("{{ time }}") })
  await ruled.clock.run(31 * minute)
  expect(ruled.said()).toEqual(["2025-01-01T00:15:00.000Z", "2025-01-01T00:30:00.000Z"])
  expect(ruled.rules.status("tick")).toMatchObject({ fired: 2, next: Date.parse("2025-01-01T00:45Z") * 1_000 })
})

test("a schedule keeps to its time zone, and when has a say", async () => {
  await using ruled = await openRuled()
  ruled.apply("morning", {
    on: { schedule: "0 7 * * *", timeZone: "Asia/Tokyo" },
    when: "time.getDate('Asia/Tokyo') % 2 == 0",
    ...saying("{{ time }}"),
  })
  await ruled.clock.run(48 * hour)
  expect(ruled.said()).toEqual(["2025-01-01T22:00:00.000Z"])
})

test("of what was missed the last one fires, once, when it is not too old", async () => {
  await using ruled = await openRuled()
  ruled.apply("quarter", { on: { schedule: "*/15 * * * *" }, ...saying("{{ time }}") })
  ruled.apply("daily", { on: { schedule: "30 0 * * *", catchUp: "10m" }, ...saying("daily {{ time }}") })
  await ruled.clock.run(20 * minute)
  expect(ruled.said()).toEqual(["2025-01-01T00:15:00.000Z"])
  await ruled.restart(40 * minute)
  expect(ruled.said()).toEqual(["2025-01-01T01:00:00.000Z"])
  await ruled.restart()
  expect(ruled.said()).toEqual([])
  await ruled.clock.run(15 * minute)
  expect(ruled.said()).toEqual(["2025-01-01T01:15:00.000Z"])
})

test("what a rule missed before it was written is not missed", async () => {
  await using ruled = await openRuled()
  await ruled.clock.run(10 * minute)
  ruled.apply("early", { on: { schedule: "5 0 * * *" }, ...saying("early") })
  await ruled.restart(minute)
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual([])
})

test("a moment that the disk refuses fires when there is room again, once", async () => {
  await using ruled = await openRuled()
  ruled.apply("tick", { on: { schedule: "15 * * * *" }, ...saying("{{ time }}") })
  ruled.store.state = "full"
  await ruled.clock.run(16 * minute)
  expect(ruled.said()).toEqual([])
  expect(ruled.effects.refused).toBeGreaterThan(1)
  ruled.store.state = "accepting"
  await ruled.clock.run(hour)
  expect(ruled.said()).toEqual(["2025-01-01T00:15:00.000Z", "2025-01-01T01:15:00.000Z"])
})

test("a clock that is set back does not bring a moment again", async () => {
  await using ruled = await openRuled()
  ruled.apply("tick", { on: { schedule: "15 * * * *" }, ...saying("{{ time }}") })
  await ruled.clock.run(16 * minute)
  ruled.clock.jump(ruled.clock.now() - 10 * minute * 1_000)
  await ruled.clock.run(20 * minute)
  expect(ruled.said()).toEqual(["2025-01-01T00:15:00.000Z"])
})

test("the sun rises, half an hour early", async () => {
  await using ruled = await openRuled()
  const zurich = { latitude: 47.3769, longitude: 8.5417 }
  ruled.apply("dawn", { on: { sun: "sunrise", ...zurich, offset: "-30m" }, ...saying("{{ time }}") })
  await ruled.clock.run(24 * hour)
  // The almanac has 08:13 in Zurich.
  const [at] = ruled.said()
  expect(Math.abs(Date.parse(at!) - Date.parse("2025-01-01T06:43Z"))).toBeLessThan(90_000)
})

test("a rule that is changed or removed fires no more as it was", async () => {
  await using ruled = await openRuled()
  ruled.apply("tick", { on: { schedule: "* * * * *" }, ...saying("old") })
  ruled.apply("gone", { on: { schedule: "* * * * *" }, ...saying("gone") })
  ruled.apply("tick", { on: { schedule: "* * * * *" }, ...saying("new") })
  ruled.remove("gone")
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual(["new"])
  ruled.apply("tick", { on: { schedule: "* * * * *" }, enabled: false, ...saying("new") })
  await ruled.clock.run(minute)
  expect([ruled.said(), ruled.rules.status("tick")?.state]).toEqual([[], "disabled"])
})

test("a clock that is put forward makes up for what is recent, and for nothing older", async () => {
  await using ruled = await openRuled()
  ruled.apply("tick", { on: { schedule: "15 * * * *" }, ...saying("{{ time }}") })
  ruled.apply("old", { on: { schedule: "20 * * * *", catchUp: "10m" }, ...saying("old {{ time }}") })
  ruled.clock.jump(ruled.clock.now() + 60 * minute * 1_000)
  await ruled.clock.run(minute)
  expect(ruled.said()).toEqual(["2025-01-01T00:15:00.000Z"])
  await ruled.clock.run(20 * minute)
  expect(ruled.said()).toEqual(["2025-01-01T01:15:00.000Z", "old 2025-01-01T01:20:00.000Z"])
})
