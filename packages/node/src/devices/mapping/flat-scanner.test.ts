import { ReadingBatch, SeriesCache, valueKind } from "@brume/core"
import fc from "fast-check"
import { expect, test, vi } from "vitest"
import { DecimalReader } from "../payload/decimal.ts"
import { writeExactJson } from "../payload/exact-json.ts"
import { parseJsonText } from "../payload/json-text.ts"
import { FlatScanner } from "./flat-scanner.ts"
import { createMapper, type TopicMapping } from "./mapping.ts"
import { defaultTimeRule } from "./member-time.ts"
import { Stage } from "./stage.ts"

vi.setConfig({ testTimeout: 600_000 })
const numRuns = process.env.BRUME_LONG === "1" ? 100_000 : 2_000
const receivedUs = Date.UTC(2026, 2, 1, 12) * 1000

/** Readings as sorted lines, or the refusal: what two ways to read a payload can be compared by. */
function outcome(mapping: TopicMapping, payload: Uint8Array, offset: number): unknown {
  const bytes = Buffer.concat([Buffer.alloc(offset, "9"), payload, Buffer.from('"},:9}')])
  const batch = new ReadingBatch()
  const added = mapping.add(batch, bytes, offset, offset + payload.length, receivedUs)
  if (typeof added !== "number") {
    expect(batch.length).toBe(0)
    return added
  }
  expect(added).toBe(batch.length)
  return Array.from({ length: batch.length }, (_, row) => {
    const { property } = batch.series[batch.seriesIndex[row]!]!
    const value = (batch.kind[row]! & valueKind.number) === 0 ? null : batch.value[row]
    const shown = Object.is(value, -0) ? "-0" : value
    return JSON.stringify([
      property,
      batch.kind[row],
      shown,
      batch.payload?.[row] ?? null,
      batch.time[row],
      batch.quality[row],
    ])
  }).sort()
}

const fresh = (topic: string): TopicMapping => createMapper({ mappings: [], series: new SeriesCache() }).resolve(topic)!

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(String),
  fc.constantFrom(
    "-0",
    "0",
    "1e5",
    "1E-3",
    "0.10",
    "9007199254740991",
    "9007199254740993",
    "1772366401500000999",
    "1e999",
  ),
  fc.constantFrom("01", "-", "5.", ".5", "1.e3", "+1", "0x1", "NaN"),
)
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }).map((value) => JSON.stringify(value)),
  fc.constantFrom('"open"', '""', '"°C"', '"2026-03-01T12:00:00Z"', '"\\ud83d"', '"\\u0041"', '"a\tb"', '"'),
)
const value = fc.oneof(
  { weight: 6, arbitrary: number },
  { weight: 4, arbitrary: text },
  { weight: 3, arbitrary: fc.constantFrom("true", "false", "null") },
  { weight: 1, arbitrary: fc.constantFrom("{}", "[]", "[1]", '{"x":1}', "tru", "nul", "falsy", "") },
)
const space = fc.constantFrom("", "", "", " ", "\n", "\t ", "\r\n", "\u000b")
const key = fc.constantFrom(
  "temperature",
  "t",
  "°C",
  "time",
  "ts",
  "value",
  "a.b",
  "__proto__",
  "1",
  "",
  'q\\"',
  "\\u0041",
)
const flat = fc
  .tuple(fc.array(fc.tuple(key, space, value, space), { maxLength: 6 }), space, space)
  .map(([members, before, behind]) => {
    const body = members
      .map(([name, left, given, right]) => `${left}"${name}"${right}:${left}${given}${right}`)
      .join(",")
    return `${before}{${body}}${behind}`
  })
const damaged = fc
  .tuple(flat, fc.nat(), fc.constantFrom("", "", ",", "}", '"', ":", "\\", "5"))
  .map(([json, at, insert]) => {
    const place = at % (json.length + 1)
    return json.slice(0, place) + insert + json.slice(place + (at % 3))
  })

test.each(["devices/a", "devices/a/p"])(
  "on %s a payload gives the same readings or the same refusal whether or not its keys are known",
  (topic) => {
    const payloads = fc.array(fc.oneof({ weight: 3, arbitrary: flat }, damaged), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(payloads, fc.nat({ max: 3 }), (given, offset) => {
        const known = fresh(topic)
        for (const json of [...given, ...given]) {
          const bytes = Buffer.from(json)
          expect(outcome(known, bytes, offset)).toEqual(outcome(fresh(topic), bytes, 0))
        }
      }),
      { numRuns },
    )
  },
)

test("bytes that are no UTF-8 are refused whether or not the keys are known", () => {
  const known = fresh("devices/a")
  outcome(known, Buffer.from('{"t":1,"s":"x"}'), 0)
  for (const place of ['{"t":1,"s":"\u0080"}', '{"\u0080":1}', '{"t":1}\u0080'].map((json) =>
    Buffer.from(json, "latin1"),
  ))
    expect(outcome(known, place, 1)).toEqual({ reason: "is not valid UTF-8" })
})

/** A scanner that knows some keys. */
function scannerOf(keys: readonly string[], textLength = 100) {
  const stage = new Stage()
  const series = new SeriesCache()
  const scanner = new FlatScanner({ decimal: new DecimalReader(), stage, time: defaultTimeRule, textLength })
  for (const name of keys)
    scanner.learn(name, name === "time" ? "time" : name === "x" ? "ignored" : series.get("a", name))
  return (json: string): number => {
    stage.clear()
    const bytes = Buffer.from(json)
    return scanner.scan(bytes, 0, bytes.length, receivedUs) ? stage.count : -1
  }
}

test("plain objects of known keys are taken, in any order and spacing", () => {
  const scan = scannerOf(["a", "b", "time", "x"])
  expect(scan('{"a":1,"b":"open"}')).toBe(2)
  expect(scan(' { "b" : true , "a" : -1.5e3 } \n')).toBe(2)
  expect(scan('{"time":1772366401500000999,"x":5,"a":1}')).toBe(1)
  expect(scan('{"time":"2026-03-01T12:00:00Z","a":12345678901234567890,"b":null}')).toBe(1)
})

test("everything else is left to the exact parser", () => {
  const scan = scannerOf(["a", "b", "time"])
  for (const json of [
    "",
    "{}",
    "5",
    '["a"]',
    '{"a":1',
    '{"a":1}}',
    '{"a":1,}',
    '{"a":1,"a":2}',
    '{"c":1}',
    '{"a":{}}',
    '{"a":"\\n"}',
    '{"a":01}',
    '{"a":1e999}',
    '{"time":5}',
    '{"a":1,"time":true}',
    `{"a":"${"x".repeat(101)}"}`,
  ])
    expect(scan(json), json).toBe(-1)
})

test("no more keys than its limit are remembered", () => {
  const keys = Array.from({ length: 65 }, (_, index) => `k${index}`)
  const scan = scannerOf(keys)
  expect(scan('{"k63":1}')).toBe(1)
  expect(scan('{"k64":1}')).toBe(-1)
})

test("any JSON object gives readings that carry its values, or a refusal", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (object) => {
      const bytes = Buffer.from(JSON.stringify(object))
      const batch = new ReadingBatch()
      const added = fresh("devices/a").add(batch, bytes, 0, bytes.length, receivedUs)
      if (typeof added !== "number") {
        expect(added.reason).toMatch(
          /is empty|control character|surrogate|is no ISO 8601|is no time|beyond the years|well-formed/,
        )
        return
      }
      const got = Array.from({ length: batch.length }, (_, row) => {
        const { property } = batch.series[batch.seriesIndex[row]!]!
        const kind = batch.kind[row]!
        const payload = batch.payload?.[row] ?? null
        const carried =
          kind === valueKind.number ? batch.value[row] : kind === valueKind.text ? payload : JSON.parse(payload!)
        return JSON.stringify([property, carried])
      })
      const { value } = parseJsonText(bytes.toString(), 0, bytes.toString().length, 32)
      expect(got.sort()).toEqual(leaves(JSON.parse(writeExactJson(value)), timeKeyOf(object)).sort())
    }),
    { numRuns },
  )
})

function timeKeyOf(object: Record<string, unknown>): string | undefined {
  return ["time", "timestamp", "ts"].find((key) => Object.hasOwn(object, key) && object[key] !== null)
}

/** What an object's readings should be, said in another way. */
function leaves(object: Record<string, unknown>, without: string | undefined, prefix = ""): string[] {
  return Object.entries(object).flatMap(([name, member]) => {
    if (member === null || (prefix === "" && name === without)) return []
    const isNested = typeof member === "object" && !Array.isArray(member) && Object.keys(member).length > 0
    return isNested
      ? leaves(member as Record<string, unknown>, undefined, `${prefix}${name}.`)
      : [JSON.stringify([prefix + name, member])]
  })
}
