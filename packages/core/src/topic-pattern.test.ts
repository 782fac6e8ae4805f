import fc from "fast-check"
import { expect, test } from "vitest"
import { filterProblem, matchesFilter } from "./topic.ts"
import {
  fillTemplate,
  matchPattern,
  parseTopicPattern,
  patternNames,
  templateProblem,
  topicPatternProblem,
} from "./topic-pattern.ts"

const captures = (pattern: string, topic: string) => {
  const found = matchPattern(parseTopicPattern(pattern), topic)
  return found === undefined ? undefined : Object.fromEntries(found)
}

test("names stand for levels, {rest} for all that follow", () => {
  expect(captures("plant/{line}/{device}/telemetry", "plant/7/press/telemetry")).toEqual({ line: "7", device: "press" })
  expect(captures("plant/+/{device}/#", "plant/7/press/a/b")).toEqual({ device: "press" })
  expect(captures("a/{rest}", "a/b/c")).toEqual({ rest: "b/c" })
  expect(captures("a/{rest}", "a")).toEqual({ rest: "" })
  expect(captures("a/b", "a/b")).toEqual({})
  expect(captures("a/{x}", "a/b/c")).toBeUndefined()
  expect(captures("{x}/SYS", "$x/SYS")).toBeUndefined()
  expect(patternNames(parseTopicPattern("plant/{line}/+/{rest}"))).toEqual(["line", "rest"])
  expect(parseTopicPattern("plant/{line}/+/{rest}").filter).toBe("plant/+/+/#")
})

test.each([
  ["", "is empty"],
  ["a/#/b", "has # elsewhere than as its last level"],
  ["a+/b", "has + inside a level"],
  ["{rest}/b", "has {rest} elsewhere than as its last level"],
  ["{a}/{a}", "has the name {a} twice"],
  ["x{a}/b", "has the level x{a}, but a name is a whole level: {line}, of letters and digits"],
  ["{}/b", "has the level {}, but a name is a whole level: {line}, of letters and digits"],
  ["a/{b", "has the level {b, but a name is a whole level: {line}, of letters and digits"],
])("the pattern %j %s", (pattern, problem) => {
  expect(topicPatternProblem(pattern)).toBe(problem)
})

test("a template takes what the names stand for", () => {
  const found = matchPattern(parseTopicPattern("{site}/{device}/x"), "plant-1/press/x")!
  expect(fillTemplate("{site}/{device}", found)).toBe("plant-1/press")
  expect(fillTemplate("{device}{device}", found)).toBe("presspress")
  expect(fillTemplate("plain", found)).toBe("plain")
  expect(templateProblem("{site}-{device}", ["site", "device"])).toBeUndefined()
  expect(templateProblem("{sight}", ["site", "device"])).toBe("has {sight}, but the topic has {site}, {device}")
  expect(templateProblem("{x}", [])).toBe("has {x}, but the topic names no level")
  expect(templateProblem("a{site", ["site"])).toBe("has a brace without its counterpart")
})

test("a pattern fits the topics that its filter fits", () => {
  const levels = (level: fc.Arbitrary<string>) =>
    fc.array(level, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"))
  const filter = levels(fc.constantFrom("a", "b", "", "$x", "+", "+", "#")).filter(
    (text) => filterProblem(text) === undefined,
  )
  fc.assert(
    fc.property(filter, levels(fc.constantFrom("a", "b", "", "$x", "+")), (text, topic) => {
      const fits = matchPattern(parseTopicPattern(text), topic) !== undefined
      expect(fits).toBe(matchesFilter(text, topic))
    }),
    { numRuns: 3_000 },
  )
})
