import { DuckDBInstance } from "@duckdb/node-api"
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { checkOf, failure, openSandbox } from "../../../../../test/rig/query.ts"
import type { Checked } from "./check.ts"
import { maxRelations } from "./weight.ts"

let sandbox: Awaited<ReturnType<typeof openSandbox>>
let check: (sql: string) => Promise<Checked>
beforeAll(async () => {
  sandbox = await openSandbox()
  check = await checkOf(sandbox.raw)
})
afterAll(() => {
  sandbox.raw.closeSync()
  sandbox.instance.closeSync()
})

const refusal = (sql: string) => failure(check(sql))

/** Short texts that DuckDB would plan for minutes or fill its memory with. */
const nested = (text: string, times: number, around: (inner: string, level: number) => string): string =>
  Array.from({ length: times }).reduce<string>((inner, _, level) => around(inner, level), text)
const chain = (length: number, link: (level: number) => string): string =>
  Array.from({ length }, (_, level) => link(level)).join("")

test.each([
  [
    "CASE that copies its operand",
    `SELECT ${nested("seq", 18, (x) => `CASE ${x} WHEN 1 THEN 2 WHEN 3 THEN 4 END`)} FROM readings`,
  ],
  [
    "CASE behind Unicode spaces",
    `SELECT ${nested("seq", 18, (x) => `CASE\u00a0${x}\u2003WHEN 1 THEN 2 WHEN 3 THEN 4\u3000END`)} FROM readings`,
  ],
  ["macros in macros", `SELECT ${nested("seq", 18, (x) => `nullif(${x}, 0)`)} FROM readings`],
  ["stars on stars", `SELECT 1 FROM (${nested("SELECT 1 AS a", 20, (x) => `SELECT *, * FROM (${x})`)})`],
  [
    "CTEs that double",
    `WITH c0 AS (SELECT 1 AS a)${chain(20, (i) => `, c${i + 1} AS NOT MATERIALIZED (SELECT x.a FROM c${i} x, c${i} y)`)} FROM c20`,
  ],
  [
    "scalar CTEs that double",
    `WITH c0 AS (SELECT 1 AS a)${chain(14, (i) => `, c${i + 1} AS (SELECT (SELECT a FROM c${i}) + (SELECT a FROM c${i}) AS a)`)} FROM c14`,
  ],
  ["aliases that double", `SELECT seq AS a0${chain(20, (i) => `, a${i} + a${i} AS a${i + 1}`)} FROM readings`],
  ["lambdas in lambdas", `SELECT ${nested("1", 25, (x) => `list_transform([1], lambda x: ${x})`)}`],
  [
    "correlated subqueries",
    `SELECT 1 FROM readings WHERE ${nested("true", 30, (x) => `EXISTS (SELECT 1 FROM readings WHERE ${x})`)}`,
  ],
  ["scalar subqueries", nested("SELECT 1", 50, (x) => `SELECT (${x})`)],
  ["joins", `SELECT 1 FROM (SELECT 1 AS a) t${chain(60, (i) => ` JOIN (SELECT 1 AS a) t${i} USING (a)`)}`],
  [
    "named windows",
    `SELECT 1${chain(400, () => ", sum(seq) OVER w")} FROM readings WINDOW w AS (PARTITION BY ${chain(400, (i) => `${i > 0 ? "+" : ""}seq`)})`,
  ],
  ["brackets", `SELECT ${"(".repeat(5_000)}1${")".repeat(5_000)}`],
  ["many statements of one", `SELECT 1${chain(3_000, () => " UNION ALL SELECT 1")}`],
  ["a long list", `SELECT seq IN (${chain(20_000, (i) => `${i},`)}0) FROM readings`],
  ["a long text", `SELECT '${"x".repeat(70_000)}'`],
])("too large to plan, and refused at once: %s", async (_what, sql) => {
  expect(await refusal(sql)).toMatchObject({
    code: "query_refused",
    message: expect.stringContaining("too large to be planned"),
  })
})

test("nested comments cost DuckDB nothing", async () => {
  const { sql } = await check(`SELECT ${"/*".repeat(10_000)}${"*/".repeat(10_000)} 1`)
  expect(sql.trim()).toMatch(/^SELECT +1$/)
})

test("what is within the limits of planning is planned", async () => {
  const list = Array.from({ length: 2_000 }, (_, i) => `'device-${i}'`).join(",")
  await check(`SELECT * FROM readings WHERE device IN (${list})`)
  await check(`SELECT 1${" UNION ALL SELECT value FROM latest".repeat(maxRelations - 1)}`)
})

/** Queries with a CTE, a table and a view of the same names at many places. */
const queries = fc.letrec<{ query: string; source: string }>((tie) => ({
  query: fc.oneof(
    { maxDepth: 4 },
    tie("source").map((source) => `SELECT * FROM ${source}`),
    fc
      .tuple(fc.constantFrom("hidden", "readings", "other"), tie("query"), tie("query"), fc.boolean())
      .map(([name, cte, query, recursive]) => `WITH ${recursive ? "RECURSIVE " : ""}${name} AS (${cte}) ${query}`),
    fc
      .tuple(fc.constantFrom("hidden", "other"), tie("query"), tie("query"), tie("query"))
      .map(([name, first, round, query]) => `WITH RECURSIVE ${name} AS (${first} UNION ${round}) ${query}`),
    fc.tuple(tie("query"), tie("query")).map(([left, right]) => `(${left}) UNION ALL (${right})`),
    fc.tuple(tie("source"), tie("query")).map(([source, inner]) => `SELECT * FROM ${source} WHERE EXISTS (${inner})`),
    fc
      .tuple(tie("source"), tie("query"))
      .map(([source, inner]) => `SELECT * FROM ${source} LIMIT (SELECT 1 WHERE EXISTS (${inner}))`),
  ),
  source: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("readings", "readings", "readings", "readings", "hidden", "other", "HIDDEN", '"Other"'),
    tie("query").map((query) => `(${query})`),
    tie("query").map(
      (query) => `(SELECT * FROM ${query.startsWith("WITH") ? "(DESCRIBE readings)" : `(SUMMARIZE ${query})`})`,
    ),
    fc.tuple(tie("source"), tie("source")).map(([left, right]) => `${left} AS l CROSS JOIN ${right} AS r`),
  ),
}))

test("no accepted statement needs a table that is not offered", async () => {
  // The same names, but no tables: what DuckDB can plan here reads nothing but views and its own CTEs.
  const bare = await (await DuckDBInstance.create(":memory:")).connect()
  await bare.run("CREATE VIEW readings AS SELECT 1 AS x")
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(queries.query, async (sql) => {
      const isAccepted = await check(sql).then(
        () => true,
        () => false,
      )
      if (!isAccepted) return
      accepted++
      const message = await bare.prepare(sql).then(
        (prepared) => prepared.destroySync(),
        (error: Error) => error.message,
      )
      expect(message ?? "", sql).not.toMatch(/Table with name|does not exist|Circular/i)
    }),
    { numRuns: 1_000, seed: 7 },
  )
  bare.closeSync()
  expect(accepted).toBeGreaterThan(40)
})
