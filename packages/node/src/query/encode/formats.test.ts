import { readFileSync } from "node:fs"
import { Dictionary, Timestamp, TimeUnit, tableFromIPC } from "apache-arrow"
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { collected, openQueryRig, type QueryRig } from "../../../../../test/rig/query.ts"
import { quickReaderOf } from "./reader.ts"

let rig: QueryRig
beforeAll(async () => {
  rig = await openQueryRig({ rows: 50_000 })
})
afterAll(() => rig[Symbol.asyncDispose]())

const quoted = (text: string | null) => (text === null ? "NULL" : `'${text.replaceAll("'", "''")}'`)

/** A reader of RFC 4180 that is not ours to break: quotes, doubled quotes, CRLF. Unquoted empty fields are null. */
function parseCsv(text: string): (string | null)[][] {
  const rows: (string | null)[][] = []
  let row: (string | null)[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y
  while (field.lastIndex < text.length) {
    const found = field.exec(text)
    if (found === null) throw new Error(`Malformed CSV: ${text.slice(0, 100)}`)
    const [, inQuotes, bare, end] = found
    row.push(inQuotes === undefined ? (bare === "" ? null : bare!) : inQuotes.replaceAll('""', '"'))
    if (end === ",") continue
    rows.push(row)
    row = []
  }
  return rows
}

const anyText = fc.option(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }).map((value) => value.replaceAll("\u0000", "")),
    fc.constantFrom("", '"', ",", "\r\n", "\n", "a,b", 'say "hi"', "=1+1", " blanks ", "雾"),
  ),
  { nil: null },
)
const tables = fc.array(fc.tuple(anyText, anyText, fc.option(fc.integer({ min: -(2 ** 31) + 1 }), { nil: null })), {
  minLength: 1,
  maxLength: 20,
})
const valuesOf = (rows: readonly (readonly [string | null, string | null, number | null])[]) =>
  `SELECT * FROM (VALUES ${rows.map(([a, b, c]) => `(${quoted(a)}::VARCHAR, ${quoted(b)}::VARCHAR, ${c ?? "NULL"}::INT)`).join(", ")}) t("a,1", b, c)`

test("CSV comes back as it was: quotes, line breaks, NULL and empty texts", async () => {
  await fc.assert(
    fc.asyncProperty(tables, async (rows) => {
      const csv = (await rig.bytes({ sql: valuesOf(rows), format: "csv" })).toString("utf8")
      expect(parseCsv(csv)).toEqual([
        ["a,1", "b", "c"],
        ...rows.map(([a, b, c]) => [a, b, c === null ? null : String(c)]),
      ])
    }),
    { numRuns: 60 },
  )
})

test("JSON comes back as it was", async () => {
  await fc.assert(
    fc.asyncProperty(tables, async (rows) => {
      const answer = await rig.json(valuesOf(rows))
      expect(answer.rows).toEqual(rows.map(([a, b, c]) => ({ "a,1": a, b, c })))
      expect(answer.rowCount).toBe(rows.length)
    }),
    { numRuns: 60 },
  )
})

test("Arrow comes back as it was", async () => {
  await fc.assert(
    fc.asyncProperty(tables, async (rows) => {
      const table = tableFromIPC(await rig.bytes({ sql: valuesOf(rows), format: "arrow" }))
      expect(table.toArray().map((row) => Object.values(row!.toJSON()))).toEqual(rows)
    }),
    { numRuns: 60 },
  )
})

test("all formats carry the same rows, over many chunks and batches", async () => {
  const sql = "SELECT seq, device, property, value, text, quality, time FROM readings ORDER BY seq"
  const json = (await rig.json(sql)).rows
  const csv = parseCsv((await rig.bytes({ sql, format: "csv" })).toString("utf8")).slice(1)
  const table = tableFromIPC(await rig.bytes({ sql, format: "arrow" }))
  expect(table.batches.length).toBeGreaterThan(2)
  expect(json.length).toBe(50_000)
  expect(csv.length).toBe(50_000)
  expect(table.numRows).toBe(50_000)
  for (let row = 0; row < 50_000; row += 97) {
    const one = json[row]!
    expect(csv[row]).toEqual(Object.values(one).map((value) => (value === null ? null : String(value))))
    const { time, ...rest } = one
    const arrow = table.get(row)!.toJSON()
    expect(arrow).toMatchObject({ ...rest, seq: BigInt(rest.seq as number) })
    expect(new Date(Math.floor(Number(arrow.time))).toISOString().slice(0, 23)).toBe(String(time).slice(0, 23))
  }
})

test("Arrow has its own types where it can", async () => {
  const sql = `SELECT true AS b, 1::TINYINT AS i8, 2::SMALLINT AS i16, 3::INT AS i32, 4::BIGINT AS i64, 5::UTINYINT AS u8,
    6::USMALLINT AS u16, 7::UINTEGER AS u32, 8::UBIGINT AS u64, 1.5::FLOAT AS f32, 2.5::DOUBLE AS f64,
    TIMESTAMP '2025-01-01 00:00:00.000001' AS t, TIMESTAMPTZ '2025-01-01 00:00:00Z' AS tz,
    '2025-01-01'::TIMESTAMP_S AS ts, '2025-01-01'::TIMESTAMP_MS AS tms, '2025-01-01'::TIMESTAMP_NS AS tns,
    DATE '2025-01-01' AS d, TIME '01:02:03' AS tod, -12.34::DECIMAL(10, 2) AS dec, 170141183460469231731687303715884105727::HUGEINT AS huge,
    'x' AS s, 'b'::ENUM('a', 'b') AS e, INTERVAL 1 DAY AS iv, [1, 2] AS l, {'a': 1} AS st, MAP {'k': 1} AS m,
    'AB'::BLOB AS blob, '{"a":1}'::JSON AS j, NULL::INT AS n
    FROM range(3)`
  const table = tableFromIPC(await rig.bytes({ sql, format: "arrow" }))
  expect(Object.fromEntries(table.schema.fields.map((field) => [field.name, String(field.type)]))).toEqual({
    b: "Bool",
    i8: "Int8",
    i16: "Int16",
    i32: "Int32",
    i64: "Int64",
    u8: "Uint8",
    u16: "Uint16",
    u32: "Uint32",
    u64: "Uint64",
    f32: "Float32",
    f64: "Float64",
    t: "Timestamp<MICROSECOND, UTC>",
    tz: "Timestamp<MICROSECOND, UTC>",
    ts: "Timestamp<SECOND, UTC>",
    tms: "Timestamp<MILLISECOND, UTC>",
    tns: "Timestamp<NANOSECOND, UTC>",
    d: "Date32<DAY>",
    tod: "Time64<MICROSECOND>",
    dec: "Decimal[10e+2]",
    huge: "Utf8",
    s: "Utf8",
    e: "Utf8",
    iv: "Utf8",
    l: "Utf8",
    st: "Utf8",
    m: "Utf8",
    blob: "Utf8",
    j: "Utf8",
    n: "Int32",
  })
  expect(table.schema.fields.find(({ name }) => name === "dec")!.metadata.get("duckdb:type")).toBe("DECIMAL(10,2)")
  const row = table.get(2)!.toJSON()
  expect(row).toMatchObject({ b: true, i64: 4n, u64: 8n, f32: 1.5, huge: "170141183460469231731687303715884105727" })
  expect(row).toMatchObject({ l: "[1,2]", st: '{"a":1}', m: '{"k":1}', iv: "1 day", j: '{"a":1}', n: null, e: "b" })
  const words = new Uint32Array((row.dec as Uint32Array).buffer, (row.dec as Uint32Array).byteOffset, 4)
  expect(words[0]! | 0).toBe(-1234)
  expect(words[3]! | 0).toBe(-1)
  const times = table.getChild("t")!.data[0]!
  expect(times.type).toMatchObject(new Timestamp(TimeUnit.MICROSECOND, "UTC"))
  expect((times.values as BigInt64Array)[0]).toBe(1_735_689_600_000_001n)
})

test("texts that repeat are a dictionary, and texts that do not are none", async () => {
  const sql =
    "SELECT device, 'text ' || seq AS different, CASE WHEN seq % 3 = 0 THEN property END AS some FROM readings"
  const table = tableFromIPC(await rig.bytes({ sql, format: "arrow" }))
  const [device, different, some] = table.schema.fields.map(({ type }) => type)
  expect(device).toBeInstanceOf(Dictionary)
  expect(some).toBeInstanceOf(Dictionary)
  expect(String(different)).toBe("Utf8")
  expect(table.getChild("different")!.get(40_000)).toBe("text 40000")
  expect(
    table
      .getChild("some")!
      .toArray()
      .filter((text: unknown) => text !== null),
  ).toHaveLength(16_667)
})

test("an empty result has its columns in every format", async () => {
  const sql = "SELECT device, value FROM readings WHERE false"
  expect(await rig.json(sql)).toMatchObject({ columns: [{ name: "device" }, { name: "value" }], rows: [], rowCount: 0 })
  expect((await rig.bytes({ sql, format: "csv" })).toString()).toBe("device,value\r\n")
  const table = tableFromIPC(await rig.bytes({ sql, format: "arrow" }))
  expect(table.schema.names).toEqual(["device", "value"])
  expect(table.numRows).toBe(0)
})

test("columns of the same name are told apart in every format", async () => {
  const sql = "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a"
  expect((await rig.json(sql)).rows).toEqual([{ a: 1, a_2: 2, a_1: 3, a_3: 4 }])
  expect((await rig.bytes({ sql, format: "csv" })).toString()).toBe("a,a_2,a_1,a_3\r\n1,2,3,4\r\n")
  expect(tableFromIPC(await rig.bytes({ sql, format: "arrow" })).schema.names).toEqual(["a", "a_2", "a_1", "a_3"])
})

test("names of columns that mean something to JavaScript are only names", async () => {
  expect(await rig.text(`SELECT 1 AS "__proto__", 2 AS "constructor", 3 AS "a""b"`)).toContain(
    '\n{"__proto__":1,"constructor":2,"a\\"b":3}\n',
  )
})

test("content types", async () => {
  const types = await Promise.all(
    (["json", "csv", "arrow"] as const).map(async (format) => {
      const answer = await rig.query.answer({ sql: "SELECT 1", format })
      await collected(answer)
      return answer.contentType
    }),
  )
  expect(types).toEqual([
    "application/json",
    "text/csv; charset=utf-8; header=present",
    "application/vnd.apache.arrow.stream",
  ])
})

test("the quick reading of vectors gives what the binding gives", async () => {
  const sql = `SELECT CASE seq % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'twelve bytes' WHEN 3 THEN 'thirteen byte'
      WHEN 4 THEN 'ü' || seq % 5 ELSE 'a longer text of row ' || seq % 11 END AS text,
    value, CASE WHEN seq % 3 = 0 THEN -value END AS some,
    time, make_timestamp((seq - 25000) * 987654321) AS early, make_timestamp(seq * 400000000000001) AS late,
    CASE WHEN seq % 5 > 0 THEN time::TIMESTAMPTZ END AS zoned FROM readings LIMIT 20000`
  const result = await rig.raw.stream(sql)
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (let column = 0; column < chunk.columnCount; column++) {
      const vector = chunk.getColumnVector(column)
      const read = quickReaderOf(vector)
      // When an upgrade of DuckDB changes what lies behind a vector, answers get slower, and this says so.
      expect(read).toBeDefined()
      for (let row = 0; row < chunk.rowCount; row++) {
        const slow = vector.getItem(row)
        const micros = slow === null || typeof slow !== "object" ? undefined : (slow as { micros?: bigint }).micros
        const isNumber = micros !== undefined && Number.isSafeInteger(Number(micros))
        expect(read!(row)).toEqual(isNumber ? Number(micros) : slow)
      }
    }
  }
})

test("apache-arrow is loaded by the first answer in Arrow, not before", () => {
  const sources = ["arrow.ts", "arrow-column.ts"].map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
  const imports = sources.flatMap((source) => source.match(/^import (?!type ).* from "apache-arrow"/gm) ?? [])
  expect(imports).toEqual([])
})
