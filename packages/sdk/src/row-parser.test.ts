import fc from "fast-check"
import { expect, test } from "vitest"
import { createRowParser } from "./row-parser.ts"

function parseInPieces(text: string, cuts: readonly number[]) {
  const parser = createRowParser<unknown>()
  const rows: unknown[] = []
  let from = 0
  for (const cut of [...cuts, text.length]) {
    rows.push(...parser.push(text.slice(from, cut)))
    from = cut
  }
  return { rows, head: parser.head, envelope: parser.end() }
}

const jsonObject = fc.dictionary(fc.string(), fc.jsonValue())

test("rows are the same however the answer is cut into pieces and laid out", () => {
  fc.assert(
    fc.property(
      fc.array(jsonObject, { maxLength: 8 }),
      fc.constantFrom(undefined, 1, "\t"),
      fc.array(fc.nat(), { maxLength: 20 }),
      fc.string(),
      (rows, indent, cuts, id) => {
        const answer = { id, columns: [{ name: 'rows":[{', type: "VARCHAR" }], rows, rowCount: rows.length }
        const text = JSON.stringify(answer, null, indent)
        const places = cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b)
        const parsed = parseInPieces(text, places)
        const expected = JSON.parse(text) as typeof answer
        expect(parsed.rows).toEqual(expected.rows)
        expect(parsed.head).toEqual({ id, columns: expected.columns, rows: [] })
        expect(parsed.envelope).toEqual({ ...expected, rows: [] })
      },
    ),
  )
})

test("a piece of one character at a time changes nothing", () => {
  const text = `{"columns":[],"rows":[\n${String.raw`{"a":"\\\"}]","b":[{"rows":[1]}]}`},\n{}\n]}`
  const cuts = Array.from({ length: text.length }, (_, index) => index)
  expect(parseInPieces(text, cuts).rows).toEqual([{ a: '\\"}]', b: [{ rows: [1] }] }, {}])
})

test("rows come out as soon as they are complete", () => {
  const parser = createRowParser()
  expect(parser.push('{"id":"q","columns":[],"rows":[\n{"a":1},\n{"a":')).toEqual([{ a: 1 }])
  expect(parser.push("2},")).toEqual([{ a: 2 }])
})

test("an answer that breaks off is told at its end", () => {
  const parser = createRowParser()
  parser.push('{"columns":[],"rows":[{"a":1},{"a"')
  expect(() => parser.end()).toThrow(SyntaxError)
  const closed = createRowParser()
  closed.push('{"columns":[],"rows":[{"a":1}]')
  expect(() => closed.end()).toThrow(SyntaxError)
})
