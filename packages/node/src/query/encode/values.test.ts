import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { failure, openQueryRig, type QueryRig } from "../../../../../test/rig/query.ts"

let rig: QueryRig
beforeAll(async () => {
  rig = await openQueryRig({ rows: 20 })
})
afterAll(() => rig[Symbol.asyncDispose]())

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

/** The value of an expression as it stands in the JSON text, and as DuckDB itself casts it to text. */
async function both(expression: string): Promise<{ json: string; cast: string | null }> {
  const text = await rig.text(`SELECT ${expression} AS x`)
  const json = /\n\{"x":([\s\S]*)\}\n\],"rowCount":1\}\n$/.exec(text)![1]!
  const [row] = (await rig.raw.runAndReadAll(`SELECT (${expression})::VARCHAR`)).getRows()
  return { json, cast: row![0] as string | null }
}

const int = (bits: bigint, signed: boolean) =>
  fc.bigInt(signed ? { min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n } : { min: 0n, max: 2n ** bits - 1n })
const double = fc.double({ noNaN: true, noDefaultInfinity: true })

describe("values in JSON are those that DuckDB shows", () => {
  const runs = { numRuns: 60 }

  test.each([
    ["TINYINT", int(8n, true)],
    ["SMALLINT", int(16n, true)],
    ["INTEGER", int(32n, true)],
    ["BIGINT", int(64n, true)],
    ["HUGEINT", int(128n, true)],
    ["UTINYINT", int(8n, false)],
    ["USMALLINT", int(16n, false)],
    ["UINTEGER", int(32n, false)],
    ["UBIGINT", int(64n, false)],
    ["UHUGEINT", int(128n, false)],
  ])("%s: a number up to 2^53, beyond it a string", async (type, values) => {
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        const { json, cast } = await both(`'${value}'::${type}`)
        expect(json).toBe(Number.isSafeInteger(Number(value)) ? cast : `"${cast}"`)
      }),
      runs,
    )
  })

  test("DOUBLE: the same double", async () => {
    await fc.assert(
      fc.asyncProperty(double, async (value) => {
        const { json, cast } = await both(`'${value}'::DOUBLE`)
        // The text of the literal has no sign of zero.
        expect(JSON.parse(json) === value && Number(cast) === value, json).toBe(true)
      }),
      runs,
    )
  })

  test("FLOAT: digits that mean the same single", async () => {
    await fc.assert(
      fc.asyncProperty(fc.float({ noNaN: true, noDefaultInfinity: true }), async (value) => {
        const { json, cast } = await both(`'${value}'::FLOAT`)
        expect(Math.fround(JSON.parse(json) as number) === value, json).toBe(true)
        expect(Math.fround(Number(cast)) === value, json).toBe(true)
      }),
      runs,
    )
  })

  test.each([
    [4, 1],
    [9, 9],
    [15, 3],
    [18, 2],
    [38, 10],
    [38, 0],
  ])("DECIMAL(%i,%i): every digit", async (width, scale) => {
    const most = 10n ** BigInt(width) - 1n
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: -most, max: most }), async (scaled) => {
        const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, "0")
        const text = `${scaled < 0n ? "-" : ""}${digits.slice(0, digits.length - scale)}.${digits.slice(digits.length - scale)}`
        const { json, cast } = await both(`'${text}'::DECIMAL(${width}, ${scale})`)
        expect(json.replaceAll('"', "")).toBe(cast!.replace(/^(-?)\./, "$10."))
        if (width <= 15) expect(String(JSON.parse(json))).toBe(String(Number(cast)))
        else expect(json).toMatch(/^"/)
      }),
      runs,
    )
  })

  test("VARCHAR: any text", async () => {
    const text = fc.string({ unit: "binary" }).map((value) => value.replaceAll("\u0000", ""))
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const { json, cast } = await both(quoted(value))
        expect(JSON.parse(json)).toBe(value)
        expect(cast).toBe(value)
      }),
      runs,
    )
  })

  test("TIMESTAMP and its kinds: ISO 8601 in UTC with six digits", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_798_999_999n }),
        fc.constantFrom("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS"),
        async (us, type) => {
          const { json, cast } = await both(`make_timestamp(${us})::${type}`)
          const [date, clock] = cast!.replace(/\+00$/, "").split(" ")
          const [seconds, digits = ""] = clock!.split(".")
          expect(json).toBe(`"${date}T${seconds}.${digits.padEnd(6, "0")}Z"`)
        },
      ),
      runs,
    )
  })

  test("TIMESTAMP_NS: nine digits", async () => {
    const { json } = await both("make_timestamp_ns(1735689600123456789)")
    expect(json).toBe('"2025-01-01T00:00:00.123456789Z"')
  })

  test("DATE, TIME, INTERVAL: as DuckDB writes them, so that it reads them back", async () => {
    const day = fc.integer({ min: -719_162, max: 2_932_896 }).map((days) => `(DATE '1970-01-01' + ${days})`)
    const time = fc
      .integer({ min: 0, max: 86_399_999 })
      .map((ms) => `(TIME '00:00:00' + to_microseconds(${ms}::BIGINT * 1000 + 7))`)
    const interval = fc
      .tuple(fc.integer({ min: -500, max: 500 }), fc.integer({ min: -500, max: 500 }), fc.integer())
      .map(([months, days, us]) => `(to_months(${months}) + to_days(${days}) + to_microseconds(${us}))`)
    await fc.assert(
      fc.asyncProperty(fc.oneof(day, time, interval), async (expression) => {
        const { json, cast } = await both(expression.replace("DATE '1970-01-01' +", "DATE '1970-01-01' + "))
        const shown = expression.includes("DATE") ? cast!.replace(" 00:00:00", "T00:00:00.000000Z") : cast
        expect(json).toBe(`"${shown}"`)
      }),
      runs,
    )
  })

  test("BLOB: base64", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
        const { json } = await both(`from_hex('${Buffer.from(bytes).toString("hex")}')`)
        expect(Buffer.from(JSON.parse(json) as string, "base64")).toEqual(Buffer.from(bytes))
      }),
      runs,
    )
  })
})

test.each([
  ["NULL::INT", "null"],
  ["true", "true"],
  ["'NaN'::DOUBLE", "null"],
  ["'-Infinity'::FLOAT", "null"],
  ["'-0'::DOUBLE", "-0"],
  ["1e300", "1e+300"],
  ["0.1::FLOAT", "0.1"],
  ["16777216::FLOAT", "16777216"],
  ["'infinity'::TIMESTAMP", '"infinity"'],
  ["'-infinity'::DATE", '"-infinity"'],
  ["DATE '0044-03-15 (BC)'", '"-000043-03-15"'],
  ["DATE '12025-01-01'", '"+012025-01-01"'],
  ["'12:34:56.5+02'::TIMETZ", '"12:34:56.5+02"'],
  ["'00112233-4455-6677-8899-aabbccddeeff'::UUID", '"00112233-4455-6677-8899-aabbccddeeff"'],
  ["'0101'::BIT", '"0101"'],
  ["'b'::ENUM('a', 'b')", '"b"'],
  ["123456789012345678901234567890::BIGNUM", '"123456789012345678901234567890"'],
  ["'{\"a\": [1, 9007199254740993]}'::JSON", '{"a": [1, 9007199254740993]}'],
  ["'[1,\n 2]'::JSON", "[1,  2]"],
  ["[1, NULL, 3]", "[1,null,3]"],
  ["[1, 2]::INT[2]", "[1,2]"],
  ["[[TIMESTAMP '2025-01-01']]", '[["2025-01-01T00:00:00.000000Z"]]'],
  ["{'a': 1, 'b \"c\"': {'d': '\"'}}", '{"a":1,"b \\"c\\"":{"d":"\\""}}'],
  ["MAP {'a': 1, 'b': NULL}", '{"a":1,"b":null}'],
  ["MAP {1: 'x', 2: 'y'}", '[[1,"x"],[2,"y"]]'],
  ["[]", "[]"],
  ["[NULL]", "[null]"],
])("%s is %s in JSON", async (expression, json) => {
  expect((await both(expression)).json).toBe(json)
})

test("a type that no format carries is an error that names the column", async () => {
  expect(await failure(rig.text("SELECT 1 AS fine, 42::VARIANT AS odd"))).toMatchObject({
    code: "query_invalid",
    message: 'The column "odd" has the type VARIANT, which no format carries',
    hint: expect.stringContaining("Cast"),
  })
})
