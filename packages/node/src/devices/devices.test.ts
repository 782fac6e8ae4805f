import { isFogError, matchesFilter, type Principal, type QueryParameter, type QueryRow } from "@brume/core"
import { type DuckDBConnection, DuckDBInstance, DuckDBTimestampValue, type DuckDBValue } from "@duckdb/node-api"
import fc from "fast-check"
import { afterAll, beforeEach, describe, expect, test } from "vitest"
import { createDevices, type Devices } from "./devices.ts"

const instance = await DuckDBInstance.create(":memory:")
const connection: DuckDBConnection = await instance.connect()
afterAll(() => connection.closeSync())

/** Rows as the query room gives them. */
async function rows(sql: string, parameters: readonly QueryParameter[] = []): Promise<QueryRow[]> {
  const result = await connection.runAndReadAll(sql, [...parameters] as DuckDBValue[])
  return result
    .getRowObjects()
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])))
}

function plain(value: DuckDBValue): string | number | boolean | null {
  if (value instanceof DuckDBTimestampValue) return Number(value.micros)
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  return value as string | number | boolean | null
}

const anyone: Principal = { tokenId: "t", name: "reader", scopes: ["read"], devices: undefined }
const page = { principal: anyone, limit: 100, after: undefined, devices: undefined }
let devices: Devices

beforeEach(async () => {
  await connection.run(`CREATE OR REPLACE TABLE latest (time TIMESTAMP, received TIMESTAMP, device VARCHAR,
    property VARCHAR, value DOUBLE, text VARCHAR, json VARCHAR, tags VARCHAR, quality UTINYINT, node VARCHAR,
    epoch VARCHAR, seq BIGINT)`)
  devices = createDevices({ query: { rows } })
})

/** One series a name `device:property`. */
async function insert(...names: string[]): Promise<void> {
  for (const [index, name] of names.entries()) {
    const [device, property] = name.split(":")
    await connection.run(
      "INSERT INTO latest VALUES (make_timestamp($1::BIGINT), make_timestamp($2::BIGINT), $3, $4, $5, NULL, NULL, '{}', 0, 'gw-1', 'aa', $6)",
      [BigInt(1_000 + index), BigInt(2_000 + index), device!, property ?? "p", index, BigInt(index)],
    )
  }
}

const names = async (request: Partial<Parameters<Devices["list"]>[0]> = {}): Promise<string[]> =>
  (await devices.list({ ...page, ...request })).devices.map(({ device }) => device)

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => (isFogError(error) ? error.code : String(error)),
  )

describe("the list of devices", () => {
  test("is empty on a node without readings", async () => {
    expect(await devices.list(page)).toEqual({ devices: [], next: undefined })
  })

  test("has each device with the latest reading of each series", async () => {
    await insert("b:t", "a:t", "a:h")
    const { devices: found, next } = await devices.list(page)
    expect(next).toBeUndefined()
    expect(found.map(({ device, received, series }) => [device, received, series])).toEqual([
      ["a", 2_002, 2],
      ["b", 2_000, 1],
    ])
    expect(found[0]!.latest.map(({ property }) => property)).toEqual(["h", "t"])
    expect(found[1]!.latest).toEqual([
      {
        time: 1_000,
        received: 2_000,
        device: "b",
        property: "t",
        value: 0,
        text: null,
        json: null,
        tags: "{}",
        quality: 0,
        node: "gw-1",
        epoch: "aa",
        seq: 0,
      },
    ])
  })

  test("comes in pages by name, each device once", async () => {
    const all = ["a", "a/b", "a0", "b", "b'; DROP TABLE latest; --", "é", "😀"]
    await insert(...all.toReversed())
    const found: string[] = []
    let after: string | undefined
    do {
      const { devices: some, next } = await devices.list({ ...page, limit: 2, after })
      expect(some.length).toBeGreaterThan(0)
      found.push(...some.map(({ device }) => device))
      after = next
    } while (after !== undefined)
    expect(found).toEqual(all)
  })

  test("ends a page early when its devices have very many series, and never skips one", async () => {
    await connection.run(`INSERT INTO latest SELECT make_timestamp(0), make_timestamp(0), 'd' || (i // 4000), 'p' || i,
      1, NULL, NULL, '{}', 0, 'gw-1', 'aa', i FROM range(16000) r(i)`)
    const first = await devices.list(page)
    expect(first.devices.map(({ device, series, latest }) => [device, series, latest.length])).toEqual([
      ["d0", 4_000, 4_000],
      ["d1", 4_000, 4_000],
    ])
    expect(first.next).toBe("d1")
    expect(await names({ after: "d1" })).toEqual(["d2", "d3"])
  })

  test("shows the first readings of a device that has more series than an answer holds", async () => {
    await connection.run(`INSERT INTO latest SELECT make_timestamp(0), make_timestamp(0), 'd', 'p' || i,
      1, NULL, NULL, '{}', 0, 'gw-1', 'aa', i FROM range(12000) r(i)`)
    await insert("e")
    const { devices: found, next } = await devices.list(page)
    expect(found.map(({ device, series, latest }) => [device, series, latest.length])).toEqual([["d", 12_000, 10_000]])
    expect(next).toBe("d")
    expect((await devices.get("d", anyone)).latest).toHaveLength(10_000)
  })

  test("has only devices of the principal that fit the filters", async () => {
    await insert("cold/1", "cold/2", "warm/1", "cold/2/door", "$sys/x")
    const principal = { ...anyone, devices: ["cold/#"] }
    expect(await names()).toEqual(["$sys/x", "cold/1", "cold/2", "cold/2/door", "warm/1"])
    expect(await names({ principal })).toEqual(["cold/1", "cold/2", "cold/2/door"])
    expect(await names({ devices: ["+/1", "$sys/+"] })).toEqual(["$sys/x", "cold/1", "warm/1"])
    expect(await names({ devices: ["#"] })).toEqual(["cold/1", "cold/2", "cold/2/door", "warm/1"])
    expect(await names({ principal, devices: ["+/1"] })).toEqual(["cold/1"])
    expect(await names({ principal: { ...anyone, devices: [] } })).toEqual([])
    expect(await names({ principal, devices: ["warm/+"] })).toEqual([])
  })

  test("filters exactly as topics are matched", async () => {
    const level = fc.oneof(
      fc.constantFrom("a", "b", "", "$x", "a.b", "(", "[a]", "\\d", "é", "a b"),
      fc.string({ maxLength: 3 }),
    )
    const name = fc
      .array(level, { minLength: 1, maxLength: 4 })
      .map((levels) => levels.join("/"))
      .filter((text) => text !== "" && !/[\p{Cc}\p{Surrogate}]/u.test(text))
    const filter = fc
      .tuple(
        fc.array(
          fc.oneof(
            level.map((text) => text.replace(/[/#+]/g, "_")),
            fc.constant("+"),
          ),
          { maxLength: 4 },
        ),
        fc.boolean(),
      )
      .map(([levels, rest]) => [...levels, ...(rest ? ["#"] : [])].join("/"))
      .filter((text) => text !== "" && !/[\p{Cc}\p{Surrogate}]/u.test(text))
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { minLength: 1, maxLength: 8 }),
        fc.array(filter, { minLength: 1, maxLength: 3 }),
        async (all, filters) => {
          await connection.run("DELETE FROM latest")
          await insert(...all.map((device) => device.replaceAll(":", "_")))
          const expected = all
            .map((device) => device.replaceAll(":", "_"))
            .filter((device) => filters.some((filter) => matchesFilter(filter, device)))
          expect(new Set(await names({ devices: filters }))).toEqual(new Set(expected))
        },
      ),
      { numRuns: process.env.BRUME_LONG === "1" ? 2_000 : 60 },
    )
  })
})

describe("one device", () => {
  test("has the latest reading of each of its series, and no other device's", async () => {
    await insert("a:t", "a:h", "ab:t", "b:t")
    const found = await devices.get("a", anyone)
    expect([found.device, found.received, found.series]).toEqual(["a", 2_001, 2])
    expect(found.latest.map(({ property }) => property)).toEqual(["h", "t"])
  })

  test("that is not known is refused with near names", async () => {
    await insert("fridge-1", "fridge-2", "oven", "freezer")
    await expect(devices.get("Fridge1", anyone)).rejects.toMatchObject({
      code: "device_not_found",
      hint: expect.stringMatching(/^Did you mean fridge-1 or fridge-2/),
    })
    await expect(devices.get("zzz", anyone)).rejects.toMatchObject({
      code: "device_not_found",
      hint: expect.not.stringContaining("Did you mean"),
    })
  })

  test("of others is refused to a limited principal, and no name of others is told", async () => {
    await insert("cold/1", "warm/1", "cold/12")
    const principal = { ...anyone, devices: ["cold/#"] }
    expect(await codeOf(devices.get("warm/1", principal))).toBe("forbidden")
    expect(await codeOf(devices.get("cold/1", principal))).toBe("no error")
    await connection.run("INSERT INTO latest SELECT * REPLACE ('cald/1' AS device) FROM latest WHERE device = 'cold/1'")
    await expect(devices.get("cold/2", principal)).rejects.toMatchObject({ hint: "Did you mean cold/12 or cold/1?" })
  })
})
