import fc from "fast-check"
import { expect, test } from "vitest"
import { emptyFolder } from "../../../../../test/rig/open-store.ts"
import { openEngine } from "./engine.ts"
import { wellFormedJson } from "./row-writer.ts"

const anyString = fc.string({
  unit: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\ud83d", "\ude00", "\\", '"', "u")),
})

test("what JSON.parse takes, DuckDB takes after it was made well-formed", async () => {
  await using folder = await emptyFolder()
  for (const name of ["segments", "tmp"]) await folder.disk.makeFolder(name)
  await using engine = await openEngine({ disk: folder.disk, memoryBytes: 2 ** 26, tempBytes: 2 ** 26 })
  const connection = await engine.connect()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue({ stringUnit: anyString as never }), { minLength: 1, maxLength: 20 }),
      async (values) => {
        const texts = values.map((value) => wellFormedJson(JSON.stringify(value)))
        const sql = `SELECT bool_and(json_valid(t)) FROM (SELECT unnest($1) AS t)`
        const { listValue } = await import("@duckdb/node-api")
        expect((await connection.runAndReadAll(sql, [listValue(texts)])).getRows()).toEqual([[true]])
      },
    ),
    { numRuns: 100 },
  )
  connection.closeSync()
})

test("well-formed JSON is left as it is, and halves of pairs become U+FFFD", () => {
  for (const json of ['"\\ud83d\\ude00"', '"\\\\ud83d"', '{"\\u0000":"\\\\\\u00e9"}', '"\\uDBFF\\uDFFF"', "true"]) {
    expect(wellFormedJson(json)).toBe(json)
  }
  expect(wellFormedJson('"\\ud83d"')).toBe('"\\ufffd"')
  expect(wellFormedJson('"\\ude00\\ud83d\\ude00\\\\\\uD800x"')).toBe('"\\ufffd\\ud83d\\ude00\\\\\\ufffdx"')
  fc.assert(
    fc.property(anyString, (text) => {
      const json = JSON.stringify(text)
      expect(JSON.parse(wellFormedJson(json))).toBe((text as unknown as { toWellFormed(): string }).toWellFormed())
    }),
  )
})
