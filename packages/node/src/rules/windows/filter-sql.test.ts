import { filterProblem, matchesFilter } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { openDuckDb } from "../../../../../test/rig/windows.ts"
import { filterCondition } from "./filter-sql.ts"

const level = fc.constantFrom("a", "b", "", "a.b", "it's", "ünï", "$SYS", "(x)*", "a\\d", "new\nline")
const filterLevel = fc.oneof({ weight: 3, arbitrary: level }, fc.constantFrom("+", "+", "#"))

test("a filter finds the same names in SQL as everywhere else", async () => {
  const connection = await openDuckDb()
  const names = fc.sample(fc.array(level, { minLength: 1, maxLength: 3 }), { numRuns: 300, seed: 1 })
  const distinct = [...new Set(names.map((levels) => levels.join("/")))].filter((name) => name !== "")
  const values = distinct.map((name) => `('${name.replaceAll("'", "''")}')`).join(", ")
  await connection.run(`CREATE TABLE named AS SELECT col0 AS device FROM (VALUES ${values})`)
  await fc.assert(
    fc.asyncProperty(fc.array(filterLevel, { minLength: 1, maxLength: 4 }), async (levels) => {
      const filter = levels.join("/")
      fc.pre(filterProblem(filter) === undefined)
      const sql = `SELECT device FROM named WHERE ${filterCondition("device", filter)}`
      const found = (await connection.runAndReadAll(sql)).getRows().map(([name]) => String(name))
      expect(found.sort()).toEqual(distinct.filter((name) => matchesFilter(filter, name)).sort())
    }),
    { numRuns: 300 },
  )
})
