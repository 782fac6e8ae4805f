import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { openQueryRig, type QueryRig } from "../../../../test/rig/query.ts"
import { offeredFunctions } from "./check/functions.ts"
import { maxSqlLength, maxTokens } from "./check/scan.ts"
import { maxColumns, maxExpressions, maxRelations, maxWidth } from "./check/weight.ts"
import { defaultLimits } from "./limits.ts"

const guide = readFileSync(new URL("../../../../docs/guide/sql.md", import.meta.url), "utf8")
const statements = [...guide.matchAll(/```sql\n([\s\S]*?)\n```/g)].map(([, sql]) => sql!)

let rig: QueryRig
beforeAll(async () => {
  // The last hour, so that statements about now find something.
  rig = await openQueryRig({ rows: 60_000, start: "now()::TIMESTAMP - INTERVAL 1 HOUR" })
})
afterAll(() => rig[Symbol.asyncDispose]())

describe("every statement of the guide finds rows", () => {
  test.each(statements)("%s", async (sql) => {
    expect((await rig.json(sql)).rowCount).toBeGreaterThan(0)
  })
})

test("the guide's statement with parameters works", async () => {
  const [, body] = /```json\n(\{ "sql"[\s\S]*?)\n```/.exec(guide)!
  const request = JSON.parse(body!) as { sql: string; parameters: (string | number)[] }
  expect((await rig.json(request)).rowCount).toBe(10)
})

test("the guide lists all functions", () => {
  const [, list] = /<!-- functions -->([\s\S]*?)<!-- \/functions -->/.exec(guide)!
  const named = [...list!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
  expect(named).toEqual([...offeredFunctions.keys()].filter((name) => /^[a-z]/.test(name)).sort())
})

test("the guide names the limits that hold", () => {
  const numbers = [
    maxSqlLength,
    maxTokens,
    maxExpressions,
    maxRelations,
    maxColumns,
    maxWidth,
    defaultLimits.maxRunning,
    defaultLimits.maxWaiting,
    defaultLimits.maxRows,
  ]
  for (const number of numbers) expect(guide).toMatch(new RegExp(`\\b${number.toLocaleString("en-US")}\\b`))
  expect(defaultLimits).toMatchObject({ timeoutMs: 30_000, maxBytes: 256 * 2 ** 20, maxResidentBytes: 2 ** 30 })
})
