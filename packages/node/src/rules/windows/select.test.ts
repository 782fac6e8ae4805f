import fc from "fast-check"
import { expect, test } from "vitest"
import { openDuckDb } from "../../../../../test/rig/windows.ts"
import { knownAggregates, needsOf } from "./aggregate.ts"
import { Cells } from "./cells.ts"
import { Budget } from "./limits.ts"
import { parseSelect, type Select } from "./select.ts"

const parsed = (source: string): Select => {
  const select = parseSelect(source)
  if ("problem" in select) throw new Error(select.problem)
  return select
}

const problemOf = (source: string): string => {
  const select = parseSelect(source)
  return "problem" in select ? select.problem : "none"
}

/** The first column over some values; undefined values are readings without a number. */
function columnOf(source: string, values: readonly (number | undefined)[]) {
  const { aggregates, columns } = parsed(source)
  const budget = new Budget(2 ** 24)
  const cells = new Cells({ needs: needsOf(aggregates), most: 1, exactValues: 1_000, budget })
  const cell = cells.take()!
  for (const [time, value] of values.entries()) cells.add(cell, { time, value: value ?? Number.NaN, text: undefined })
  return columns[0]!.formula(cells.read(cell, aggregates))
}

test("products go before sums, brackets before both, and the left before the right", () => {
  expect(columnOf("1 + 2 * 3 AS a", [])).toBe(7)
  expect(columnOf("(1 + 2) * -3 AS a", [])).toBe(-9)
  expect(columnOf("10 - 4 - 3 AS a", [])).toBe(3)
  expect(columnOf("24 / 4 / 2 AS a", [])).toBe(3)
  expect(columnOf("max(value) - min(value) AS a", [4, undefined, 9])).toBe(5)
  expect(columnOf("round(avg(value), 1) AS a", [1, 2, 2])).toBe(1.7)
  expect(columnOf("round(-2.5) AS a", [])).toBe(-3)
})

test("what has no value is missing, as NULL is in SQL", () => {
  for (const source of ["avg(value)", "sum(value)", "min(value) + 1", "stddev(value)", "median(value)", "first(value)"])
    expect(columnOf(`${source} AS a`, [undefined]), source).toBeUndefined()
  expect(columnOf("count(*) AS a", [undefined])).toBe(1)
  expect(columnOf("count(value) AS a", [undefined])).toBe(0)
  expect(columnOf("stddev(value) AS a", [1])).toBeUndefined()
  expect(columnOf("stddev_pop(value) AS a", [1])).toBe(0)
  expect(columnOf("1 / count(value) AS a", [undefined])).toBeUndefined()
  expect(columnOf("sqrt(min(value)) AS a", [-1])).toBeUndefined()
})

test("words may be written in any case, names keep theirs", () => {
  expect(parsed("AVG( VALUE ) as Mean,Count(*)AS n").columns.map(({ name }) => name)).toEqual(["Mean", "n"])
})

test("every aggregate is usable as its usage says", () => {
  for (const { usage } of Object.values(knownAggregates))
    for (const written of usage.split(/(?<=\)), | or /)) expect(problemOf(`${written} AS a`), written).toBe("none")
})

test("an aggregate that is asked for twice is made once", () => {
  expect(parsed("avg(value) AS a, avg(value) + count(*) AS b, mean(value) AS c").aggregates.length).toBe(2)
})

test.each([
  ["", "has the end, where an aggregate belongs"],
  ["avg(value) AS a,", "has the end, where an aggregate belongs"],
  ["avg(value) a", "has a behind avg(value), where AS belongs"],
  ["avg(value) AS a; DROP TABLE readings", 'has ";", which is nothing here'],
  ["avg(value) AS a FROM readings", "has FROM, where a comma or the end belongs"],
  ["avg(value) AS device", "names a column device, as windows do themselves"],
  ["avg(value) AS in", "names a column in, which conditions keep for themselves"],
  ["avg(value) AS timeUs", "names a column timeUs, which conditions keep for themselves"],
  ["avg(value) AS a, min(value) AS a", "has two columns of the name a"],
  ["avg(value * 2) AS a", "has * in avg(), which is written avg(value)"],
  ["quantile_cont(value, 95) AS p", "has quantile_cont(value, 95), but it is quantile_cont(value, 0.95)"],
  ["sum(text) AS a", "has sum(text), but it is sum(value)"],
  ["round(1, 2, 3) AS a", "has round with 3 arguments, but it is round(x) or round(x, digits)"],
  ["last(text) AS a, -last(text) AS b", "calculates with a string at -"],
  [`${"(".repeat(100)}1 AS a`, "is nested deeper than 32 levels"],
  [`${"-".repeat(100)}1 AS a`, "is nested deeper than 32 levels"],
  [Array.from({ length: 40 }, (_, at) => `${at} AS c${at}`).join(), "has more than 32 columns"],
])("%j is refused", (source, problem) => {
  expect(problemOf(source)).toBe(problem)
})

test("an aggregate that is not known is answered with all that are", () => {
  expect(problemOf("string_agg(text) AS a")).toMatch(/^has string_agg\(\), which is not known; known are count\(\*\), /)
})

test("whatever is written, it is parsed or has one mistake", () => {
  const words = [
    "avg",
    "value",
    "(",
    ")",
    ",",
    "AS",
    "a",
    "*",
    "-",
    "+",
    "/",
    "1",
    "0.5",
    "quantile_cont",
    "'",
    '"',
    "é",
  ]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words, " "), { maxLength: 30 }), (parts) => {
      const select = parseSelect(parts.join(" "))
      if (!("problem" in select)) expect(select.columns.length).toBeGreaterThan(0)
    }),
    { numRuns: 2_000 },
  )
})

test("what is parsed here means the same in DuckDB", async () => {
  const connection = await openDuckDb()
  const formulas = [
    "1 + 2 * 3 - 4 / 8",
    "-(2 - 5) * 2",
    "round(2.345, 2)",
    "abs(-3) + floor(2.7) * ceil(0.2)",
    "sqrt(2) / 2",
  ]
  for (const formula of formulas) {
    const [row] = (await connection.runAndReadAll(`SELECT (${formula})::DOUBLE`)).getRows()
    expect(columnOf(`${formula} AS a`, []), formula).toBeCloseTo(Number(row![0]), 12)
  }
})
