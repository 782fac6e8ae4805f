import { expect, test } from "vitest"
import { ruleKind } from "./rule-kind.ts"

const actions = [{ publish: { topic: "out", payload: "x" } }]
const on = { device: "oven", property: "temperature" }

function mistakes(spec: object): string[] {
  return ruleKind.check({ on, actions, ...spec }, "rule").map(({ path, problem }) => `${path} ${problem}`)
}

test("a rule without mistakes has none", () => {
  expect(
    mistakes({ when: "value > 3", for: "5m", clearWhen: "value < 2", cooldown: "1h", severity: "critical" }),
  ).toEqual([])
})

test("all mistakes are told at once, each with its place", () => {
  const found = mistakes({
    on: { device: "a/#/b", property: "x+" },
    when: "vlue > 3",
    clearWhen: "value > 'a'",
    for: "0s",
    actions: [
      { publish: { topic: "a/+", payload: { deep: ["{{ vlue }}"] } } },
      { webhook: { url: "example.org", headers: { x: "{{ 1 + }}" } } },
      { command: { device: "{{ tag }}", name: "stop", deadline: "9d" } },
    ],
  })
  expect(found.map((mistake) => mistake.split(" ", 1)[0])).toEqual([
    "spec.on.device",
    "spec.on.property",
    "spec.when",
    "spec.clearWhen",
    "spec.actions[0].publish.payload.deep[0]",
    "spec.actions[0].publish.topic",
    "spec.actions[1].webhook.url",
    "spec.actions[1].webhook.headers.x",
    "spec.actions[2].command.device",
    "spec.actions[2].command.deadline",
    "spec.for",
  ])
  expect(found[2]).toContain("did you mean value?")
  expect(found[3]).toContain("no such overload")
})

test.each([
  [{ on: {} }, "spec.on must have device, topic, schedule, or sun"],
  [{ on: { device: "a", topic: "b" } }, "spec.on.topic does not go with device"],
  [{ on: { schedule: "0 0 * *" } }, "spec.on.schedule has 4 fields"],
  [{ on: { schedule: "0 0 * * *", timeZone: "Europe/Zurrich" } }, "spec.on.timeZone is Europe/Zurrich"],
  [{ on: { sun: "sunrise", latitude: 3 } }, "spec.on.longitude is missing"],
  [{ on: { schedule: "0 0 * * *" }, for: "5m" }, "spec.for does not go with a schedule"],
  [{ silence: "5m", when: "value > 1" }, "spec.when does not go with silence"],
  [{ on: { topic: "a" }, when: "value > 1" }, "spec.when names value, which is unknown here"],
  [{ when: "value - 3" }, "spec.when gives a double, but a condition is true or false"],
])("%j is refused", (spec, why) => {
  expect(mistakes(spec).join("\n")).toContain(why)
})
