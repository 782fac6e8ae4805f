import type { ReadingBatch } from "@brume/core"
import { batchOf } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { openRuled } from "../../../../test/rig/ruled.ts"
import { ruleKind } from "./rule-kind.ts"

const word = fc.constantFrom("value", "text", "json", "device", "tags", "previous", "time", "payload", "x", "json.a.b")
const operator = fc.constantFrom(">", "==", "+", "-", "*", "%", "&&", "||", "in", ".", "?:", "!", "(", ")")
const piece = fc.oneof(word, operator, fc.constantFrom("3", "2.5", "'a'", "true", "null", "[1, 2]", "has(json.a)"))
const good = [
  "value > 3",
  "text == 'a'",
  "json.a > 2",
  "previous != null",
  "json.l.exists(x, x > 1)",
  "time > previous.time",
]
/** Mostly right, so that enough of them run. */
const mostly = <T>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 20, arbitrary: right }, { weight: 1, arbitrary: wrong })
const expression = mostly(
  fc.constantFrom(...good),
  fc.oneof(
    fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join(" ")),
    fc.string({ maxLength: 30 }),
  ),
)
const duration = mostly(fc.constantFrom("1ms", "5m", "1.5h", "90s"), fc.constantFrom("0s", "10000w", "99999999999d"))
const filter = mostly(fc.constantFrom("#", "+", "a", "a/+", "a/#"), fc.constantFrom("", "#/a", "a+"))
const text = mostly(
  fc.constantFrom("out", "{{ device }}", "{{ value }}", "{{ json.a.b }}", "a {{ previous }} b", "{{ text }}"),
  fc.oneof(
    expression.map((inner) => `{{ ${inner} }}`),
    fc.string({ maxLength: 20 }),
  ),
)
const action = fc.oneof(
  fc.record({ publish: fc.record({ topic: text, payload: fc.oneof(text, fc.jsonValue({ maxDepth: 2 })) }) }),
  fc.record({ command: fc.record({ device: text, name: text, deadline: duration }) }),
  fc.record({ webhook: fc.record({ url: text.map((path) => `https://a/${path}`), headers: fc.record({ x: text }) }) }),
  fc.record({ alarm: fc.record({ name: text, message: text }) }),
)
const actions = fc.array(action, { minLength: 1, maxLength: 2 })
const clearing = fc.array(action, { maxLength: 1 })
const latitude = fc.integer({ min: -90, max: 90 })
const schedule = mostly(fc.constantFrom("* * * * *", "0 0 31 2 *", "@daily"), fc.constant("x"))
const listening = fc.oneof(
  fc.record({ device: filter }),
  fc.record({ device: filter, property: filter }),
  fc.record({ topic: filter }),
)
const free = { requiredKeys: ["on", "actions"] as ["on", "actions"] }
const spec: fc.Arbitrary<object> = fc.oneof(
  fc.record(
    { on: listening, actions, when: expression, for: duration, clearWhen: expression, clearActions: clearing },
    free,
  ),
  fc.record({ on: listening, actions, when: expression, cooldown: duration, onChange: fc.boolean() }, free),
  fc.record({ on: listening, actions, silence: duration, clearActions: clearing }),
  fc.record({ on: fc.record({ schedule, timeZone: fc.constantFrom("UTC", "Europe/Zurich", "Mars/North") }), actions }),
  fc.record({
    on: fc.record({ sun: fc.constantFrom("sunrise", "sunset"), latitude, longitude: fc.constant(8) }),
    actions,
  }),
  fc.record({
    ...{ on: fc.record({ device: filter }), actions, clearWhen: fc.constant("mean < 2") },
    when: mostly(fc.constant("mean > 3"), expression),
    window: fc.record({ type: fc.constant("tumbling"), size: duration, select: fc.constant("avg(value) AS mean") }),
  }),
)

const readings = (): ReadingBatch =>
  batchOf([
    { device: "a", property: "p", value: 4 },
    { device: "a", property: "p", text: "a" },
    { device: "a/b", property: "q", json: '{"a":{"b":3},"l":[1,2,3]}', tags: '{"x":"1"}' },
    { device: "a", property: "p", json: "null" },
  ])

test("whatever somebody writes is refused with places and reasons, or runs and harms nothing", async () => {
  let taken = 0
  await fc.assert(
    fc.asyncProperty(spec, async (written) => {
      const mistakes = ruleKind.check(written, "r")
      for (const { path, problem } of mistakes) {
        expect(path).toMatch(/^spec/)
        expect(problem.length).toBeGreaterThan(3)
      }
      if (mistakes.length > 0) return
      taken++
      await using ruled = await openRuled()
      ruled.apply("r", written)
      await ruled.ruled.append(readings()).durable
      ruled.rules.messages
        .on("a")?.({ payload: Buffer.from('{"a":1}') })
        ?.end(undefined)
      await ruled.clock.run(3_600_000)
      await ruled.restart(3_600_000)
      await ruled.ruled.append(readings()).durable
      expect(ruled.store.readings).toHaveLength(8)
      expect(ruled.logger.entries.filter(({ level }) => level === "error")).toEqual([])
    }),
    { numRuns: 600, seed: 20_262 },
  )
  expect(taken).toBeGreaterThan(50)
})
