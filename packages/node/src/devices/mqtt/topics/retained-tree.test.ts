import { filterProblem, matchesFilter } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { RetainedTree } from "./retained-tree.ts"

function tree(...topics: readonly string[]): RetainedTree<string> {
  const made = new RetainedTree<string>()
  for (const topic of topics) made.set(topic, topic, topic.length)
  return made
}

const found = (retained: RetainedTree<string>, filter: string): string[] =>
  [...retained.match(filter)].map(({ topic }) => topic).sort()

test.each([
  ["a", ["a"]],
  ["a/+", ["a/", "a/b"]],
  ["a/#", ["a", "a/", "a/b", "a/b/c"]],
  ["#", ["/a", "a", "a/", "a/b", "a/b/c"]],
  ["+/#", ["/a", "a", "a/", "a/b", "a/b/c"]],
  ["+/+", ["/a", "a/", "a/b"]],
  ["+/a", ["/a"]],
  ["$SYS/#", ["$SYS", "$SYS/a"]],
  ["$SYS/+", ["$SYS/a"]],
  ["b/#", []],
])("the retained messages of %s", (filter, expected) => {
  expect(found(tree("a", "a/b", "a/b/c", "a/", "/a", "$SYS", "$SYS/a"), filter)).toEqual(expected)
})

test("counts and bytes follow what is set, replaced and deleted", () => {
  const retained = tree("a", "a/b/c")
  retained.set("a", "new", 100)
  expect([retained.size, retained.bytes, retained.get("a")?.value]).toEqual([2, 105, "new"])
  expect(retained.delete("a")).toBe(true)
  expect([retained.delete("a"), retained.delete("a/b"), retained.delete("x/y")]).toEqual([false, false, false])
  expect([retained.size, retained.bytes, retained.get("a"), retained.get("a/b")]).toEqual([1, 5, undefined, undefined])
})

test("topics of 65,536 levels, and a level of 100,000 names", () => {
  const deep = "/".repeat(65_535)
  const retained = tree(deep, `${deep.slice(1)}x`)
  expect(found(retained, "#")).toHaveLength(2)
  expect(found(retained, Array(65_536).fill("+").join("/"))).toEqual([deep])
  expect(retained.delete(deep)).toBe(true)
  expect(found(retained, "#")).toHaveLength(1)
  for (let name = 0; name < 100_000; name++) retained.set(`wide/${name}/t`, "", 1)
  expect([...retained.match("wide/+/t")]).toHaveLength(100_000)
  expect([...retained.match("wide/77/#")].map(({ topic }) => topic)).toEqual(["wide/77/t"])
})

test("deleting what a match gives out, while it goes on, is safe", () => {
  const retained = tree("a", "a/b", "a/c", "b/c", "c")
  for (const { topic } of retained.match("#")) retained.delete(topic)
  expect([retained.size, retained.bytes, found(retained, "#")]).toEqual([0, 0, []])
})

const level = fc.constantFrom("", "a", "b", "$x")
const topics = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join("/"))
  .filter((topic) => topic !== "")
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ["#"] : [])].join("/"))
  .filter((filter) => filterProblem(filter) === undefined)

test("a match is what a list of topics would give", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(topics, fc.boolean()), { maxLength: 40 }), filters, (history, filter) => {
      const retained = new RetainedTree<string>()
      const list = new Set<string>()
      for (const [topic, isSet] of history) {
        if (isSet) retained.set(topic, topic, 1)
        else expect(retained.delete(topic)).toBe(list.has(topic))
        if (isSet) list.add(topic)
        else list.delete(topic)
        expect(found(retained, filter)).toEqual([...list].filter((one) => matchesFilter(filter, one)).sort())
        expect([retained.size, retained.bytes]).toEqual([list.size, list.size])
      }
    }),
  )
})
