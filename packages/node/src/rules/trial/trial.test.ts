import { expect, onTestFinished, test } from "vitest"
import { systemClock } from "../../../../../packages/node/src/ambient/system-clock.ts"
import { openQueryRig } from "../../../../../test/rig/query.ts"
import { createRuleTrials, type RuleTrialRequest, type RuleTrialsOptions } from "./trial.ts"

const second = 1_000_000
const start = Date.parse("2025-01-01T00:00:00Z") * 1_000

/** 1,000 seconds of ten rooms, whose temperature goes from 4 to 6 and 2 and back in some 157 s. */
async function trials(limits: RuleTrialsOptions["limits"] = {}) {
  const rig = await openQueryRig({ rows: 20_000 })
  onTestFinished(() => rig[Symbol.asyncDispose]())
  return createRuleTrials({ node: "gateway-1", query: rig.query, clock: systemClock(), limits })
}

const request = (spec: object, changes: Partial<RuleTrialRequest> = {}): RuleTrialRequest => ({
  ...{ name: "warm", fromUs: start, toUs: start + 1_000 * second, by: "time", limit: 100 },
  spec: { on: { device: "cold-room-3", property: "temperature" }, actions: [], ...spec },
  ...changes,
})

const publish = (payload: string) => [{ publish: { topic: "out/{{ device }}", payload } }]

test("a rule on readings fires and clears where the stored readings make it do so", async () => {
  const { run } = await trials()
  const trial = await run(
    request({
      when: "value > 5.5",
      clearWhen: "value < 5",
      actions: publish("{{ value }}"),
      clearActions: publish("ok"),
    }),
  )
  expect(trial).toMatchObject({ readings: 1_000, reachedUs: start + 1_000 * second, notes: [] })
  // Two and a bit more rounds of the sine in 20,000 steps of it.
  expect(trial.fired).toBeGreaterThan(1)
  expect([trial.fired - 1, trial.fired]).toContain(trial.cleared)
  expect(trial.strip.reduce((sum, count) => sum + count)).toBe(trial.fired)
  expect(trial.firings[0]).toMatchObject({
    ...{ change: "fired", device: "cold-room-3", property: "temperature" },
    actions: [{ type: "publish", topic: "out/cold-room-3" }],
  })
  const [first, second_] = trial.firings
  expect(first!.values.value).toBeGreaterThan(5.5)
  expect(second_).toMatchObject({ change: "cleared", actions: [{ payload: "ok" }] })
  expect(second_!.time).toBeGreaterThan(first!.time)
})

test("a rule on windows fires at the ends of windows, with what they say", async () => {
  const { run } = await trials()
  const trial = await run(
    request({
      on: { device: "#", property: "temperature" },
      window: { type: "tumbling", size: "10s", select: "avg(value) AS mean, count(*) AS n" },
      when: "mean > 5.5",
      actions: publish("{{ mean }} of {{ n }}"),
    }),
  )
  expect(trial.readings).toBe(10_000)
  expect(trial.fired).toBeGreaterThan(20)
  for (const { time, values } of trial.firings) {
    // Timers count in whole ms.
    expect(time % (10 * second)).toBeLessThan(1_000)
    expect(values.n).toBe(10)
    expect(Date.parse(String(values.window_end))).toBe(Math.floor(time / 1_000))
  }
})

test("time alone makes rules fire too: for, silence, schedules", async () => {
  const { run } = await trials()
  const held = await run(request({ when: "value > 5.5", for: "10s", actions: publish("held") }))
  const atOnce = await run(request({ when: "value > 5.5", clearWhen: "value <= 5.5", actions: publish("now") }))
  expect(held.firings[0]!.time - atOnce.firings[0]!.time).toBe(10 * second)
  const silent = await run(
    request(
      { silence: "1m", actions: publish("silent") },
      { fromUs: start + 99 * second, toUs: start + 2_000 * second },
    ),
  )
  expect(silent.firings.map(({ time }) => time)).toEqual([start + 99 * second, start + 1_059 * second + 1_000])
  const nightly = await run(
    request(
      { on: { schedule: "0 * * * *" }, actions: [{ publish: { topic: "out", payload: "hour" } }] },
      { toUs: start + 3 * 3_600 * second },
    ),
  )
  expect(nightly.firings.map(({ time }) => (time - start) / second)).toEqual([3_600, 7_200])
})

test("what rules knew before the time that is asked for is known in it, and not listed", async () => {
  const { run } = await trials()
  const spec = { window: { type: "tumbling", size: "100s", select: "count(*) AS n" }, actions: publish("{{ n }}") }
  const trial = await run(request(spec, { fromUs: start + 250 * second, toUs: start + 350 * second }))
  expect(trial.firings.map(({ values, time }) => [values.n, Math.round((time - start) / second)])).toEqual([[100, 300]])
})

test("limits cut a test off, and its answer says so", async () => {
  const { run } = await trials({ readings: 50 })
  const cut = await run(request({ actions: publish("x") }))
  expect(cut).toMatchObject({ readings: 50, fired: 50, notes: ["The test ended early, at the limit of 50 readings."] })
  expect(cut.reachedUs).toBeLessThan(start + 60 * second)
  const listed = await (await trials()).run(request({ actions: publish("x") }, { limit: 3 }))
  expect(listed.firings.length).toBe(3)
  expect(listed).toMatchObject({
    fired: 1_000,
    notes: ["The first 3 firings and clearings are listed; all are counted."],
  })
  const late = await (await trials({ durationMs: 0 })).run(request({ actions: publish("x") }))
  expect(late.notes).toContain("The test ended early, at the limit of its time.")
})

test("what cannot be filled in is told, and a rule on a topic meets nothing", async () => {
  const { run } = await trials()
  const trial = await run(request({ actions: publish("{{ tags['floor'] }}") }, { toUs: start + second }))
  expect(trial.firings.map(({ actions }) => actions)).toEqual([[]])
  expect(trial.notes.join()).toContain("An action of a rule has no value and is left out")
  const topic = await run(request({ on: { topic: "a/b" }, actions: [{ publish: { topic: "b", payload: "x" } }] }))
  expect(topic.notes).toEqual(["Messages are not stored, only readings are: a rule on a topic meets nothing here."])
  const none = await run(request({ on: { device: "nobody" }, actions: publish("x") }))
  expect(none.notes).toEqual(["No stored reading of this time is one that the rule listens to."])
})

test("a rule with mistakes is refused with all of them", async () => {
  const { run } = await trials()
  const trial = run(request({ window: { type: "tumbling", size: "x", select: "avg(valeu)" }, actions: publish("x") }))
  await expect(trial).rejects.toMatchObject({
    code: "document_invalid",
    details: { mistakes: [{ path: "spec.window.size" }, { path: "spec.window.select" }] },
  })
})
