import { type FogError, isFogError, quality, type ReadingBatch, SeriesCache } from "@brume/core"
import fc from "fast-check"
import { describe, expect, test, vi } from "vitest"
import { defaultPayloadLimits, type PayloadLimits } from "./limits.ts"
import { parseSenml, splitName } from "./senml.ts"

const receivedUs = Date.UTC(2026, 2, 1, 12) * 1000
vi.setConfig({ testTimeout: 600_000 })
const numRuns = process.env.BRUME_LONG === "1" ? 50_000 : 500

function parse(pack: unknown, limits: Partial<PayloadLimits> = {}): ReadingBatch {
  const text = typeof pack === "string" ? pack : JSON.stringify(pack)
  const context = { receivedUs, series: new SeriesCache(), limits: { ...defaultPayloadLimits, ...limits } }
  return parseSenml(Buffer.from(text), context)
}

/** Each reading as device, property, what it carries, tags and seconds since 1970 (or since the arrival). */
function rows(batch: ReadingBatch): unknown[][] {
  return Array.from({ length: batch.length }, (_, row) => {
    const { device, property, value, text, json, tags, time } = batch.readingAt(row, {
      node: "",
      epoch: "",
      firstSeq: 0,
    })
    const seconds = Math.abs(time - receivedUs) < 1e12 ? `now${(time - receivedUs) / 1e6 || ""}` : time / 1e6
    return [device, property, json === null ? (value ?? text) : { json, value }, tags, seconds]
  })
}

function errorOf(pack: unknown, limits?: Partial<PayloadLimits>): FogError {
  try {
    parse(pack, limits)
  } catch (error) {
    if (isFogError(error)) return error
    throw error
  }
  throw new Error("There was no error")
}

const ow = "urn:dev:ow:10e2073a01080063"
const unit = (u: string): string => JSON.stringify({ unit: u })

describe("the examples of RFC 8428", () => {
  test("5.1.1 a single data point is measured now", () => {
    expect(rows(parse([{ n: ow, u: "Cel", v: 23.1 }]))).toEqual([[ow, "value", 23.1, unit("Cel"), "now"]])
  })

  test("5.1.2 base name and name make one device with two properties", () => {
    const pack = [
      { bn: `${ow}:`, n: "voltage", u: "V", v: 120.1 },
      { n: "current", u: "A", v: 1.2 },
    ]
    expect(rows(parse(pack))).toEqual([
      [ow, "voltage", 120.1, unit("V"), "now"],
      [ow, "current", 1.2, unit("A"), "now"],
    ])
  })

  test("5.1.2 base time, base unit and an older version", () => {
    const records = [-5, -4, -3, -2, -1].map((t, index) => ({ n: "current", t, v: 1.2 + index / 10 }))
    const first = { bn: `${ow}:`, bt: 1.276020076001e9, bu: "A", bver: 5, n: "voltage", u: "V", v: 120.1 }
    const found = rows(parse([first, ...records, { n: "current", v: 1.7 }]))
    expect(found[0]).toEqual([ow, "voltage", 120.1, unit("V"), 1_276_020_076.001])
    expect(found.slice(1).map((row) => row[4])).toEqual([
      1_276_020_071.001, 1_276_020_072.001, 1_276_020_073.001, 1_276_020_074.001, 1_276_020_075.001, 1_276_020_076.001,
    ])
    expect(new Set(found.slice(1).map((row) => row[3]))).toEqual(new Set([unit("A")]))
  })

  test("5.1.3 and 5.1.4 a pack and its resolved form are the same readings", () => {
    const measured: [u: string, t: number, v: number][] = [
      ["%RH", 0, 20],
      ["lon", 0, 24.30621],
      ["lat", 0, 60.07965],
      ["%RH", 60, 20.3],
      ["lon", 60, 24.30622],
      ["lat", 60, 60.07965],
      ["%EL", 150, 98],
    ]
    const pack = measured.map(([u, t, v], index) => ({
      ...(index === 0 ? { bn: ow, bt: 1.320067464e9, bu: "%RH" } : {}),
      ...(u === "%RH" ? {} : { u }),
      ...(t === 0 ? {} : { t }),
      v,
    }))
    const resolved = measured.map(([u, t, v]) => ({ n: ow, u, t: 1.320067464e9 + t, v }))
    expect(rows(parse(pack))).toEqual(rows(parse(resolved)))
    expect(rows(parse(pack))[6]).toEqual([ow, "value", 98, unit("%EL"), 1_320_067_614])
  })

  test("5.1.5 numbers, texts, booleans and data", () => {
    const pack = [
      { bn: `${ow}:`, n: "temp", u: "Cel", v: 23.1 },
      { n: "label", vs: "Machine Room" },
      { n: "open", vb: false },
      { n: "nfv-reader", vd: "aGkgCg" },
    ]
    expect(rows(parse(pack))).toEqual([
      [ow, "temp", 23.1, unit("Cel"), "now"],
      [ow, "label", "Machine Room", "{}", "now"],
      [ow, "open", { json: "false", value: null }, "{}", "now"],
      [ow, "nfv-reader", "aGkgCg", "{}", "now"],
    ])
  })

  test("5.1.6 several devices; the base time outlives a change of the base name", () => {
    const pack = [
      { bn: "2001:db8::2/", bt: 1.320078429e9, n: "temperature", u: "Cel", v: 25.2 },
      { n: "humidity", u: "%RH", v: 30 },
      { bn: "2001:db8::1/", n: "temperature", u: "Cel", v: 12.3 },
      { n: "humidity", u: "%RH", v: 67 },
    ]
    expect(rows(parse(pack))).toEqual([
      ["2001:db8::2", "temperature", 25.2, unit("Cel"), 1_320_078_429],
      ["2001:db8::2", "humidity", 30, unit("%RH"), 1_320_078_429],
      ["2001:db8::1", "temperature", 12.3, unit("Cel"), 1_320_078_429],
      ["2001:db8::1", "humidity", 67, unit("%RH"), 1_320_078_429],
    ])
  })

  test("5.1.7 a record of base fields alone, and addresses as whole names", () => {
    expect(rows(parse([{ bn: `${ow}:` }, { n: "temp", u: "Cel", v: 23.1 }, { n: "fan", u: "/", v: 0 }]))).toEqual([
      [ow, "temp", 23.1, unit("Cel"), "now"],
      [ow, "fan", 0, unit("/"), "now"],
    ])
    const lights = [
      { bt: 1.320078429e9, bu: "/", n: "2001:db8::3", v: 0.5 },
      { n: "2001:db8::4", t: 0.1, v: 0 },
    ]
    expect(rows(parse(lights))).toEqual([
      ["2001:db8::3", "value", 0.5, unit("/"), 1_320_078_429],
      ["2001:db8::4", "value", 0, unit("/"), 1_320_078_429.1],
    ])
  })
})

test("names are split at their last separator, addresses and bare device URNs are not (4.5.1)", () => {
  for (const [name, device, property] of [
    ["room1/temp", "room1", "temp"],
    ["plant/hall-b/fridge:door", "plant/hall-b/fridge", "door"],
    ["temp", "temp", "value"],
    ["room1/", "room1", "value"],
    [`${ow}:`, ow, "value"],
    [`${ow}/temp`, ow, "temp"],
    ["urn:dev:mac:0024befffe804ff1_temp", "urn:dev:mac:0024befffe804ff1_temp", "value"],
    ["urn:dev:ops:32473-gw-0815:port:rx", "urn:dev:ops:32473-gw-0815:port", "rx"],
    ["00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e", "value"],
    ["00:1a:2b:3c:4d:5e:temp", "00:1a:2b:3c:4d:5e", "temp"],
    ["2001:db8::", "2001:db8::", "value"],
    ["a:b", "a", "b"],
  ])
    expect(splitName(name!), name).toEqual({ device, property })
})

test("how a name is divided between bn and n makes no difference (4.5.1)", () => {
  const batch = parse([
    { bn: "room1/", n: "temp", v: 1 },
    { bn: "room1", n: "/temp", v: 2 },
    { bn: "", n: "room1/temp", v: 3 },
    { bn: "room1/temp", v: 4 },
  ])
  expect(batch.series).toHaveLength(1)
})

test("times below 2^28 are relative, the sum of time and base time decides (4.5.3)", () => {
  const time = (record: object): unknown => rows(parse([{ n: "d", v: 1, ...record }]))[0]![4]
  expect(time({ t: -1.5 })).toBe("now-1.5")
  expect(time({ t: 30 })).toBe("now30")
  expect(time({ bt: 100, t: -100 })).toBe("now")
  expect(time({ t: 2 ** 28 })).toBe(2 ** 28)
  expect(time({ bt: 2 ** 28, t: -1 })).not.toBe(2 ** 28 - 1)
  expect(time({ bt: 1_700_000_000, t: 0.000_001 })).toBe(1_700_000_000.000_001)
  expect(time({ t: 1_772_366_400.123_456 })).toBe("now0.123456")
  expect(errorOf([{ n: "d", v: 1, t: 1e300 }]).message).toContain("beyond the years")
  expect(errorOf([{ n: "d", v: 1, t: 1e11 }]).message).toContain("beyond the years")
})

test("an implausible clock is marked", () => {
  expect(parse([{ n: "d", v: 1, t: 3e8 }]).quality[0]).toBe(quality.deviceClock)
  expect(parse([{ n: "d", v: 1, t: 200_000 }]).quality[0]).toBe(quality.deviceClock)
  expect(parse([{ n: "d", v: 1 }]).quality[0]).toBe(0)
})

test("base values and sums are added, sums are series of their own (4.5.4)", () => {
  const pack = [
    { bn: "m:", n: "power", bu: "W", bv: 20, v: 1.5, s: 7 },
    { n: "power", bs: 100, v: 2, s: 8 },
    { n: "power", v: 3 },
    { n: "power", s: 9 },
    { n: "label", vs: "x", u: "" },
  ]
  expect(rows(parse(pack)).map((row) => row.slice(1, 4))).toEqual([
    ["power", 21.5, unit("W")],
    ["power.sum", 7, unit("W.s")],
    ["power", 22, unit("W")],
    ["power.sum", 108, unit("W.s")],
    ["power", 23, unit("W")],
    ["power.sum", 100, unit("W.s")],
    ["power.sum", 109, unit("W.s")],
    ["label", "x", "{}"],
    ["label.sum", 100, "{}"],
  ])
})

test("integers beyond 2^53 stay exact, also when a base value makes them so", () => {
  const pack = '[{"n":"d","v":9007199254740993},{"n":"d","bv":9007199254740990,"v":5},{"n":"d","v":-9007199254740990}]'
  expect(rows(parse(pack)).map((row) => row[2])).toEqual([
    { json: "9007199254740993", value: 9_007_199_254_740_992 },
    { json: "9007199254740995", value: 9_007_199_254_740_996 },
    0,
  ])
  expect(errorOf([{ n: "d", bv: 1e308, v: 1e308 }]).message).toContain("too large for a number")
})

test("versions are checked (4.4)", () => {
  expect(
    parse([
      { n: "d", v: 1, bver: 10 },
      { n: "d", v: 1, bver: 10 },
    ]).length,
  ).toBe(2)
  expect(errorOf([{ n: "d", v: 1, bver: 11 }]).message).toContain("bver 11; the newest understood here is 10")
  expect(errorOf([{ n: "d", v: 1, bver: 0 }]).message).toContain("no positive integer")
  expect(
    errorOf([
      { n: "d", v: 1, bver: 5 },
      { n: "d", v: 1, bver: 10 },
    ]).message,
  ).toContain("another bver")
})

test("unknown fields are ignored unless they must be understood (4.4)", () => {
  expect(parse([{ n: "d", v: 1, ct: "60", bext: 1, ut: 5, note: { a: 1 } }]).length).toBe(1)
  expect(errorOf([{ n: "d", v: 1, ct_: "60" }]).message).toContain('has "ct_", which has to be understood (4.4)')
})

test("mistakes are named by record, and nothing is stored", () => {
  const error = errorOf([
    { n: "d", v: 1 },
    { n: "d", v: "1", u: 5 },
    { n: "d" },
    { n: "d", v: 1, vs: "x" },
    { n: "-d", v: 1 },
    { n: "d e", v: 1 },
    { v: 1 },
    { n: "d", vd: "a+b=" },
    { n: "d", vb: null },
    5,
  ])
  expect(error.code).toBe("readings_invalid")
  expect((error.details as { mistakes: { at: string }[] }).mistakes.map(({ at }) => at)).toEqual([
    "[1].v",
    "[1].u",
    "[2]",
    "[3]",
    "[4]",
    "[5]",
    "[6]",
    "[7]",
    "[8].vb",
    "[9]",
  ])
  expect(errorOf({ n: "d", v: 1 }).message).toContain("no array of records")
  expect(errorOf([]).message).toContain("no measurement")
  expect(errorOf([{ bn: "d" }]).message).toContain("no measurement")
})

test("limits of readings, texts and names hold", () => {
  const two = [
    { n: "d", v: 1, s: 1 },
    { n: "d", v: 1 },
  ]
  expect(errorOf(two, { readings: 2 }).code).toBe("readings_too_many")
  expect(errorOf([{ n: "d", vs: "x".repeat(11) }], { textLength: 10 }).message).toContain("the limit is 10")
  expect(errorOf([{ n: "d".repeat(600), v: 1 }]).message).toContain("longer than 512")
  expect(errorOf([{ n: "d", v: 1, u: "x".repeat(600) }]).message).toContain("longer than 512")
})

test("random packs resolve as by a plain reading of the RFC, whole or not at all", () => {
  const number = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.constantFrom(0.5, 1e9, 2 ** 28, -(2 ** 28)))
  const record = fc.record(
    {
      bn: fc.constantFrom("a", "a/", "b:", ""),
      bt: number,
      bu: fc.constantFrom("Cel", "W"),
      bv: number,
      bs: number,
      n: fc.constantFrom("x", "y/z", "", "q w", "_"),
      u: fc.constantFrom("V", "A"),
      v: number,
      vs: fc.string(),
      vb: fc.boolean(),
      s: number,
      t: number,
      other: fc.anything({ maxDepth: 1 }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), (pack) => {
      const expected = resolve(pack)
      if (expected === undefined) expect(errorOf(pack).code).toBe("readings_invalid")
      else
        expect(rows(parse(pack)).map(([device, property, value, tags]) => [device, property, value, tags])).toEqual(
          expected,
        )
    }),
    { numRuns },
  )
})

type AnyRecord = { readonly [label: string]: unknown }

/** The rules of 4.1 to 4.6, one after the other, slowly. Undefined when the pack breaks one. */
function resolve(pack: readonly AnyRecord[]): unknown[][] | undefined {
  const found: unknown[][] = []
  const base: Record<string, unknown> = {}
  for (const record of pack) {
    for (const label of ["bn", "bt", "bu", "bv", "bs"]) if (record[label] !== undefined) base[label] = record[label]
    const regular = ["n", "u", "v", "vs", "vb", "s", "t"].filter((label) => record[label] !== undefined)
    if (regular.length === 0) continue
    const name = `${base.bn ?? ""}${record.n ?? ""}`
    if (!/^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/.test(name)) return undefined
    const values = regular.filter((label) => label.startsWith("v"))
    const hasSum = record.s !== undefined || base.bs !== undefined
    if (values.length > 1 || (values.length === 0 && !hasSum)) return undefined
    const { device, property } = splitName(name)
    const u = (record.u ?? base.bu) as string | undefined
    const add = (a: unknown, b: unknown): number => ((a ?? 0) as number) + ((b ?? 0) as number)
    const tags = (suffix: string): string => (u === undefined ? "{}" : unit(u + suffix))
    if (record.v !== undefined) found.push([device, property, add(base.bv, record.v), tags("")])
    if (record.vs !== undefined) found.push([device, property, record.vs, tags("")])
    if (record.vb !== undefined) found.push([device, property, { json: String(record.vb), value: null }, tags("")])
    if (hasSum) found.push([device, `${property}.sum`, add(base.bs, record.s), tags(".s")])
  }
  return found.length === 0 ? undefined : found
}
