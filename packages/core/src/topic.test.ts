import fc from "fast-check"
import { expect, test } from "vitest"
import { filterProblem, matchesFilter } from "./topic.ts"

test.each([
  ["a/b", "a/b", true],
  ["a/b", "a/c", false],
  ["a/+", "a/b", true],
  ["a/+", "a", false],
  ["a/+", "a/b/c", false],
  ["+/+", "/b", true],
  ["+", "/b", false],
  ["a/#", "a", true],
  ["a/#", "a/b/c", true],
  ["a/#", "ab", false],
  ["#", "a/b", true],
  ["#", "$SYS/load", false],
  ["+/load", "$SYS/load", false],
  ["$SYS/#", "$SYS/load", true],
  ["$SYS/load", "$SYS/load", true],
])("filter %s and topic %s: %s", (filter, topic, fits) => {
  expect(matchesFilter(filter, topic)).toBe(fits)
})

test.each(["a/#/b", "a#", "#a", "a/b+", "+b", ""])("the filter %j is malformed", (filter) => {
  expect(filterProblem(filter)).toMatch(/./)
})

test("every topic fits itself, and a filter made of it by wildcards", () => {
  const level = fc.stringMatching(/^[a-z0-9]{0,3}$/)
  fc.assert(
    fc.property(fc.array(level, { minLength: 1, maxLength: 6 }), fc.nat(5), (levels, place) => {
      const topic = levels.join("/")
      const index = place % levels.length
      const plus = levels.map((name, at) => (at === index ? "+" : name)).join("/")
      const rest = [...levels.slice(0, index), "#"].join("/")
      return matchesFilter(plus, topic) && matchesFilter(rest, topic) && (topic === "" || matchesFilter(topic, topic))
    }),
  )
})
