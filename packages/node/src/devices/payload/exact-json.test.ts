import fc from "fast-check"
import { expect, test, vi } from "vitest"
import { ExactInteger, JsonFault, type JsonValue, parseExactJson, writeExactJson } from "./exact-json.ts"
import { parseJsonText, placeOf } from "./json-text.ts"

vi.setConfig({ testTimeout: 600_000 })
const numRuns = process.env.BRUME_LONG === "1" ? 100_000 : 1_000
const depth = 64

const parse = (text: string): JsonValue => parseExactJson(text, 0, text.length, depth)

/** What a parser does with a text: its value as compact JSON, or that it refuses. */
function outcome(parser: (text: string) => unknown, text: string): string {
  try {
    return `value ${JSON.stringify(parser(text))}`
  } catch (error) {
    if (error instanceof JsonFault || error instanceof SyntaxError) return "refused"
    throw error
  }
}

test("reads what JSON.parse reads, to the same value", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      fc.pre(!/\\ud/i.test(text) && !/[0-9]{16}/.test(text))
      expect(JSON.stringify(parse(text))).toBe(JSON.stringify(JSON.parse(text)))
    }),
    { numRuns },
  )
})

test("takes and refuses the same texts as JSON.parse when they are damaged", () => {
  const damaged = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, insert]) => {
    const place = at % (text.length + 1)
    return text.slice(0, place) + insert + text.slice(place + (at % 3))
  })
  fc.assert(
    fc.property(damaged, (text) => {
      fc.pre(!/\\ud/i.test(text) && !/[0-9]{16}|e[+-]?[0-9]{3}/i.test(text) && !/\p{Surrogate}/u.test(text))
      expect(outcome(parse, text)).toBe(outcome(JSON.parse, text))
    }),
    { numRuns },
  )
})

test("takes and refuses the same short texts of JSON's characters as JSON.parse", () => {
  const text = fc.string({ unit: fc.constantFrom(...'{}[]",:0123.-+eEtrufalsn\\/ \n'), maxLength: 8 })
  fc.assert(
    fc.property(text, (given) => {
      fc.pre(!/e[+-]?[0-9]{3}/i.test(given))
      expect(outcome(parse, given)).toBe(outcome(JSON.parse, given))
    }),
    { numRuns: numRuns * 10 },
  )
})

test("integers beyond 2^53 keep their digits, also deep inside", () => {
  expect(parse("9007199254740991")).toBe(9_007_199_254_740_991)
  expect(parse("9007199254740993")).toEqual(new ExactInteger("9007199254740993"))
  expect(parse("-18446744073709551615")).toEqual(new ExactInteger("-18446744073709551615"))
  const text = '{"a":[1,{"b":12345678901234567890}],"c":9007199254740993.5}'
  expect(writeExactJson(parse(text))).toBe('{"a":[1,{"b":12345678901234567890}],"c":9007199254740994}')
})

test("__proto__ is an ordinary key", () => {
  const value = parse('{"__proto__":{"x":12345678901234567890}}') as Record<string, JsonValue>
  expect(Object.keys(value)).toEqual(["__proto__"])
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(writeExactJson(value)).toBe('{"__proto__":{"x":12345678901234567890}}')
})

test("the fast and the exact way give the same JSON", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      fc.pre(!/\\ud/i.test(text))
      const { value, write } = parseJsonText(text, 0, text.length, depth)
      expect(write(value)).toBe(writeExactJson(parse(text)))
    }),
    { numRuns },
  )
})

test("whatever JSON.parse would alter goes the exact way", () => {
  for (const text of ["9007199254740993", "[-12345678901234567]", '{"a":{"b":[1,99999999999999999999]}}']) {
    const { value, write } = parseJsonText(text, 0, text.length, depth)
    expect(write(value)).toBe(text)
  }
  for (const text of [
    "1e400",
    "-1E+309",
    "[1e0999]",
    `${"9".repeat(400)}`,
    `${"9".repeat(400)}.5`,
    `${"9".repeat(250)}e99`,
  ])
    expect(() => parseJsonText(text, 0, text.length, depth), text).toThrow("too large for a double")
  for (const text of ['"\\ud83d"', '"\\uDE00x"', '{"\\ud83d":1}'])
    expect(() => parseJsonText(text, 0, text.length, depth), text).toThrow("half a surrogate pair")
  expect(parseJsonText('"\\ud83d\\ude00"', 0, 14, depth).value).toBe("😀")
})

test("digits inside texts and long fractions are left to JSON.parse", () => {
  const text = '["12345678901234567890",0.12345678901234567890,"\\\\ud83d"]'
  const { value } = parseJsonText(text, 0, text.length, depth)
  expect(value).toEqual(["12345678901234567890", 0.123_456_789_012_345_68, "\\ud83d"])
})

test("nesting is refused before anything is parsed", () => {
  for (const open of ["[", '{"a":']) {
    const text = open.repeat(1_000_000)
    expect(() => parseJsonText(text, 0, text.length, depth)).toThrow("deeper than 64 levels")
    expect(() => parse(text)).toThrow("deeper than 64 levels")
  }
  const fits = "[".repeat(64) + "]".repeat(64)
  expect(parseJsonText(fits, 0, fits.length, depth).value).toHaveLength(1)
  expect(parse(fits)).toHaveLength(1)
  expect(() => parse(`[${fits}]`)).toThrow("deeper than 64 levels")
})

test("more values than the limit are refused before anything is parsed", () => {
  const text = `[${"[],".repeat(1_000_001)}[]]`
  expect(() => parseJsonText(text, 0, text.length, depth)).toThrow("has more than 2000000 values")
})

test("mistakes name their place", () => {
  const place = (text: string): string => {
    try {
      parseJsonText(text, 0, text.length, depth)
      return "no mistake"
    } catch (fault) {
      return fault instanceof JsonFault ? `${fault.message} (${placeOf(fault, text)})` : String(fault)
    }
  }
  expect(place('{"a":}')).toBe('has "}" where a JSON value is expected (column 6)')
  expect(place('{\n "a": 1,\n}')).toBe('has "}" where a key in double quotes is expected (line 3, column 1)')
  expect(place("{'a': 1}")).toBe('has "\'" where a key in double quotes is expected (column 2)')
  expect(place('{"a": NaN}')).toBe("has NaN or Infinity, which JSON does not know (column 7)")
  expect(place('{"a": 1} {"a": 2}')).toBe("has something after its JSON value (column 10)")
  expect(place('{"a": 01}')).toBe("has a malformed number (column 7)")
  expect(place('["abc')).toBe("has a text that never ends (column 2)")
  expect(place('["a\tb"]')).toBe("has a raw control character in a text (column 4)")
  expect(place('["\\x41"]')).toBe("has an unknown escape in a text (column 3)")
  expect(place("[1,2")).toBe("has its end where a comma or ] is expected (column 5)")
  expect(place("")).toBe("is empty (column 1)")
})
