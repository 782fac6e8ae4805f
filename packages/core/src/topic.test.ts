import fc from "fast-check"
import { expect, test } from "vitest"
import { coversFilter, filterProblem, matchesFilter } from "./topic.ts"

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

test.each([
  [["devices/a", "devices/a/#"], "devices/a/#", true],
  [["devices/a/#"], "devices/a", true],
  [["devices/a"], "devices/a/#", false],
  [["a", "a/+/#"], "a/#", true],
  [["a", "a/+", "a/+/+/+/#"], "a/#", false],
  [["a/+"], "a/#", false],
  [["a/+"], "+/a", false],
  [["+/a"], "b/+", false],
  [["#"], "+/#", true],
  [["+/#"], "#", true],
  [["/#"], "#", false],
  [["#"], "$SYS/#", false],
  [["#", "$SYS/#"], "$SYS/+/load", true],
  [["$SYS/+"], "$SYS/#", false],
  [["+/+"], "/", true],
  [[], "a", false],
])("%j covers %s: %s", (filters, inner, covers) => {
  expect(coversFilter(filters, inner)).toBe(covers)
})

test("covering is what trying every topic says", () => {
  // Topics of up to five levels over names that the filters use and one that they do not.
  const names = ["", "a", "b", "$c", "x"]
  let topics: string[] = []
  for (let row = names; row.length < 5_000; row = row.flatMap((start) => names.map((name) => `${start}/${name}`)))
    topics = [...topics, ...row]
  topics = topics.filter((topic) => topic !== "")
  const level = fc.constantFrom("", "a", "b", "$c", "+", "+")
  const filter = fc
    .tuple(fc.array(level, { maxLength: 3 }), fc.boolean())
    .map(([levels, isOpen]) => [...levels, ...(isOpen ? ["#"] : [])].join("/"))
    .filter((text) => text !== "")
  const seen = { true: 0, false: 0 }
  fc.assert(
    fc.property(fc.array(filter, { maxLength: 5 }), filter, (filters, inner) => {
      const tried = topics.every(
        (topic) => !matchesFilter(inner, topic) || filters.some((one) => matchesFilter(one, topic)),
      )
      seen[`${tried}`]++
      return coversFilter(filters, inner) === tried
    }),
    { numRuns: 2_000 },
  )
  // Both answers were put to the test.
  expect(seen.true).toBeGreaterThan(50)
  expect(seen.false).toBeGreaterThan(50)
})
