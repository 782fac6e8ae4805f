import { FogError, type QueryRequest } from "@brume/core"
import { expect, test } from "vitest"
import { type ApiRig, apiRig, pieces } from "../../../../test/rig/api.ts"

const json = { "content-type": "application/json" }
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
const one = { device: "fridge-1", property: "temperature", value: 4.2 }

async function opened(): Promise<{ rig: ApiRig; inject: ReturnType<typeof injectorOf> }> {
  const rig = await apiRig()
  const { fastify } = await rig.app()
  return { rig, inject: injectorOf(fastify, rig.admin) }
}

/** Requests with the admin's token, unless headers say otherwise. */
function injectorOf(app: Awaited<ReturnType<ApiRig["app"]>>["fastify"], secret: string) {
  return (method: "GET" | "POST" | "DELETE" | "PUT" | "HEAD" | "OPTIONS", url: string, options: Injection = {}) =>
    app.inject({
      method,
      url,
      headers: { ...bearer(secret), ...options.headers },
      ...(options.body === undefined ? {} : { payload: options.body }),
    })
}

interface Injection {
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer | object
}

test("readings are stored and acknowledged with their place in the log", async () => {
  const { rig, inject } = await opened()
  const body = [{ device: "fridge-1", values: { temperature: 4.2, door: "open" } }]
  const answer = await inject("POST", "/v1/readings", { headers: json, body })
  expect(answer.statusCode).toBe(200)
  expect(answer.json()).toEqual({ accepted: 2, seq: rig.store.readings[0]!.seq, epoch: rig.store.epoch })
  expect(rig.store.readings.map(({ property, value, text }) => [property, value, text])).toEqual([
    ["temperature", 4.2, null],
    ["door", null, "open"],
  ])
})

test("readings are acknowledged after they are durable, not before", async () => {
  const { rig, inject } = await opened()
  const release = rig.store.hold()
  let isAnswered = false
  const answer = inject("POST", "/v1/readings", { headers: json, body: one }).then((done) => {
    isAnswered = true
    return done
  })
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(isAnswered).toBe(false)
  release()
  expect((await answer).statusCode).toBe(200)
})

test("readings whose durability fails are refused with the store's reason", async () => {
  const { rig, inject } = await opened()
  const release = rig.store.hold()
  const answer = inject("POST", "/v1/readings", { headers: json, body: one })
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  release(new FogError("store_full", { message: "The disk is full", hint: "Free some space." }))
  const { statusCode, headers } = await answer
  expect([statusCode, headers["content-type"], headers["retry-after"]]).toEqual([507, "application/problem+json", "30"])
})

test.each([
  ["JSON without a content type", undefined, JSON.stringify(one), 1],
  ["NDJSON", "application/x-ndjson", `${JSON.stringify(one)}\n${JSON.stringify(one)}\n`, 2],
  ["NDJSON under another name, with a charset", "application/jsonl; charset=UTF-8", `${JSON.stringify(one)}\n`, 1],
  ["SenML", "application/senml+json", '[{"bn":"fridge-1/","n":"temperature","v":4.2},{"n":"humidity","v":61}]', 2],
])("readings are read as %s", async (_name, type, body, count) => {
  const { inject } = await opened()
  const headers: Record<string, string> = type === undefined ? {} : { "content-type": type }
  const answer = await inject("POST", "/v1/readings", { headers, body: Buffer.from(body) })
  expect(answer.json()).toMatchObject({ accepted: count })
})

test.each([
  ["text/plain", 415, "payload_type"],
  ["application/json; charset=latin1", 415, "payload_type"],
  ["application/x-www-form-urlencoded", 415, "payload_type"],
  ["no type at all/", 400, "request_invalid"],
])("readings as %s are refused", async (type, status, code) => {
  const { rig, inject } = await opened()
  const answer = await inject("POST", "/v1/readings", { headers: { "content-type": type }, body: JSON.stringify(one) })
  expect([answer.statusCode, answer.json().code]).toEqual([status, code])
  expect(rig.store.readings).toEqual([])
})

test("a request that comes again with its key stores nothing twice and says so", async () => {
  const { rig, inject } = await opened()
  const request = { headers: { ...json, "idempotency-key": "k-1" }, body: JSON.stringify(one) }
  const first = await inject("POST", "/v1/readings", request)
  const second = await inject("POST", "/v1/readings", request)
  expect(second.json()).toEqual(first.json())
  expect([first.headers["idempotent-replayed"], second.headers["idempotent-replayed"]]).toEqual([undefined, "true"])
  expect(rig.store.readings).toHaveLength(1)
  const other = await inject("POST", "/v1/readings", { ...request, body: JSON.stringify({ ...one, value: 5 }) })
  expect([other.statusCode, other.json().code]).toEqual([422, "idempotency_conflict"])
})

test("a full store refuses readings, says so at /healthz, and still answers SQL", async () => {
  const { rig, inject } = await opened()
  rig.store.state = "full"
  expect((await inject("POST", "/v1/readings", { headers: json, body: one })).statusCode).toBe(507)
  const health = await inject("GET", "/healthz", { headers: { authorization: "" } })
  expect([health.statusCode, health.json()]).toEqual([503, { status: "full" }])
  expect((await inject("POST", "/v1/query", { headers: json, body: { sql: "SELECT 1" } })).statusCode).toBe(200)
})

test("every mistake of a request is named with its path", async () => {
  const { inject } = await opened()
  const body = { sql: 5, format: "xml", maxRow: 1, parameters: [{}] }
  const answer = await inject("POST", "/v1/query", { headers: json, body })
  expect(answer.statusCode).toBe(400)
  expect(answer.json()).toMatchObject({ code: "request_invalid", title: expect.any(String), hint: expect.any(String) })
  const paths = answer.json().details.mistakes.map(({ path }: { path: string }) => path)
  expect(paths.sort()).toEqual(["body/format", "body/maxRow", "body/parameters/0", "body/sql"])
})

test.each([
  ["no JSON", "{", "request_invalid"],
  ["nothing", "", "request_invalid"],
  ["a list", "[]", "request_invalid"],
  ["bad UTF-8", Buffer.from([0x22, 0xff, 0x22]), "payload_encoding"],
])("a statement that is %s is refused", async (_name, body, code) => {
  const { inject } = await opened()
  const answer = await inject("POST", "/v1/query", { headers: json, body })
  expect([answer.statusCode, answer.json().code]).toEqual([400, code])
})

test("JSON that is nested a million deep is refused or read, and nothing breaks", async () => {
  const { inject } = await opened()
  const deep = `${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`
  for (const url of ["/v1/query", "/v1/readings", "/v1/tokens"]) {
    expect((await inject("POST", url, { headers: json, body: deep })).statusCode).toBe(400)
  }
})

test("SQL is passed on as it came and its answer streams through", async () => {
  const { rig, inject } = await opened()
  let asked: QueryRequest | undefined
  rig.answers = (request) => {
    asked = request
    return { id: "q-7", contentType: "text/csv; charset=utf-8", body: pieces("a\r\n", "1\r\n", "2\r\n") }
  }
  const body = { sql: "SELECT $1", parameters: ["x", 1, true, null], format: "csv", maxRows: 10, timeoutMs: 500 }
  const answer = await inject("POST", "/v1/query", { headers: json, body })
  expect([answer.statusCode, answer.body]).toEqual([200, "a\r\n1\r\n2\r\n"])
  expect([answer.headers["content-type"], answer.headers["x-query-id"]]).toEqual(["text/csv; charset=utf-8", "q-7"])
  const { signal, ...rest } = asked!
  expect(rest).toEqual(body)
  expect(signal?.aborted).toBe(false)
})

test.each([
  [undefined, "json"],
  ["*/*", "json"],
  ["text/html", "json"],
  ["text/csv", "csv"],
  ["application/json;q=0.5, text/csv;q=0.9", "csv"],
  ["text/csv;q=0, application/vnd.apache.arrow.stream", "arrow"],
])("the Accept header %s asks for %s", async (accept, format) => {
  const { rig, inject } = await opened()
  let asked: QueryRequest | undefined
  rig.answers = (request) => {
    asked = request
    return { id: "q-1", contentType: "text/plain", body: pieces("") }
  }
  const headers: Record<string, string> = accept === undefined ? json : { ...json, accept }
  await inject("POST", "/v1/query", { headers, body: { sql: "SELECT 1" } })
  expect(asked?.format).toBe(format)
})

test("a statement that fails before its first rows has its own status", async () => {
  const { rig, inject } = await opened()
  rig.answers = () => {
    throw new FogError("query_refused", { message: "COPY is not a SELECT", hint: "Write a SELECT." })
  }
  const answer = await inject("POST", "/v1/query", { headers: json, body: { sql: "COPY x" } })
  expect([answer.statusCode, answer.json().code, answer.json().hint]).toEqual([403, "query_refused", "Write a SELECT."])
})

test("running statements are listed and cancelled", async () => {
  const { rig, inject } = await opened()
  rig.running = [{ id: "q-1", sql: "SELECT 1", started: 1_735_689_600_000_001, state: "running" }]
  expect((await inject("GET", "/v1/queries")).json()).toEqual({
    queries: [{ id: "q-1", sql: "SELECT 1", started: "2025-01-01T00:00:00.000001Z", state: "running" }],
  })
  expect((await inject("DELETE", "/v1/queries/q-1")).statusCode).toBe(204)
  const missing = await inject("DELETE", "/v1/queries/q-2")
  expect([missing.statusCode, missing.json().code]).toEqual([404, "query_not_found"])
  expect(rig.cancelled).toEqual(["q-1", "q-2"])
})

test("devices are listed page by page, and shown one by one, whatever their names", async () => {
  const { inject } = await opened()
  const names = ["a", "cold/1", "näh/ö ü", "z%2F"]
  await inject("POST", "/v1/readings", {
    headers: json,
    body: names.map((device) => ({ device, property: "p", value: 1, time: "2025-01-01T00:00:00.000123Z" })),
  })
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await inject("GET", `/v1/devices?limit=2${cursor === undefined ? "" : `&cursor=${cursor}`}`)
    seen.push(...page.json().devices.map(({ device }: { device: string }) => device))
    cursor = page.json().cursor
  } while (cursor !== undefined)
  expect(seen).toEqual(names)
  for (const device of names) {
    const answer = await inject("GET", `/v1/devices/${encodeURIComponent(device)}`)
    expect(answer.json()).toMatchObject({ device, series: 1, latest: [{ time: "2025-01-01T00:00:00.000123Z" }] })
  }
  expect((await inject("GET", "/v1/devices/nobody")).json().code).toBe("device_not_found")
})

test.each(["limit=0", "limit=1001", "limit=ten", "limit=1&limit=2", "cursor=%20", "device=a%23", "more=1"])(
  "the list of devices refuses ?%s",
  async (search) => {
    const { inject } = await opened()
    const answer = await inject("GET", `/v1/devices?${search}`)
    expect([answer.statusCode, answer.json().code]).toEqual([400, "request_invalid"])
  },
)

test("tokens are created, work, are listed without secrets, and stop working when revoked", async () => {
  const { inject } = await opened()
  const request = { name: "gateway", scopes: ["write"], devices: ["fridge-1"], expires: "2030-01-01T00:00:00Z" }
  const created = await inject("POST", "/v1/tokens", { headers: json, body: request })
  expect(created.statusCode).toBe(201)
  const { token, secret } = created.json()
  const { id, ...rest } = token
  expect(rest).toEqual({ ...request, created: expect.any(String), expires: "2030-01-01T00:00:00.000000Z" })
  expect(created.headers.location).toBe(`/v1/tokens/${id}`)
  const write = (device: string) =>
    inject("POST", "/v1/readings", { headers: { ...json, ...bearer(secret) }, body: { ...one, device } })
  expect((await write("fridge-1")).statusCode).toBe(200)
  expect((await write("fridge-2")).json().code).toBe("forbidden")
  const list = await inject("GET", "/v1/tokens")
  expect(list.json().tokens).toHaveLength(2)
  expect(list.body).not.toContain(secret.split("_").at(-1))
  expect((await inject("DELETE", `/v1/tokens/${id}`)).statusCode).toBe(204)
  expect((await write("fridge-1")).statusCode).toBe(401)
  expect((await inject("DELETE", `/v1/tokens/${id}`)).json().code).toBe("token_not_found")
})

test("a token does what its scope says and no more", async () => {
  const { rig, inject } = await opened()
  const [read, write] = [await rig.token({ scopes: ["read"] }), await rig.token({ scopes: ["write"] })]
  const tryAll = async (secret: string) => {
    const statuses = await Promise.all([
      inject("POST", "/v1/readings", { headers: { ...json, ...bearer(secret) }, body: one }),
      inject("POST", "/v1/query", { headers: { ...json, ...bearer(secret) }, body: { sql: "SELECT 1" } }),
      inject("GET", "/v1/status", { headers: bearer(secret) }),
      inject("GET", "/metrics", { headers: bearer(secret) }),
      inject("GET", "/v1/tokens", { headers: bearer(secret) }),
    ])
    return statuses.map(({ statusCode }) => statusCode)
  }
  expect(await tryAll(read)).toEqual([403, 200, 200, 200, 403])
  expect(await tryAll(write)).toEqual([200, 403, 403, 403, 403])
  expect(await tryAll(rig.admin)).toEqual([200, 200, 200, 200, 200])
})

test("SQL is refused to a token that is limited to devices, with the way out", async () => {
  const { rig, inject } = await opened()
  const headers = { ...json, ...bearer(await rig.token({ devices: ["fridge-1"] })) }
  for (const [method, url] of [["POST", "/v1/query"] as const, ["GET", "/v1/queries"] as const]) {
    const answer = await inject(method, url, { headers, ...(method === "POST" ? { body: { sql: "SELECT 1" } } : {}) })
    expect([answer.statusCode, answer.json().code]).toEqual([403, "forbidden"])
    expect(answer.json().hint).toContain("/v1/devices")
  }
  expect((await inject("GET", "/v1/devices", { headers })).statusCode).toBe(200)
})

test("the status tells of the node, its store and who asks", async () => {
  const { rig, inject } = await opened()
  rig.clock.advance(1_500)
  expect((await inject("GET", "/v1/status")).json()).toEqual({
    node: "rig",
    version: "0.0.0-rig",
    epoch: rig.store.epoch,
    started: "2025-01-01T00:00:00.000000Z",
    time: "2025-01-01T00:00:01.500000Z",
    store: rig.store.stats(),
    token: { id: expect.any(String), name: "admin", scopes: ["admin"] },
  })
})

test("metrics count requests by route and class of status", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app({ metrics: rig.metrics, expose: () => rig.metrics.expose() })
  const inject = injectorOf(fastify, rig.admin)
  await inject("POST", "/v1/readings", { headers: json, body: one })
  await inject("GET", "/nowhere")
  await inject("GET", "/v1/devices/nobody")
  const { body, headers } = await inject("GET", "/metrics")
  expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8")
  expect(body).toContain('brume_api_requests_total{route="/v1/readings",status="2xx"} 1')
  expect(body).toContain('brume_api_requests_total{route="/v1/devices/:device",status="4xx"} 1')
  expect(body).toContain('brume_api_requests_total{route="none",status="4xx"} 1')
  expect(body).toContain(`brume_api_body_bytes_total ${JSON.stringify(one).length}`)
  expect(body).toContain("brume_api_requests_running 1")
  expect(body).toContain("brume_api_bodies_bytes 0")
})

test("a wrong method is told from a wrong address", async () => {
  const { inject } = await opened()
  const method = await inject("PUT", "/v1/devices/a%2Fb")
  expect([method.statusCode, method.headers.allow, method.json().code]).toEqual([
    405,
    "GET, HEAD",
    "method_not_allowed",
  ])
  const shared = await inject("DELETE", "/query")
  expect([shared.statusCode, shared.headers.allow]).toEqual([405, "GET, HEAD, POST"])
  const address = await inject("GET", "/v1/device")
  expect([address.statusCode, address.json().code]).toEqual([404, "not_found"])
  expect((await inject("POST", "/nowhere")).statusCode).toBe(404)
})

test.each(["/%zz", "/v1/devices/%ff", `/v1/devices/${"x".repeat(9_000)}`, `/v1/devices/${"x".repeat(600)}`])(
  "the address %.40s is refused as malformed",
  async (url) => {
    const { inject } = await opened()
    const answer = await inject("GET", url)
    expect([answer.statusCode, answer.json().code]).toEqual([400, "request_invalid"])
    expect(answer.headers["x-content-type-options"]).toBe("nosniff")
  },
)

test("a fault of ours is told once in the log with its cause, and to the client without a word of it", async () => {
  const { rig, inject } = await opened()
  rig.answers = () => {
    throw new TypeError("secret internals", { cause: new Error("deeper") })
  }
  const answer = await inject("POST", "/v1/query", { headers: json, body: { sql: "SELECT 1" } })
  expect([answer.statusCode, answer.json().code]).toEqual([500, "internal"])
  expect(answer.body).not.toContain("secret internals")
  const told = rig.logger.entries.filter(({ level }) => level === "error")
  expect(told).toHaveLength(1)
  expect(told[0]!.fields).toMatchObject({ requestId: answer.headers["x-request-id"], route: "/v1/query" })
  expect((told[0]!.fields.error as Error).cause).toMatchObject({ message: "secret internals" })
})

test("answers carry an id: the client's where it is harmless, else one of ours", async () => {
  const { inject } = await opened()
  const idOf = async (given?: string) =>
    (await inject("GET", "/healthz", given === undefined ? {} : { headers: { "x-request-id": given } })).headers[
      "x-request-id"
    ] as string
  expect(await idOf("abc-1.2_3")).toBe("abc-1.2_3")
  expect(await idOf("a b")).not.toBe("a b")
  expect(await idOf("x".repeat(65))).toHaveLength((await idOf()).length)
  expect(await idOf()).not.toBe(await idOf())
})

test("nothing that the node says names its software in a Server header, and all of it is safe to show", async () => {
  const { inject } = await opened()
  for (const url of ["/healthz", "/v1/status", "/nowhere", "/", "/docs"]) {
    const { headers } = await inject("GET", url)
    expect(headers.server).toBeUndefined()
    expect(headers["x-powered-by"]).toBeUndefined()
    expect(headers["x-content-type-options"]).toBe("nosniff")
    expect(headers["x-frame-options"]).toBe("DENY")
    expect(headers["referrer-policy"]).toBe("no-referrer")
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'")
  }
})
