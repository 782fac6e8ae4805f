import {
  canonicalTags,
  type FogError,
  isFogError,
  nameProblem,
  quality,
  type Reading,
  type ReadingBatch,
  SeriesCache,
} from "@brume/core"
import fc from "fast-check"
import { expect, test, vi } from "vitest"
import { parseJson } from "./json.ts"
import { defaultPayloadLimits, type PayloadLimits } from "./limits.ts"
import { parseNdjson } from "./ndjson.ts"

const receivedUs = Date.UTC(2026, 2, 1, 12) * 1000
vi.setConfig({ testTimeout: 600_000 })
const numRuns = process.env.BRUME_LONG === "1" ? 30_000 : 500

type Parser = typeof parseJson

function parse(payload: unknown, parser: Parser = parseJson, limits: Partial<PayloadLimits> = {}): ReadingBatch {
  const bytes = payload instanceof Uint8Array ? payload : Buffer.from(asText(payload))
  return parser(bytes, { receivedUs, series: new SeriesCache(), limits: { ...defaultPayloadLimits, ...limits } })
}

const asText = (payload: unknown): string => (typeof payload === "string" ? payload : write(payload))

/** Rows without what the store sets. */
function rows(batch: ReadingBatch): Partial<Reading>[] {
  return Array.from({ length: batch.length }, (_, row) => {
    const { node, epoch, seq, received, ...reading } = batch.readingAt(row, { node: "", epoch: "", firstSeq: 0 })
    return reading
  })
}

function errorOf(call: () => unknown): FogError {
  try {
    call()
  } catch (error) {
    if (isFogError(error)) return error
    throw error
  }
  throw new Error("There was no error")
}

/** Mistakes of a payload as `place: reason`. */
function mistakes(payload: unknown, parser?: Parser, limits?: Partial<PayloadLimits>): string[] {
  const error = errorOf(() => parse(payload, parser, limits))
  const { mistakes: named } = error.details as { mistakes: { at: string; reason: string }[] }
  return named.map(({ at, reason }) => `${at}: ${reason}`)
}

const plain = { device: "fridge-1", property: "temperature", value: 4.2 }
const empty = { tags: "{}", quality: 0, text: null, json: null, value: null }

test("one reading, with the time of its arrival", () => {
  expect(rows(parse(plain))).toEqual([{ ...empty, ...plain, time: receivedUs }])
})

test("an array of readings of both shapes, with time, tags and quality", () => {
  const batch = parse([
    { ...plain, time: "2026-03-01T11:00:00.000001Z", tags: { room: "b", floor: "2" }, quality: 4 },
    { device: "fridge-1", time: 1_767_225_600_000.5, values: { temperature: -0, door: "open", light: true } },
  ])
  const time = 1_767_225_600_000_500
  expect(rows(batch)).toEqual([
    { ...empty, ...plain, time: receivedUs - 3_600_000_000 + 1, tags: '{"floor":"2","room":"b"}', quality: 4 },
    { ...empty, device: "fridge-1", property: "temperature", time, value: -0 },
    { ...empty, device: "fridge-1", property: "door", time, text: "open" },
    { ...empty, device: "fridge-1", property: "light", time, json: "true" },
  ])
})

test("objects and arrays are kept as JSON, big integers exactly", () => {
  const text = `[{"device":"d","values":{"a":{"b":[1, 2.50]},"c":[],"d":18446744073709551615,"e":[9007199254740993],"f":1e17}}]`
  expect(rows(parse(text)).map(({ value, json }) => ({ value, json }))).toEqual([
    { value: null, json: '{"b":[1,2.5]}' },
    { value: null, json: "[]" },
    { value: 18_446_744_073_709_552_000, json: "18446744073709551615" },
    { value: null, json: "[9007199254740993]" },
    { value: 1e17, json: null },
  ])
})

test("an implausible clock is kept and marked", () => {
  const batch = parse([{ ...plain, time: 0 }, { ...plain, time: "2200-01-01T00:00:00Z", quality: 4 }, plain])
  expect(rows(batch).map((row) => row.quality)).toEqual([quality.deviceClock, quality.deviceClock | 4, 0])
})

test("all mistakes are named by their place, and nothing is stored", () => {
  const wrong = [
    plain,
    { ...plain, tiem: 1 },
    { device: "d", values: { a: null, b: 1, "": 2 } },
    7,
    { ...plain, device: "a\u0007b", time: "yesterday", tags: { a: 1, b: "ok" }, quality: 8 },
    { property: "p" },
    { device: 5, property: "p", value: 1, values: { q: 1 } },
    { device: "d", property: "p", value: 1, Timestamp: 5, seq: 1, unit: "C" },
    { device: "d", values: {} },
    { device: "d", values: [1] },
    { device: "d", property: "p", value: 1, time: 32_503_680_000_000, tags: [] },
  ]
  expect(mistakes(wrong)).toEqual([
    "[1].tiem: is unknown; did you mean time?",
    '[2].values."a": is null; leave out what was not measured',
    '[2].values: has the property "", whose name is empty',
    "[3]: is a number, but a reading is an object",
    "[4].device: contains a control character",
    '[4].tags."a": is a number, but tags are texts',
    '[4].time: "yesterday" is no ISO 8601 time with a zone, like 2026-03-01T12:00:00.123456Z',
    "[4].quality: has to be a whole number from 0 (good) to 7; 4 marks a doubtful reading",
    "[5].device: is missing",
    "[5].value: is missing",
    "[6].device: is a number, but has to be a text",
    "[6].property: cannot stand beside values, which names properties itself",
    "[6].value: cannot stand beside values",
    "[7].Timestamp: is unknown; did you mean time?",
    "[7].seq: is unknown; the node sets it itself",
    "[7].unit: is unknown; a reading has device, property, value, values, time, tags, quality",
    "[8].values: has no property",
    "[9].values: is an array, but has to be an object of properties and their values",
    "[10].tags: is an array, but has to be an object of texts",
    "[10].time: is beyond the years 1684 to 2255: a number is ms since 1970",
  ])
})

test("of many mistakes twenty are named and the rest is counted", () => {
  const wrong = (count: number): FogError =>
    errorOf(() => parse(Array.from({ length: count }, () => ({ ...plain, value: null }))))
  expect(wrong(999).code).toBe("readings_invalid")
  expect(wrong(999).message).toMatch(/^Nothing was stored: \[0\]\.value is null;.*; and 979 more$/s)
  expect(wrong(999).details).toMatchObject({ count: 999 })
  expect((wrong(999).details as { mistakes: unknown[] }).mistakes).toHaveLength(20)
  expect(wrong(50_000).message).toMatch(/; and at least 980 more$/)
})

test("a payload of mistakes costs no more than one of readings", () => {
  const members = Array.from({ length: 200_000 }, (_, index) => `"k${index}":null`).join()
  const payloads: [string, Parser, string][] = [
    ["x\n".repeat(1_000_000), parseNdjson, "readings_invalid"],
    [`{"device":"d","values":{${members}}}`, parseJson, "readings_invalid"],
    [`{${members}}`, parseJson, "readings_invalid"],
    [`{"device":"d","property":"p","value":1,"tags":{${members}}}`, parseJson, "readings_invalid"],
    [`[${"1,".repeat(100_001)}1]`, parseJson, "readings_too_many"],
    ['{"device":"d","property":"p","value":1}\n'.repeat(100_001), parseNdjson, "readings_too_many"],
  ]
  for (const [payload, parser, code] of payloads) {
    const error = errorOf(() => parse(payload, parser))
    expect(error.code).toBe(code)
    expect(error.message.length).toBeLessThan(4_000)
    expect((error.details as { count?: number } | undefined)?.count ?? 0).toBeLessThanOrEqual(1_600)
  }
})

test("misspelled fields are recognised", () => {
  for (const [given, meant] of [
    ["devcie", "device"],
    ["proprety", "property"],
    ["vlaue", "value"],
    ["value1", "value"],
    ["tag", "tags"],
    ["qualty", "quality"],
    ["ts", "time"],
    ["DEVICE", "device"],
  ])
    expect(mistakes({ ...plain, [given!]: "x" })[0]).toContain(`did you mean ${meant}?`)
})

test("a payload without readings is refused", () => {
  for (const payload of ["[]", " [ ] "]) expect(errorOf(() => parse(payload)).message).toContain("has no readings")
  expect(errorOf(() => parse("", parseNdjson)).message).toContain("has no readings")
  expect(errorOf(() => parse("\n \r\n\n", parseNdjson)).message).toContain("has no readings")
  expect(errorOf(() => parse("")).message).toBe("Nothing was stored: the payload is empty (column 1)")
})

test("what is not UTF-8 is refused with the place of the first wrong byte", () => {
  const wrong = Buffer.concat([Buffer.from('{"device":"é'), Buffer.from([0xff]), Buffer.from('"}')])
  const error = errorOf(() => parse(wrong))
  expect(error.code).toBe("payload_encoding")
  expect(error.message).toContain("offset 13")
  expect(errorOf(() => parse(Buffer.from([0xed, 0xa0, 0x80]))).code).toBe("payload_encoding")
  expect(errorOf(() => parse(Buffer.from('"abc', "utf16le"))).code).toBe("readings_invalid")
})

test("a byte order mark is tolerated", () => {
  expect(parse(Buffer.from(`\ufeff${asText(plain)}`)).length).toBe(1)
  expect(parse(Buffer.from(`\ufeff${asText(plain)}\n`), parseNdjson).length).toBe(1)
})

test("NaN, infinities and numbers beyond a double are refused", () => {
  for (const value of ["NaN", "Infinity", "-Infinity", "1e999", "-1e400", `${"9".repeat(310)}`]) {
    const error = errorOf(() => parse(`{"device":"d","property":"p","value":${value}}`))
    expect(error.code).toBe("readings_invalid")
  }
  expect(errorOf(() => parse('{"device":"d","property":"p","value":{"a":[1e999]}}')).code).toBe("readings_invalid")
})

test("limits of size, readings, texts, JSON, names and tags hold", () => {
  const code = (payload: unknown, limits: Partial<PayloadLimits> = {}, parser = parseJson): string =>
    errorOf(() => parse(payload, parser, limits)).code
  const three = { device: "d", values: { a: 1, b: 2, c: 3 } }
  expect(code(plain, { sizeBytes: 10 })).toBe("payload_too_large")
  expect(code([plain, plain, plain], { readings: 2 })).toBe("readings_too_many")
  expect(code(three, { readings: 2 })).toBe("readings_too_many")
  expect(code(`${asText(plain)}\n${asText(three)}`, { readings: 3 }, parseNdjson)).toBe("readings_too_many")
  expect(parse(three, parseJson, { readings: 3 }).length).toBe(3)
  expect(mistakes({ ...plain, value: "x".repeat(11) }, parseJson, { textLength: 10 })).toEqual([
    "value: has 11 characters, the limit is 10",
  ])
  expect(mistakes({ ...plain, value: [1, 2, 3, 4, 5, 6] }, parseJson, { jsonLength: 10 })).toEqual([
    "value: has 13 characters as JSON, the limit is 10",
  ])
  expect(mistakes({ ...plain, device: "x".repeat(513) })).toEqual(["device: is longer than 512 characters"])
  expect(mistakes({ ...plain, tags: { a: "x".repeat(9_000) } })[0]).toContain("the limit is 8192")
  expect(mistakes({ ...plain, tags: { "": "x" } })).toEqual(['tags: has the tag "", whose name is empty'])
})

test("deep nesting is refused, in NDJSON only its line is named", () => {
  const deep = `{"device":"d","property":"p","value":${"[".repeat(100_000)}`
  expect(errorOf(() => parse(deep)).message).toContain("nested deeper than 32 levels")
  expect(mistakes(`${asText(plain)}\n${deep}\n{"device":}`, parseNdjson)).toEqual([
    "line 2: is nested deeper than 32 levels (column 69)",
    'line 3: has "}" where a JSON value is expected (column 11)',
  ])
})

test("NDJSON takes one reading a line and skips blank lines", () => {
  const payload = `${asText(plain)}\r\n\n  \n${asText({ device: "d", values: { a: 1, b: 2 } })}`
  expect(rows(parse(payload, parseNdjson)).map((row) => row.value)).toEqual([4.2, 1, 2])
  expect(mistakes(`${asText(plain)}\n\n[1]\n{"device":"d"}`, parseNdjson)).toEqual([
    "line 3: is an array, but a reading is an object",
    "line 4: property: is missing",
    "line 4: value: is missing",
  ])
})

test("keys that JavaScript treats specially are ordinary ones", () => {
  const batch = parse(
    '{"device":"__proto__","values":{"__proto__":1,"constructor":2},"tags":{"__proto__":"x","toString":"y"}}',
  )
  expect(rows(batch).map(({ property, value, tags }) => [property, value, tags])).toEqual([
    ["__proto__", 1, '{"__proto__":"x","toString":"y"}'],
    ["constructor", 2, '{"__proto__":"x","toString":"y"}'],
  ])
  expect(mistakes('{"device":"d","property":"p","value":1,"__proto__":{"time":0}}')[0]).toContain(
    "__proto__: is unknown",
  )
  expect(mistakes('{"device":"d","property":"p","value":1,"toString":1}')[0]).toContain("toString: is unknown")
})

test("of duplicate keys the last one counts, as in JSON.parse", () => {
  expect(rows(parse('{"device":"d","property":"p","value":1,"value":2}'))[0]!.value).toBe(2)
})

const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((text) => nameProblem(text) === undefined)
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: "grapheme" }),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
  fc.dictionary(
    fc.string({ unit: "grapheme" }),
    fc.oneof(fc.integer(), fc.string({ unit: "grapheme" }), fc.constant(null)),
  ),
)
const reading = fc.record({
  device: name,
  property: name,
  value,
  time: fc.integer({ min: -1e12, max: 7e12 }),
  tags: fc.dictionary(name, fc.string({ unit: "grapheme" }), { maxKeys: 3 }),
})

function expectedRow(given: typeof reading extends fc.Arbitrary<infer T> ? T : never): Partial<Reading> {
  const { device, property, tags, time } = given
  const row = { ...empty, device, property, time: time * 1000, tags: canonicalTags(tags) }
  if (typeof given.value === "number") {
    // Doubles that large are written as integers, and those are kept exactly.
    const isLong = /^-?[0-9]{16,}$/.test(String(given.value)) && !Number.isSafeInteger(given.value)
    return { ...row, value: given.value, json: isLong ? String(given.value) : null }
  }
  if (typeof given.value === "string") return { ...row, text: given.value }
  if (typeof given.value !== "bigint") return { ...row, json: JSON.stringify(given.value) }
  const number = Number(given.value)
  return Number.isSafeInteger(number) ? { ...row, value: number } : { ...row, value: number, json: String(given.value) }
}

/** JSON with bigints as integers, and -0 as such. */
function write(given: unknown): string {
  if (typeof given === "bigint") return String(given)
  if (Object.is(given, -0)) return "-0"
  if (typeof given !== "object" || given === null) return JSON.stringify(given)
  if (Array.isArray(given)) return `[${given.map(write).join()}]`
  return `{${Object.entries(given).map(([key, member]) => `${JSON.stringify(key)}:${write(member)}`)}}`
}

test("readings come back as they were written, as JSON and as NDJSON", () => {
  fc.assert(
    fc.property(fc.array(reading, { minLength: 1, maxLength: 5 }), (readings) => {
      const expected = readings.map(expectedRow)
      const withoutQuality = (batch: ReadingBatch) => rows(batch).map((row) => ({ ...row, quality: 0 }))
      expect(withoutQuality(parse(write(readings)))).toEqual(expected)
      expect(withoutQuality(parse(readings.map(write).join("\n"), parseNdjson))).toEqual(expected)
    }),
    { numRuns },
  )
})

test("damaged payloads meet a FogError or make sound readings, never anything else", () => {
  const bytes = fc.array(reading, { minLength: 1, maxLength: 3 }).map((readings) => Buffer.from(write(readings)))
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(2)), { maxLength: 4 })
  fc.assert(
    fc.property(bytes, damage, fc.constantFrom(parseJson, parseNdjson), (payload, changes, parser) => {
      let damaged = payload
      for (const [place, byte, kind] of changes) {
        const at = place % (damaged.length + 1)
        const insert = kind === 2 ? [] : [byte]
        damaged = Buffer.concat([
          damaged.subarray(0, at),
          Buffer.from(insert),
          damaged.subarray(kind === 0 ? at : at + 1),
        ])
      }
      try {
        for (const row of rows(parse(damaged, parser))) {
          expect(Number.isInteger(row.time)).toBe(true)
          expect(row.value === null || Number.isFinite(row.value)).toBe(true)
          if (row.json !== null) JSON.parse(row.json!)
        }
      } catch (error) {
        if (!isFogError(error)) throw error
      }
    }),
    { numRuns: numRuns * 4 },
  )
})
