import { expect, test } from "vitest"
import { compileWindow } from "./window-plan.ts"
import type { WindowSpec } from "./window-spec.ts"

const mistakesOf = (spec: Partial<WindowSpec>): string[] =>
  compileWindow({ type: "tumbling", select: "count(*) AS n", ...spec }).mistakes.map(
    ({ path, problem }) => `${path} ${problem}`,
  )

test.each<[Partial<WindowSpec>, string[]]>([
  [{ size: "1m" }, []],
  [{}, ["spec.window.size is missing: a tumbling window needs it, e.g. size: 1m"]],
  [{ size: "1ms" }, ["spec.window.size must be between 10ms and 7d"]],
  [{ size: "soon" }, ["spec.window.size must be a duration like 5m"]],
  [{ size: "1m", slide: "1s" }, ["spec.window.slide belongs to sliding windows, and this is a tumbling one"]],
  [{ size: "1m", gap: "1s" }, ["spec.window.gap belongs to session windows, and this is a tumbling one"]],
  [{ type: "sliding", size: "1m" }, ["spec.window.slide is missing: a sliding window needs it, e.g. slide: 1m"]],
  [
    { type: "sliding", size: "1m", slide: "2m" },
    ["spec.window.slide is longer than size, so that readings between windows belong to none"],
  ],
  [
    { type: "sliding", size: "1h", slide: "1s" },
    ["spec.window.slide cuts size into 3600 parts, and 600 is most: make it a larger part of size"],
  ],
  [{ type: "session" }, ["spec.window.gap is missing: a session window needs it, e.g. gap: 1m"]],
  [
    { type: "session", gap: "2h", size: "1h" },
    ["spec.window.gap is longer than size, the longest that a session may be"],
  ],
  [{ size: "1m", allowedLateness: "8d" }, ["spec.window.allowedLateness must be a duration of at most 7d"]],
  [{ size: "1m", by: ["device", "hall"] }, ["spec.window.by[1] must be device or property"]],
  [
    { size: "x", select: "avg(value)" },
    [
      "spec.window.size must be a duration like 5m",
      "spec.window.select gives avg(value) no name: write avg(value) AS name",
    ],
  ],
])("%j", (spec, mistakes) => {
  expect(mistakesOf(spec)).toEqual(mistakes)
})

test("conditions know the columns by their types, and which may be missing", () => {
  const { plan } = compileWindow({
    ...{ type: "sliding", size: "15s", slide: "10s", by: ["device"] },
    select: "avg(value) AS mean, last(text) AS word, max(time) AS heard",
  })
  expect(plan).toMatchObject({ paneUs: 5_000_000, optional: ["mean", "word", "heard"] })
  expect(plan!.variables).toEqual({
    ...{ window_start: "timestamp", window_end: "timestamp", device: "string", revision: "double" },
    ...{ mean: "double", word: "string", heard: "timestamp" },
  })
})
