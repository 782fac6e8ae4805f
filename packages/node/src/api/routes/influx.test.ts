import { InfluxDB, Point, setLogger } from "@influxdata/influxdb-client"
import { FieldType, InfluxDB as InfluxDB1 } from "influx"
import { expect, test } from "vitest"
import { type ApiRig, apiRig } from "../../../../../test/rig/api.ts"
import type { Api } from "../api.ts"

async function opened() {
  const rig = await apiRig()
  const { fastify } = await rig.app()
  const headers = { authorization: `Token ${rig.admin}` }
  return {
    rig,
    get: (url: string) => fastify.inject({ url, headers }),
    post: (url: string, payload = "", more: Record<string, string> = {}) =>
      fastify.inject({ method: "POST", url, payload, headers: { ...headers, ...more } }),
    anonymous: (method: "GET" | "POST" | "HEAD", url: string) => fastify.inject({ method, url }),
  }
}

async function listening(): Promise<{ rig: ApiRig; api: Api } & AsyncDisposable> {
  const rig = await apiRig()
  const api = await rig.listen()
  return { rig, api, [Symbol.asyncDispose]: () => api.close() }
}

test("line protocol is stored, whatever database, policy and consistency a client names", async () => {
  const { rig, post } = await opened()
  const answer = await post(
    "/write?db=plant&rp=week&consistency=all&precision=ms",
    "fridge,hall=b temperature=4.2 1000",
  )
  expect([answer.statusCode, answer.body]).toEqual([204, ""])
  expect(answer.headers).toMatchObject({ "x-influxdb-version": "1.8.10", "x-influxdb-build": "Brume" })
  const second = await post("/api/v2/write?bucket=b&org=o&precision=s", "fridge temperature=5 2")
  expect(second.statusCode).toBe(204)
  expect(rig.store.readings.map(({ time, tags, value }) => [time, tags, value])).toEqual([
    [1_000_000, '{"hall":"b"}', 4.2],
    [2_000_000, "{}", 5],
  ])
})

test.each([
  ["n", 1_700_000_000_000_000_000n],
  ["ns", 1_700_000_000_000_000_000n],
  ["u", 1_700_000_000_000_000n],
  ["us", 1_700_000_000_000_000n],
  ["%C2%B5s", 1_700_000_000_000_000n],
  ["ms", 1_700_000_000_000n],
  ["s", 1_700_000_000n],
  ["m", 28_333_333n],
  ["h", 472_222n],
])("timestamps in %s are understood", async (precision, stamp) => {
  const { rig, post } = await opened()
  expect((await post(`/write?precision=${precision}`, `m v=1 ${stamp}`)).statusCode).toBe(204)
  const seconds = rig.store.readings[0]!.time / 1_000_000
  expect(Math.abs(seconds - 1_700_000_000)).toBeLessThan(3_600)
})

test("good lines are stored, wrong ones are named, and clients hear of a partial write", async () => {
  const { rig, post } = await opened()
  const answer = await post("/write", "m v=1\nm v=\nm v=3\n")
  expect(answer.statusCode).toBe(400)
  expect(answer.json().error).toMatch(/^partial write: .*line 2.* dropped=1$/)
  expect(answer.headers["x-influxdb-error"]).toBe(answer.json().error)
  expect(rig.store.readings.map(({ value }) => value)).toEqual([1, 3])
  const nothing = await post("/write", "m v=\n")
  expect(nothing.json().error).toMatch(/^unable to parse: .* dropped=1$/)
  const second = await post("/api/v2/write", "m v=1\nm v=\n")
  expect(second.json()).toMatchObject({ code: "invalid", message: expect.stringMatching(/^partial write: /) })
  expect(second.headers["x-platform-error-code"]).toBe("invalid")
})

test("an empty body is fine, as it is with InfluxDB", async () => {
  const { post } = await opened()
  expect((await post("/write", "")).statusCode).toBe(204)
  expect((await post("/write", "# only a comment\n")).statusCode).toBe(204)
})

test("errors have the shape that each version's clients expect, and Brume's members beside it", async () => {
  const { anonymous, post, rig } = await opened()
  const one = await anonymous("POST", "/write")
  expect([one.statusCode, one.headers["www-authenticate"]]).toEqual([401, 'Basic realm="brume"'])
  expect(one.json()).toMatchObject({ error: expect.any(String), code: "unauthenticated", status: 401 })
  const two = await anonymous("POST", "/api/v2/write")
  expect(two.json()).toMatchObject({ code: "unauthorized", message: expect.any(String), status: 401 })
  expect((await post("/write?precision=days", "m v=1")).json().error).toContain("precision")
  expect((await anonymous("GET", "/write")).json().error).toContain("POST")
  expect((await anonymous("GET", "/api/v2/buckets")).json()).toMatchObject({ code: "not found" })
  rig.store.state = "full"
  expect((await post("/write", "m v=1")).json()).toMatchObject({ error: expect.any(String), code: "store_full" })
})

test("a text that cannot stand in a header is made to", async () => {
  const { post } = await opened()
  const answer = await post("/query", `q=${encodeURIComponent("SELÉCT\r\nx: y")}`)
  expect(answer.statusCode).toBe(400)
  expect(answer.headers["x-influxdb-error"]).not.toMatch(/[^\x20-\x7e]/)
})

test("clients that ask whether somebody is there get what they expect", async () => {
  const { anonymous, rig } = await opened()
  for (const method of ["GET", "HEAD"] as const) {
    const ping = await anonymous(method, "/ping")
    expect([ping.statusCode, ping.headers["x-influxdb-version"]]).toEqual([204, "1.8.10"])
  }
  const verbose = await anonymous("GET", "/ping?verbose=true")
  expect([verbose.statusCode, verbose.json()]).toEqual([200, { version: "1.8.10" }])
  expect((await anonymous("GET", "/ping?wait_for_leader=1s")).statusCode).toBe(204)
  expect((await anonymous("GET", "/health")).json()).toMatchObject({ name: "brume", status: "pass" })
  rig.store.state = "failed"
  const health = await anonymous("GET", "/health")
  expect([health.statusCode, health.json().status]).toEqual([503, "fail"])
})

test.each([
  'CREATE DATABASE "telegraf"',
  "create database plant WITH DURATION 30d REPLICATION 1 NAME week;",
  'CREATE DATABASE "a \\" b"',
])("%s is answered as done", async (statement) => {
  const { post, get } = await opened()
  const form = { "content-type": "application/x-www-form-urlencoded" }
  for (const answer of [
    await post("/query", `q=${encodeURIComponent(statement)}`, form),
    await post(`/query?q=${encodeURIComponent(statement)}`),
    await get(`/query?q=${encodeURIComponent(statement)}`),
  ]) {
    expect([answer.statusCode, answer.json()]).toEqual([200, { results: [{ statement_id: 0 }] }])
  }
})

test("databases are one", async () => {
  const { get } = await opened()
  const answer = await get(`/query?q=${encodeURIComponent("SHOW DATABASES; CREATE DATABASE x")}`)
  expect(answer.json()).toEqual({
    results: [
      { statement_id: 0, series: [{ name: "databases", columns: ["name"], values: [["brume"]] }] },
      { statement_id: 1 },
    ],
  })
})

test.each(["SELECT * FROM m", "DROP DATABASE x", "CREATE DATABASE", "x".repeat(10_000), "", ";"])(
  "InfluxQL such as %.20j is refused with the way to SQL",
  async (statement) => {
    const { get } = await opened()
    const answer = await get(`/query?q=${encodeURIComponent(statement)}`)
    expect(answer.statusCode).toBe(400)
    if (statement.length > 1) expect(answer.json().error).toContain("POST /v1/query")
  },
)

test("the npm client of InfluxDB 1 pings, makes a database and writes", async () => {
  await using open = await listening()
  const { port } = open.api.address
  const influx = new InfluxDB1({
    host: "127.0.0.1",
    port,
    database: "plant",
    username: "any",
    password: open.rig.admin,
    schema: [
      { measurement: "fridge", fields: { temperature: FieldType.FLOAT, door: FieldType.STRING }, tags: ["host"] },
    ],
  })
  const [host] = await influx.ping(5_000)
  expect([host!.online, host!.version]).toEqual([true, "1.8.10"])
  await influx.createDatabase("plant")
  expect(await influx.getDatabaseNames()).toEqual(["brume"])
  await influx.writePoints([
    {
      measurement: "fridge",
      tags: { host: "fridge-1" },
      fields: { temperature: 4.2, door: "open" },
      timestamp: new Date(5),
    },
  ])
  expect(
    open.rig.store.readings.map(({ device, property, value, text, time }) => [device, property, value, text, time]),
  ).toEqual([
    ["fridge-1", "fridge.door", null, "open", 5_000],
    ["fridge-1", "fridge.temperature", 4.2, null, 5_000],
  ])
  await expect(influx.query("SELECT * FROM fridge")).rejects.toThrow(/POST \/v1\/query/)
  const stranger = new InfluxDB1({ host: "127.0.0.1", port, database: "plant", username: "any", password: "wrong" })
  await expect(stranger.writePoints([{ measurement: "m", fields: { v: 1 } }])).rejects.toThrow(/unknown, expired/)
})

// It prints what it was refused.
setLogger({ error: () => {}, warn: () => {} })

test("the npm client of InfluxDB 2 writes, compressed and not, and understands a refusal", async () => {
  await using open = await listening()
  const write = async (token: string, gzipThreshold: number, point: Point) => {
    const failures: Error[] = []
    const api = new InfluxDB({ url: open.api.url, token }).getWriteApi("org", "bucket", "ms", {
      maxRetries: 0,
      gzipThreshold,
      writeFailed: (error) => void failures.push(error),
    })
    api.writePoint(point)
    await api.close().catch(() => {})
    return failures
  }
  const point = new Point("fridge").tag("device", "fridge-2").floatField("temperature", 4.5).timestamp(7)
  expect(await write(open.rig.admin, 1, point)).toEqual([])
  expect(await write(open.rig.admin, 1_000_000, point)).toEqual([])
  expect(open.rig.store.readings.map(({ device, value, time }) => [device, value, time])).toEqual([
    ["fridge-2", 4.5, 7_000],
    ["fridge-2", 4.5, 7_000],
  ])
  const [refusal] = await write("wrong", 1_000_000, point)
  expect(refusal).toMatchObject({ statusCode: 401, code: "unauthorized" })
  await expect(write(open.rig.admin, 1_000_000, point)).resolves.toEqual([])
})
