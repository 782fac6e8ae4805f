import type { Environment } from "@marcbachmann/cel-js"
import fc from "fast-check"
import { expect, test } from "vitest"
import { type Condition, Expressions } from "./expression.ts"
import { createLanguage, type Variables } from "./language.ts"
import { compileTemplate } from "./template.ts"

const variables: Variables = {
  value: "double",
  text: "string",
  json: "dyn",
  device: "string",
  property: "string",
  tags: "map<string, string>",
  time: "timestamp",
  previous: "dyn",
}
const expressions = new Expressions(variables, ["value", "text", "json"])

const scope = {
  value: 21.5,
  text: undefined as string | undefined,
  json: undefined as unknown,
  device: "hall/oven",
  property: "temperature",
  tags: { line: "3" },
  time: new Date("2026-06-01T18:30:00Z"),
  previous: { value: 20 },
}

function condition(source: string): Condition {
  const compiled = expressions.condition(source)
  if (typeof compiled === "string") throw new Error(compiled)
  return compiled
}

test.each([
  ["value > 21", true],
  ["value - 3 > 18.4", true],
  ["value - 3 == 18.5", true],
  ["value == 21.5", true],
  ["value != 21", true],
  ["value == 21", false],
  ["21 < value && value <= 22", true],
  ["value * 2 / 4 + 1 > 11", true],
  ["value % 2 == 1.5", true],
  ["abs(value - 30) > 8", true],
  ["round(value) == 22", true],
  ["!(value > 21)", false],
  ["value > 30 ? true : value > 20", true],
  ["device.startsWith('hall/') && tags.line == '3'", true],
  ["property in ['temperature', 'humidity']", true],
  ["previous != null && value - previous.value > 1", true],
  ["time.getHours('Europe/Zurich') == 20", true],
  ["time - timestamp('2026-06-01T18:00:00Z') > duration('20m')", true],
  ["[1, 2, 3].exists(x, x > 2)", true],
  ["has(previous.value)", true],
])("%s is %s", (source, wanted) => {
  expect(condition(source).holds(scope)).toBe(wanted)
})

test("what stands in JSON is looked into, and absent members fail alone", () => {
  const over = condition("json.motor.speed > 3 && json.states.exists(s, s.name == 'hot')")
  expect(over.holds({ ...scope, json: { motor: { speed: 4 }, states: [{ name: "cold" }, { name: "hot" }] } })).toBe(
    true,
  )
  expect([over.failures, over.failure]).toEqual([0, undefined])
  expect(over.holds({ ...scope, json: { states: [{ name: "hot" }] } })).toBeUndefined()
  expect(over.failures).toBe(1)
  expect(over.failure).toContain("motor")
})

test("a condition passes over readings that lack what it names", () => {
  expect(condition("value > 1").holds({ ...scope, value: undefined })).toBeUndefined()
  expect(condition("text == 'on'").holds(scope)).toBeUndefined()
  expect(condition("text == 'on'").holds({ ...scope, text: "on" })).toBe(true)
})

test.each([
  ["vlue > 3", "names vlue, which is unknown here; did you mean value?"],
  ["value > 'x'", "no such overload"],
  ["value +", "cannot be used"],
  ["value", "gives a double, but a condition is true or false"],
  ["text.matches('^(a+)+$')", "regular expressions could take forever"],
  ["text.split(',').size() > 1", "split(), which rules do not offer"],
  ["text.startWith('a')", "did you mean startsWith()?"],
  ["json.a.all(x, json.a.all(y, x == y))", "inside another macro"],
  ["json.a.all(x, x in json.a)", "names json inside a macro"],
  ["text.contains(device)", "a text in quotes"],
  ["duration(text) > duration('1s')", "a text in quotes"],
  [`duration('${"1".repeat(64)}') > duration('1s')`, "too long"],
  ["cel.bind(x, value, x > 1)", "bind(), which rules do not offer"],
])("%s is refused: %s", (source, why) => {
  const problem = expressions.condition(source)
  expect(problem).toBeTypeOf("string")
  expect(problem).toContain(why)
})

test.each([
  ["large", `value > ${"1 + ".repeat(400)}1`, "cannot be used: Exceeded max"],
  ["deep", `${"!(".repeat(60)}value > 1${")".repeat(60)}`, "cannot be used: Exceeded max"],
  ["long", `value > 1 ${" ".repeat(2_000)}`, "longer than 2000 characters"],
])("an expression that is too %s is refused", (_how, source, why) => {
  expect(expressions.condition(source)).toContain(why)
})

test("what looks dangerous ends within a moment on the largest JSON", () => {
  const items = Array.from({ length: 12_000 }, (_, index) => index)
  const large = { ...scope, json: { l: items, s: "a".repeat(60_000) } }
  const began = performance.now()
  for (const source of [
    "json.l.map(x, x * 2).filter(x, x > 3).exists(x, x == -1)",
    `${Array.from({ length: 20 }, () => "json.s.contains('aaaaaaaaaaaaaaaaaaab')").join(" || ")}`,
    `size(${Array.from({ length: 60 }, () => "json.l").join(" + ")}) == 1`,
    `size(${Array.from({ length: 60 }, () => "json.s").join(" + ")}) == 1`,
  ])
    expect(condition(source).holds(large)).toBe(false)
  // Far above what it takes, far below what an endless one would.
  expect(performance.now() - began).toBeLessThan(5_000)
})

test("a template that would make much of little is refused when it is filled", () => {
  const template = compileTemplate("{{ json.l.map(x, device + device) }}", expressions)
  if (typeof template === "string") throw new Error(template)
  const json = { l: Array.from({ length: 5_000 }, () => 1) }
  expect(() => template.text({ ...scope, device: "d".repeat(500), json })).toThrow("larger than 65536 characters")
})

test("templates are values where they are one expression, and texts elsewhere", () => {
  const template = (source: string) => {
    const compiled = compileTemplate(source, expressions)
    if (typeof compiled === "string") throw new Error(compiled)
    return compiled
  }
  expect(template("{{ value }}").value(scope)).toBe(21.5)
  expect(template("{{ value > 3 }}").value(scope)).toBe(true)
  expect(template("{{ {'at': time, 'n': 1 + 1} }}").value(scope)).toEqual({ at: "2026-06-01T18:30:00.000Z", n: 2 })
  expect(template("at {{ value }} {{tags}}").text(scope)).toBe('at 21.5 {"line":"3"}')
  expect(template("no braces").value(scope)).toBe("no braces")
  expect(() => template("{{ text }}").value(scope)).toThrow("there is no text")
  expect(compileTemplate("{{ vlue }}", expressions)).toContain("did you mean value?")
  expect(compileTemplate("{{ value", expressions)).toBe("has {{ without }}")
})

// Expressions of the kinds that closures take, with numbers of both kinds.
const literal = fc.oneof(
  fc.integer({ min: -50, max: 50 }).map(String),
  fc.double({ min: -50, max: 50, noNaN: true }).map((number) => number.toFixed(2)),
  fc.constantFrom("0", "0.0", "-0.0", "1e3"),
)
const { quantity } = fc.letrec<{ quantity: string }>((tie) => ({
  quantity: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constant("value"),
    literal,
    fc
      .tuple(tie("quantity"), fc.constantFrom("+", "-", "*", "/", "%"), tie("quantity"))
      .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    fc.tuple(fc.constantFrom("abs", "round", "floor", "ceil"), tie("quantity")).map(([name, a]) => `${name}(${a})`),
    tie("quantity").map((a) => `-(${a})`),
  ),
}))
const word = fc.oneof(fc.constantFrom("device", "property", "text"), fc.constantFrom("'oven'", "'a'", "''"))
const { truth } = fc.letrec<{ truth: string }>((tie) => ({
  truth: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc
      .tuple(quantity, fc.constantFrom("<", "<=", ">", ">=", "==", "!="), quantity)
      .map(([a, operator, b]) => `${a} ${operator} ${b}`),
    fc.tuple(word, fc.constantFrom("==", "!="), word).map(([a, operator, b]) => `${a} ${operator} ${b}`),
    fc
      .tuple(tie("truth"), fc.constantFrom("&&", "||"), tie("truth"))
      .map(([a, operator, b]) => `(${a}) ${operator} (${b})`),
    tie("truth").map((a) => `!(${a})`),
    fc.tuple(tie("truth"), tie("truth"), tie("truth")).map(([a, b, c]) => `((${a}) ? (${b}) : (${c}))`),
  ),
}))

test("closures give what CEL gives", () => {
  const language: Environment = createLanguage(variables)
  let fast = 0
  fc.assert(
    fc.property(
      truth,
      fc.record({
        value: fc.oneof(fc.double({ min: -60, max: 60, noNaN: true }), fc.integer({ min: -60, max: 60 })),
        text: fc.constantFrom("", "a", "oven"),
        device: fc.constantFrom("oven", "a"),
        property: fc.constantFrom("oven", "b"),
      }),
      (source, read) => {
        const compiled = expressions.condition(source)
        if (typeof compiled === "string") return
        if (!compiled.isFast) return
        fast++
        const full = { ...scope, ...read }
        let wanted: unknown
        try {
          wanted = language.evaluate(source, full)
        } catch (error) {
          throw new Error(`CEL failed where a closure does not: ${source}`, { cause: error })
        }
        expect(compiled.holds(full), source).toBe(wanted)
      },
    ),
    { numRuns: 3_000, seed: 20_261 },
  )
  expect(fast).toBeGreaterThan(500)
})
