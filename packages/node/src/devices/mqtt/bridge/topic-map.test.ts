import { renamingProblem } from "@brume/core"
import { expect, test } from "vitest"
import { type TopicMap, TopicRenamer } from "./topic-map.ts"

const map = (local: string, remote: string, direction: TopicMap["direction"] = "both"): TopicMap => ({
  direction,
  local,
  remote,
  qos: 1,
})

test.each([
  ["plant/#", "site-7/plant/#", "plant/a/b", "site-7/plant/a/b"],
  ["plant/#", "site-7/plant/#", "plant", "site-7/plant"],
  ["#", "site-7/#", "a", "site-7/a"],
  ["+/temp", "x/+/t", "a/temp", "x/a/t"],
  ["+/+/#", "z/+/y/+/#", "a/b/c/d", "z/a/y/b/c/d"],
  ["a/+", "b/+", "a/", "b/"],
  ["exact", "other/name", "exact", "other/name"],
])("%s and %s: %s is %s on the other side, and back", (local, remote, here, there) => {
  expect(new TopicRenamer([map(local, remote)], "out").rename(here)?.topic).toBe(there)
  expect(new TopicRenamer([map(local, remote)], "in").rename(there)?.topic).toBe(here)
})

test.each([
  ["plant/#", "x/#", "plants"],
  ["a/+", "b/+", "a/b/c"],
  ["a/+", "b/+", "a"],
  ["#", "x/#", "$SYS/broker/version"],
  // Nothing is left of it.
  ["plant/#", "#", "plant"],
])("%s to %s leaves %s here", (local, remote, topic) => {
  expect(new TopicRenamer([map(local, remote)], "out").rename(topic)).toBeUndefined()
})

test("what comes in never becomes a topic of the node itself", () => {
  expect(new TopicRenamer([map("#", "x/#")], "in").rename("x/$SYS/broker/version")).toBeUndefined()
})

test("the first map that fits is in force, and each direction has its own", () => {
  const maps = [map("a/b", "first", "out"), map("a/#", "second/#", "out"), map("in/#", "far/#", "in")]
  const renamer = new TopicRenamer(maps, "out")
  expect(renamer.rename("a/b")?.topic).toBe("first")
  expect(renamer.rename("a/c")?.topic).toBe("second/c")
  expect(renamer.rename("in/x")).toBeUndefined()
  expect([...renamer.filters.keys()]).toEqual(["a/b", "a/#"])
})

test.each([
  ["a/+/#", "a/#/+", false],
  ["a/+", "b", false],
  ["a/+/#", "+/b/#", true],
  ["a", "b", true],
])("%s and %s can be renamed into each other: %s", (local, remote, isFine) => {
  expect(renamingProblem(local, remote) === undefined).toBe(isFine)
})
