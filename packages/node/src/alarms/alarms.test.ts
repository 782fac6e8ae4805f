import { type AlarmAction, type AlarmEvent, type Effect, FogError, type Planned } from "@brume/core"
import { simulatedAmbient } from "@brume/testkit"
import { expect, test } from "vitest"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { type AlarmLimits, openAlarms } from "./alarms.ts"

/** No two effects have the same key. */
let keys = 0

function opened({ store = new MemoryStore(), ...limits }: Partial<AlarmLimits> & { store?: MemoryStore } = {}) {
  const ambient = simulatedAmbient()
  const alarms = openAlarms({ ...ambient, store, limits })
  const events: AlarmEvent[] = []
  alarms.onEvent((event) => void events.push(event))
  const plan = (action: Partial<AlarmAction>, key = `key-${keys++}`): Planned => {
    const effect: Effect<AlarmAction> = {
      ...{ key, source: "rule/cold", created: ambient.clock.now() },
      action: { type: "alarm", change: "raise", alarm: "warm", ...action },
    }
    return alarms.plan(effect)
  }
  const does = async (action: Partial<AlarmAction>, key?: string): Promise<void> => {
    const planned = plan(action, key)
    await store.put(planned.records).durable
    planned.durable()
  }
  const changes = () => events.map(({ change, alarm }) => `${change} ${alarm.id}`)
  return { ...ambient, store, alarms, events, changes, plan, does }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "done",
    (error: FogError) => error.code,
  )
}

test("an alarm is raised, seen and heard when its commit is durable, and cleared the same way", async () => {
  const { alarms, plan, store, changes, events, clock } = opened()
  const raising = plan({ device: "hall/1", severity: "critical", message: "9.5 °C" })
  expect(alarms.get("warm@hall/1")).toBeUndefined()
  expect([alarms.list(), alarms.history({ limit: 10 }), changes()]).toEqual([[], [], []])
  await store.put(raising.records).durable
  raising.durable()
  const raised = {
    ...{ id: "warm@hall/1", alarm: "warm", device: "hall/1", state: "raised", severity: "critical", message: "9.5 °C" },
    ...{ source: "rule/cold", raised: clock.now(), count: 1 },
  }
  expect(alarms.get("warm@hall/1")).toEqual(raised)
  expect(events).toEqual([{ number: 1, time: clock.now(), change: "raised", by: "rule/cold", alarm: raised }])
  clock.advance(1_000)
  const clearing = plan({ change: "clear", device: "hall/1" })
  await store.put(clearing.records).durable
  expect(alarms.get("warm@hall/1")!.state).toBe("raised")
  clearing.durable()
  expect(alarms.get("warm@hall/1")).toMatchObject({ state: "cleared", cleared: clock.now(), raised: raised.raised })
  expect(alarms.history({ limit: 10 }).map(({ change }) => change)).toEqual(["cleared", "raised"])
})

test("what it says is there after a restart, and numbers of events go on", async () => {
  const first = opened()
  await first.does({})
  await first.does({ alarm: "dry" })
  await first.alarms.acknowledge("warm", "alice", "on my way")
  const next = opened({ store: first.store })
  expect(next.alarms.list()).toEqual(first.alarms.list())
  expect(next.alarms.history({ limit: 10 })).toEqual(first.alarms.history({ limit: 10 }))
  await next.does({ change: "clear" })
  expect(next.events.map(({ number }) => number)).toEqual([4])
})

test("raising what is raised counts, and is heard only when its severity changes", async () => {
  const { alarms, does, changes, clock } = opened()
  await does({ message: "8" })
  const began = alarms.get("warm")!.raised
  clock.advance(5)
  for (const message of ["9", "10", "11"]) await does({ message })
  expect(alarms.get("warm")).toMatchObject({ count: 4, message: "11", raised: began, severity: "warning" })
  await does({ severity: "critical" })
  expect(changes()).toEqual(["raised warm", "changed warm"])
})

test("the same effect changes an alarm once, also after a restart; clearing what is not raised changes nothing", async () => {
  const first = opened()
  await first.does({}, "k1")
  await first.does({}, "k1")
  expect(first.alarms.get("warm")!.count).toBe(1)
  const next = opened({ store: first.store })
  await next.does({}, "k1")
  expect(next.alarms.get("warm")!.count).toBe(1)
  await next.does({ change: "clear", alarm: "other" })
  await next.does({ change: "clear" })
  await next.does({ change: "clear" })
  expect(next.changes()).toEqual(["cleared warm"])
})

test("a commit that is refused leaves the alarm as it was, also when others are on their way", async () => {
  const { alarms, plan, does, store, changes } = opened()
  plan({}).refused()
  expect(alarms.list()).toEqual([])
  await expect(codeOf(alarms.clear("warm", "alice"))).resolves.toBe("alarm_not_found")
  await does({})
  const lost = plan({ change: "clear" })
  const kept = plan({ severity: "critical" })
  lost.refused()
  await store.put(kept.records).durable
  kept.durable()
  expect(alarms.get("warm")).toMatchObject({ state: "raised", severity: "critical" })
  expect(changes()).toEqual(["raised warm", "raised warm"])
})

test("people acknowledge and clear; a new life of the alarm is unacknowledged", async () => {
  const { alarms, does, clock, changes } = opened()
  await does({})
  const acknowledged = await alarms.acknowledge("warm", "alice", "on my way")
  expect(acknowledged.acknowledged).toEqual({ time: clock.now(), by: "alice", note: "on my way" })
  await alarms.clear("warm", "bob")
  expect(await codeOf(alarms.acknowledge("warm", "alice"))).toBe("alarm_invalid")
  // It is over already: that is as they wish.
  expect((await alarms.clear("warm", "bob")).state).toBe("cleared")
  await does({})
  expect(alarms.get("warm")!.acknowledged).toBeUndefined()
  expect(changes()).toEqual(["raised warm", "acknowledged warm", "cleared warm", "raised warm"])
  expect(alarms.history({ limit: 1, before: 3 })[0]).toMatchObject({ number: 2, by: "alice", note: "on my way" })
})

test("a silence lasts over clearing and raising until its end, and is ended by a time that has passed", async () => {
  const { alarms, does, clock, changes } = opened()
  await does({})
  const until = clock.now() + 60_000_000
  await alarms.silence("warm", until, "alice", "door is being repaired")
  await does({ change: "clear" })
  await does({})
  expect(alarms.get("warm")!.silenced).toMatchObject({ until, by: "alice" })
  clock.advance(60_000)
  expect(alarms.get("warm")!.silenced).toBeUndefined()
  await alarms.silence("warm", clock.now() + 1_000_000, "alice")
  await alarms.silence("warm", 0, "bob")
  expect(alarms.get("warm")!.silenced).toBeUndefined()
  await alarms.silence("warm", 0, "bob")
  const said = ["raised", "silenced", "cleared", "raised", "silenced", "unsilenced"]
  expect(changes()).toEqual(said.map((change) => `${change} warm`))
  expect(await codeOf(alarms.silence("warm", clock.now() + 400 * 86_400_000_000, "bob"))).toBe("alarm_invalid")
  expect(await codeOf(alarms.silence("warm", Number.NaN, "bob"))).toBe("alarm_invalid")
})

test("what people do is told when it is durable, and refused with the store's reason", async () => {
  const { alarms, does, store, changes } = opened()
  await does({})
  const release = store.hold()
  const acknowledging = alarms.acknowledge("warm", "alice")
  expect(alarms.get("warm")!.acknowledged).toBeUndefined()
  release(new FogError("store_closed", { message: "The log failed" }))
  expect(await codeOf(acknowledging)).toBe("store_closed")
  expect(alarms.get("warm")!.acknowledged).toBeUndefined()
  expect(changes()).toEqual(["raised warm"])
})

test.each<[Partial<AlarmAction>, string]>([
  [{ alarm: "" }, "its name"],
  [{ alarm: "a@b" }, "has an @"],
  [{ alarm: "x".repeat(129) }, "longer than 128"],
  [{ device: "" }, "the device's name"],
  [{ severity: "grave" as never }, "none of info, warning, critical"],
])("the alarm %j is refused: %s", (action, reason) => {
  const { plan } = opened()
  expect(() => plan(action)).toThrow(reason)
})

test("a long message is cut, a long note is refused", async () => {
  const { alarms, does } = opened()
  await does({ message: "x".repeat(5_000) })
  expect(alarms.get("warm")!.message).toHaveLength(1_000)
  expect(await codeOf(alarms.acknowledge("warm", "alice", "x".repeat(1_001)))).toBe("alarm_invalid")
})

test("the alarm that was cleared first makes room; where all are raised or silenced no more is taken", async () => {
  const { alarms, does, plan, clock } = opened({ maxAlarms: 3 })
  for (const alarm of ["a", "b", "c"]) await does({ alarm })
  for (const alarm of ["b", "a"]) await does({ alarm, change: "clear" })
  await alarms.silence("b", clock.now() + 1_000_000, "alice")
  await does({ alarm: "d" })
  expect(alarms.list().map(({ id }) => id)).toEqual(["c", "d", "b"])
  expect(() => plan({ alarm: "e" })).toThrow("cannot be forgotten")
  clock.advance(2_000)
  plan({ alarm: "e" }).refused()
  expect(alarms.get("b")).toBeDefined()
  await does({ alarm: "e" })
  expect(alarms.list().map(({ id }) => id)).not.toContain("b")
})

test("the history is bounded, and read back page by page, of all or of one", async () => {
  const { alarms, does, store } = opened({ maxEvents: 10 })
  for (let round = 0; round < 15; round++) {
    await does({ alarm: "a" })
    await does({ alarm: "a", change: "clear" })
  }
  await does({ alarm: "b" })
  const all = alarms.history({ limit: 100 })
  expect(all).toHaveLength(10)
  expect(all[0]).toMatchObject({ number: 31, change: "raised" })
  expect(alarms.history({ limit: 2, before: 30 }).map(({ number }) => number)).toEqual([29, 28])
  expect(alarms.history({ limit: 100, id: "b" }).map(({ number }) => number)).toEqual([31])
  expect([...store.entries("state")].filter(([key]) => key.startsWith("alarm-event/"))).toHaveLength(10)
  expect(opened({ store, maxEvents: 10 }).alarms.history({ limit: 100 })).toEqual(all)
})

test("raised alarms come first, the newest first; what is unreadable is left out and said", async () => {
  const { alarms, does, clock, store } = opened()
  for (const alarm of ["a", "b", "c"]) {
    await does({ alarm })
    clock.advance(1)
  }
  await does({ alarm: "c", change: "clear" })
  expect(alarms.list().map(({ id, state }) => `${id} ${state}`)).toEqual(["b raised", "a raised", "c cleared"])
  const bad = Buffer.from("{}")
  store.put([
    { kind: "state", key: "alarm/a", value: bad },
    { kind: "state", key: "alarm-event/1", value: bad },
  ])
  const next = opened({ store })
  expect(next.alarms.list().map(({ id }) => id)).toEqual(["b", "c"])
  expect(next.logger.messages("error")).toHaveLength(2)
})
