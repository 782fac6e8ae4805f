import { type FogError, isFogError, quality, type ReadingBatch, SeriesCache } from "@brume/core"
import { describe, expect, test } from "vitest"
import { defaultPayloadLimits, type PayloadLimits } from "./limits.ts"
import { defaultLineMemory } from "./line-heads.ts"
import { defaultDeviceTags, LineParser, type LineParserOptions, type ParsedLines } from "./line-protocol.ts"
import { type LinePrecision, parsePrecision } from "./line-timestamp.ts"

const receivedUs = Date.UTC(2026, 2, 1, 12) * 1000

function parser(limits: Partial<PayloadLimits> = {}, options: Partial<LineParserOptions> = {}): LineParser {
  const all = { ...defaultPayloadLimits, ...limits }
  return new LineParser({ series: new SeriesCache(), limits: all, deviceTags: defaultDeviceTags, ...options })
}

function parse(lines: string | Uint8Array, precision: LinePrecision = "ns", with_ = parser()): ParsedLines {
  const bytes = typeof lines === "string" ? Buffer.from(lines) : lines
  return with_.parse(bytes, { receivedUs, precision })
}

/** Rows as device, property, tags, what is carried, µs. */
function rows(batch: ReadingBatch): unknown[][] {
  return Array.from({ length: batch.length }, (_, row) => {
    const { device, property, tags, value, text, json, time } = batch.readingAt(row, {
      node: "",
      epoch: "",
      firstSeq: 0,
    })
    const carried = json === null ? (value ?? { text }) : value === null ? { json } : { json, value }
    return [device, property, tags, carried, time]
  })
}

const good = (lines: string | Uint8Array, precision?: LinePrecision): unknown[][] => {
  const { batch, error } = parse(lines, precision)
  if (error !== undefined) throw error
  return rows(batch)
}
const values = (lines: string): unknown[] => good(lines).map((row) => row[3])
const mistakes = (lines: string | Uint8Array, with_?: LineParser): string[] =>
  parse(lines, "ns", with_).mistakes.map(({ at, reason }) => `${at} ${reason}`)

function errorOf(call: () => unknown): FogError {
  try {
    call()
  } catch (error) {
    if (isFogError(error)) return error
    throw error
  }
  throw new Error("There was no error")
}

describe("what a line says", () => {
  test("a tag names the device; the property is measurement.field; all tags stay", () => {
    expect(good("cpu,region=eu,host=server_1 usage=42.5,load=1 1700000000000000000\n")).toEqual([
      ["server_1", "cpu.usage", '{"host":"server_1","region":"eu"}', 42.5, 1_700_000_000_000_000],
      ["server_1", "cpu.load", '{"host":"server_1","region":"eu"}', 1, 1_700_000_000_000_000],
    ])
  })

  test("device goes before device_id, and that before host", () => {
    const devices = (line: string): unknown => good(line)[0]![0]
    expect(devices("m,host=h,device_id=i,device=d v=1")).toBe("d")
    expect(devices("m,host=h,device_id=i v=1")).toBe("i")
    expect(devices("m,Host=h v=1")).toBe("m")
    const { batch } = parse("m,host=h,sensor=s v=1", "ns", parser({}, { deviceTags: ["sensor"] }))
    expect(rows(batch)[0]!.slice(0, 3)).toEqual(["s", "m.v", '{"host":"h","sensor":"s"}'])
  })

  test("without such a tag the measurement is the device and the field the property", () => {
    expect(good("fridge,room=b temperature=4.2")).toEqual([["fridge", "temperature", '{"room":"b"}', 4.2, receivedUs]])
    expect(good("fridge temperature=4.2")).toEqual([["fridge", "temperature", "{}", 4.2, receivedUs]])
  })

  test("the order of tags makes no difference", () => {
    const { batch } = parse("m,a=1,b=2 v=1\nm,b=2,a=1 v=2\n")
    expect(batch.series).toHaveLength(1)
    expect(batch.length).toBe(2)
  })

  test("values are floats, integers, booleans and texts", () => {
    expect(values("m a=1,b=-1.5e3,c=.5,d=5.,e=1E+2,f=12i,g=-7i,h=3u,i=-0,j=-0i")).toEqual([
      1, -1500, 0.5, 5, 100, 12, -7, 3, -0, 0,
    ])
    expect(
      values("m a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE").map((value) => JSON.stringify(value)),
    ).toEqual([...Array(5).fill('{"json":"true"}'), ...Array(5).fill('{"json":"false"}')])
    expect(values('m a="",b="x y, z=1",c="say \\"hi\\"",d="a\\\\b",e="c:\\n",f="é😀",g="#1"')).toEqual(
      ["", "x y, z=1", 'say "hi"', "a\\b", "c:\\n", "é😀", "#1"].map((text) => ({ text })),
    )
  })

  test("64-bit integers are exact to their limits and refused beyond", () => {
    expect(
      values(
        "m a=9007199254740991i,b=9007199254740993i,c=9223372036854775807i,d=-9223372036854775808i,e=18446744073709551615u,f=0000000000000000000001i",
      ),
    ).toEqual([
      9_007_199_254_740_991,
      { json: "9007199254740993", value: 9_007_199_254_740_992 },
      { json: "9223372036854775807", value: 2 ** 63 },
      { json: "-9223372036854775808", value: -(2 ** 63) },
      { json: "18446744073709551615", value: 2 ** 64 },
      1,
    ])
    for (const value of [
      "9223372036854775808i",
      "-9223372036854775809i",
      "18446744073709551616u",
      `${"9".repeat(5_000)}i`,
    ])
      expect(mistakes(`m v=${value}`), value).toEqual(["line 1 has an integer beyond 64 bits for v"])
  })

  test("a text may go over several lines", () => {
    const { batch, mistakes: wrong } = parse('m a="one\ntwo\nthree",b=1\nwrong\n')
    expect(rows(batch).map((row) => row[3])).toEqual([{ text: "one\ntwo\nthree" }, 1])
    expect(wrong).toEqual([{ at: "line 4", reason: "has no fields" }])
  })

  test("backslashes before commas, spaces and equals signs belong to names as InfluxDB reads them", () => {
    expect(good("my\\ m\\,x,t\\=a\\,g=v\\ a\\=l f\\ i\\=e=1")).toEqual([
      ["my m,x", "f i=e", '{"t=a,g":"v a=l"}', 1, receivedUs],
    ])
    expect(good("a\\b,c\\d=e\\f g\\h=1")[0]!.slice(0, 3)).toEqual(["a\\b", "g\\h", '{"c\\\\d":"e\\\\f"}'])
    expect(good("m\\=x=y v=1")[0]![0]).toBe("m\\=x=y")
    // The second backslash escapes the space; the first is a character.
    expect(good("m,t=a\\\\ b v=1")[0]![2]).toBe('{"t":"a\\\\ b"}')
  })

  test("quotes mean nothing in names", () => {
    expect(good('"m",t="a" "v"=1')[0]!.slice(0, 3)).toEqual(['"m"', '"v"', '{"t":"\\"a\\""}'])
  })

  test("comments, blank lines, spaces and line ends of all kinds are tolerated", () => {
    const lines = '\ufeff# comment, with="an open quote\n\n  \t\r\nm v=1\r\n m  v=2  1  \r\n\tm v=3 2\n#\nm v=4'
    expect(good(lines).map((row) => row[3])).toEqual([1, 2, 3, 4])
  })

  test("nothing to read makes an empty batch", () => {
    for (const lines of ["", "\n\n", "# only a comment", "\r\n"])
      expect(parse(lines)).toMatchObject({ refused: 0, error: undefined })
  })
})

describe("timestamps", () => {
  test("units of both generations of InfluxDB are known", () => {
    const time = (text: string, precision: LinePrecision): unknown => good(`m v=1 ${text}`, precision)[0]![4]
    expect(time("1700000000123456789", "ns")).toBe(1_700_000_000_123_456)
    expect(time("1700000000123456", "us")).toBe(1_700_000_000_123_456)
    expect(time("1700000000123", "ms")).toBe(1_700_000_000_123_000)
    expect(time("1700000000", "s")).toBe(1_700_000_000_000_000)
    expect(time("28333333", "m")).toBe(1_699_999_980_000_000)
    expect(time("472222", "h")).toBe(1_699_999_200_000_000)
    expect(["ns", "n", "us", "u", "µs", "ms", "s", "m", "h"].map(parsePrecision)).toEqual([
      "ns",
      "ns",
      "us",
      "us",
      "us",
      "ms",
      "s",
      "m",
      "h",
    ])
    expect(parsePrecision("minutes")).toBeUndefined()
    expect(parsePrecision("constructor")).toBeUndefined()
  })

  test("nanoseconds are cut towards the past", () => {
    const time = (text: string): unknown => good(`m v=1 ${text}`)[0]![4]
    for (const [ns, us] of [
      ["0", 0],
      ["-0", 0],
      ["1", 0],
      ["999", 0],
      ["1000", 1],
      ["-1", -1],
      ["-999", -1],
      ["-1000", -1],
      ["-1001", -2],
      ["-1700000000000000001", -1_700_000_000_000_001],
      ["0001700000000000000999", 1_700_000_000_000_000],
    ] as const)
      expect(time(ns), ns).toBe(us)
  })

  test("an implausible clock is kept and marked", () => {
    const { batch } = parse("m v=1 0\nm v=1 1772366400000000000\nm v=1 4102444800000000000\nm v=1")
    expect([...batch.quality.subarray(0, 4)]).toEqual([quality.deviceClock, 0, quality.deviceClock, 0])
  })

  test("times that cannot be carried are refused", () => {
    expect(mistakes("m v=1 9007199254740992000")).toEqual([
      "line 1 has a timestamp beyond the years 1684 to 2255 when it is read as ns",
    ])
    expect(good("m v=1 9007199254740991999")[0]![4]).toBe(Number.MAX_SAFE_INTEGER)
    expect(good("m v=1 -9007199254740991000")[0]![4]).toBe(-Number.MAX_SAFE_INTEGER)
    expect(mistakes("m v=1 -9007199254740991001")).toHaveLength(1)
    expect(mistakes(`m v=1 ${"9".repeat(400)}`)).toHaveLength(1)
    expect(parse("m v=1 1700000000000000000", "s").mistakes[0]!.reason).toContain("read as s")
  })
})

describe("wrong lines", () => {
  test("are refused whole, by number and reason, and the others are taken", () => {
    const { batch, refused, error } = parse("m v=1\nm v=1,w=x\nm v=2\nm\nm v=3 1700000000000000000 x\nm v=4")
    expect(rows(batch).map((row) => row[3])).toEqual([1, 2, 4])
    expect(refused).toBe(3)
    expect(error?.code).toBe("readings_invalid")
    expect(error?.message).toBe(
      "3 lines were refused, 3 readings are good: line 2 has neither a number, a boolean nor a quoted text for w; " +
        "line 4 has no fields; line 5 goes on where a comma, a timestamp or its end is expected",
    )
    expect(error?.details).toMatchObject({ count: 3 })
    // Names of refused fields are no series of the batch.
    expect(batch.series.map((series) => series.property)).toEqual(["v"])
  })

  test("each kind of mistake has its reason", () => {
    for (const [line, reason] of [
      [",a=1 v=1", "has no measurement"],
      ["m,=x v=1", "has a tag without a name"],
      ["m,a v=1", 'has the tag "a" without a value'],
      ["m,a= v=1", 'has the tag "a" without a value'],
      ["m, v=1", "has a tag without a name"],
      ["m,a=1,a=2 v=1", 'has the tag "a" twice'],
      ["m,a=b=c v=1", 'has an equals sign without backslash in the tag "a"'],
      ["m,a=1", "has no fields"],
      ["m ", "has a field without a value"],
      ["m v", "has a field without a value"],
      ["m v 1700000000000000000", "has a field without a value"],
      ["m =1", "has a field without a name"],
      ["m v=", "has no value for v"],
      ["m v=,w=1", "has no value for v"],
      ["m v=1,", "has a field without a value"],
      ["m v=1,,w=1", "has a field without a value"],
      ["m v=-", "has a malformed number for v"],
      ["m v=1e", "has a malformed number for v"],
      ["m v=1.2.3", "goes on where a comma, a timestamp or its end is expected"],
      ["m v=1x", "goes on where a comma, a timestamp or its end is expected"],
      ["m v=1-2", "goes on where a comma, a timestamp or its end is expected"],
      ["m v=1e999", "has a number too large for a double for v"],
      ["m v=NaN", "has neither a number, a boolean nor a quoted text for v"],
      ["m v=-inf", "has a malformed number for v"],
      ["m v=tru", "has neither a number, a boolean nor a quoted text for v"],
      ["m v=truely", "has neither a number, a boolean nor a quoted text for v"],
      ["m v=+1", "has neither a number, a boolean nor a quoted text for v"],
      ["m v=1.5i", "has an integer with a fraction or exponent for v"],
      ["m v=1e3i", "has an integer with a fraction or exponent for v"],
      ["m v=-1u", "has a negative unsigned integer for v"],
      ['m v="a"b', "goes on where a comma, a timestamp or its end is expected"],
      ['m v="a"1700000000000000000', "goes on where a comma, a timestamp or its end is expected"],
      ['m v="abc', "has a text whose quotes never close, which takes all that follows for v"],
      ["m v=1 -", "has a minus sign without a timestamp"],
      ["m v=1 17.5", "goes on where a comma, a timestamp or its end is expected"],
      ["m v=1 now", "goes on where a comma, a timestamp or its end is expected"],
      ["m v=1 1 2", "goes on where a comma, a timestamp or its end is expected"],
      ["m v=1\r1", "goes on where a comma, a timestamp or its end is expected"],
      ["a\u0001b v=1", 'has the measurement "a\\u0001b" for device, which contains a control character'],
      ["m,host=\t v=1", 'has the host "\\t" for device, which contains a control character'],
      ["m v\u0007=1", 'has the field "v\\u0007", which contains a control character'],
      ["m,a\u0007=1 v=1", 'has the tag "a\\u0007", whose name contains a control character'],
    ])
      expect(mistakes(line!), line).toEqual([`line 1 ${reason}`])
  })

  test("names and texts that are not UTF-8 are refused", () => {
    const bytes = (line: string): Buffer => Buffer.from(line, "latin1")
    expect(mistakes(bytes("caf\xe9 v=1"))).toEqual(["line 1 has a measurement or tag that is not UTF-8"])
    expect(mistakes(bytes("m caf\xe9=1"))).toEqual(["line 1 has a field name that is not UTF-8"])
    expect(mistakes(bytes('m v="caf\xe9"\nm v=1'))).toEqual(["line 1 has a text that is not UTF-8 for v"])
  })

  test("quotes of a refused line hide newlines as those of a good one", () => {
    expect(mistakes('m v=x,w="a\nm v=1"\nm v=2')).toHaveLength(1)
    expect(rows(parse('m v=x,w="a\nm v=1"\nm v=2').batch).map((row) => row[3])).toEqual([2])
    expect(rows(parse('m v=x,w="a\\"\nm v=1"\nm v=2').batch).map((row) => row[3])).toEqual([2])
    expect(mistakes('m v=x,w="a\\"\nm v=1"\nm v=2')).toHaveLength(1)
  })

  test("a text that never ends takes what follows, rather than reading lines out of it", () => {
    const { batch, mistakes: wrong } = parse('m v=1\nm w="open\nm v=2\nm v=3\n')
    expect(batch.length).toBe(1)
    expect(wrong).toHaveLength(1)
  })
})

describe("limits", () => {
  test("of bytes, readings and wrong lines refuse the whole payload", () => {
    const code = (lines: string, limits: Partial<PayloadLimits>): string =>
      errorOf(() => parse(lines, "ns", parser(limits))).code
    expect(code("m v=1", { sizeBytes: 4 })).toBe("payload_too_large")
    expect(code("m v=1\nm v=2\nm v=3", { readings: 2 })).toBe("readings_too_many")
    expect(code("m a=1,b=2,c=3", { readings: 2 })).toBe("readings_too_many")
    expect(code("x\nx\nx\n", { readings: 2 })).toBe("readings_too_many")
    expect(parse("m v=1\nm v=2", "ns", parser({ readings: 2 })).batch.length).toBe(2)
  })

  test("of a text or a name refuse its line", () => {
    expect(mistakes(`m v="${"x".repeat(11)}"`, parser({ textLength: 10 }))).toEqual([
      "line 1 has a text of 11 characters, the limit is 10, for v",
    ])
    expect(mistakes(`${"m".repeat(513)} v=1`)[0]).toContain("is longer than 512 characters")
    expect(mistakes(`m,host=h ${"v".repeat(511)}=1`)[0]).toContain("is longer than 512 characters")
    expect(mistakes(`m,a=${"x".repeat(9_000)} v=1`)[0]).toContain("the limit is 8192")
    expect(mistakes(`m,a=${"x".repeat(70_000)} v=1`)[0]).toContain("more than 65535 bytes")
    expect(mistakes(`m ${"x".repeat(70_000)}=1`)[0]).toContain("much too long")
  })
})

describe("what is remembered of names", () => {
  test("never mixes series up, however many there are and whatever was forgotten", () => {
    for (const [memory, count] of [
      [{ ...defaultLineMemory, heads: 100 }, 1_000],
      [{ ...defaultLineMemory, fields: 100 }, 1_000],
      [{ ...defaultLineMemory, nameBytes: 1_000 }, 1_000],
      [{ ...defaultLineMemory, nameBytes: 5 }, 100],
      [{ heads: 0, fields: 0, fieldsOfHead: 0, nameBytes: 0 }, 100],
      [defaultLineMemory, 10_000],
    ] as const) {
      const keeping = parser({}, { memory })
      for (let round = 0; round < 5; round++) {
        const names = Array.from({ length: count }, (_, index) => (index * (round + 1)) % (count - round))
        const lines = names.map((name) => `m,host=h${name} v=${name},w=${name}`)
        const { batch } = parse(lines.join("\n"), "ns", keeping)
        for (let row = 0; row < batch.length; row++) {
          const { device, property } = batch.series[batch.seriesIndex[row]!]!
          const { value } = batch.readingAt(row, { node: "", epoch: "", firstSeq: 0 })
          if (device !== `h${value}` || property !== `m.${"vw"[row % 2]}`) throw new Error(`${device} has ${value}`)
        }
      }
    }
  })

  test("fields in any order, and more than are remembered, stay what they are", () => {
    const keeping = parser()
    for (let round = 0; round < 3; round++)
      for (const step of [1, 7, -1, 299]) {
        const fields = Array.from({ length: 600 }, (_, index) => (((index * step) % 600) + 600) % 600)
        const { batch } = parse(`m ${fields.map((field) => `f${field}=${field}`).join()}`, "ns", keeping)
        for (let row = 0; row < batch.length; row++)
          expect(batch.series[batch.seriesIndex[row]!]!.property).toBe(`f${batch.value[row]}`)
      }
  })

  test("names that are prefixes of one another are told apart", () => {
    const lines = [
      "m v=1",
      "m vv=2",
      "mm v=3",
      "m,a=1 v=4",
      "m,a=11 v=5",
      "m,a=1,b=1 v=6",
      "m vv=2",
      "m v=1",
      "m v\\=v=7",
    ]
    const keeping = parser()
    for (let round = 0; round < 3; round++) {
      const { batch } = parse([...lines, ...lines.toReversed()].join("\n"), "ns", keeping)
      const byValue = new Map<number, Set<string>>()
      for (const [device, property, tags, value] of rows(batch)) {
        const names = byValue.get(value as number) ?? new Set()
        byValue.set(value as number, names.add(`${device} ${property} ${tags}`))
      }
      expect([...byValue.values()].every((names) => names.size === 1)).toBe(true)
      expect(new Set([...byValue.values()].map((names) => [...names][0])).size).toBe(7)
    }
  })

  test("names with the same hash are told apart", () => {
    const hashOf = (name: string): number => {
      let hash = 0x811c9dc5 | 0
      for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193)
      return hash
    }
    const byHash = new Map<number, string>()
    const pairs: [string, string][] = []
    for (let index = 0; pairs.length < 5; index++) {
      const name = `m${(index * 2_654_435_761).toString(36)}`
      const other = byHash.get(hashOf(name))
      if (other !== undefined) pairs.push([other, name])
      byHash.set(hashOf(name), name)
    }
    const names = pairs.flat()
    const keeping = parser()
    for (let round = 0; round < 3; round++) {
      const { batch } = parse(names.map((name, index) => `${name} v=${index}`).join("\n"), "ns", keeping)
      expect(rows(batch).map((row) => row[0])).toEqual(names)
    }
  })
})
