/**
 * Requests made from the OpenAPI document, fitting and broken, over a real socket. Whatever comes: no fault of ours, no
 * status that the document does not tell, every error in its form, and a node that serves on.
 */
import { randomInt } from "node:crypto"
import { request as httpRequest, type IncomingMessage } from "node:http"
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import { errorRegistry, FogError, type QueryRequest } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { type ApiRig, apiRig, pieces } from "../../../../test/rig/api.ts"
import { rawConnection } from "../../../../test/rig/raw-http.ts"
import { wholeNode } from "../../../../test/rig/whole-node.ts"
import type { Api } from "./api.ts"

const isLong = process.env.BRUME_LONG === "1"
const requests = isLong ? 30_000 : 1_600
const seed = Number(process.env.BRUME_SEED ?? randomInt(2 ** 31))

interface Schema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly anyOf?: readonly Schema[]
  readonly minimum?: number
  readonly maximum?: number
  readonly examples?: readonly unknown[]
}

interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly schema: Schema
}

interface Operation {
  readonly method: string
  readonly path: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: Schema; example?: unknown }>> }
  readonly responses: Readonly<Record<string, unknown>>
}

interface Plan {
  readonly operation: Operation
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** A text as strange as a client may send one. */
const strangeText = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("", " ", "#", "+/#", "../..", "%00", "null", "__proto__", "constructor", "x".repeat(600), "é", "🌫️"),
)

const anyJson = fc.jsonValue({ maxDepth: 4 })

/** Values that fit a schema most of the time. */
function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(fitting))
  const types = [schema.type ?? "string"].flat()
  const examples = schema.examples === undefined ? [] : [fc.constantFrom(...schema.examples)]
  return fc.oneof(...examples, ...types.map((type) => fittingType(type, schema)))
}

function fittingType(type: string, schema: Schema): fc.Arbitrary<unknown> {
  switch (type) {
    case "integer":
      return fc.integer({ min: schema.minimum ?? -5, max: Math.min(schema.maximum ?? 2_000, 2 ** 31 - 1) })
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true })
    case "boolean":
      return fc.boolean()
    case "null":
      return fc.constant(null)
    case "array":
      return fc.array(fitting(schema.items ?? {}), { maxLength: 4 })
    case "object":
      return fittingObject(schema)
  }
  return fc.oneof(
    strangeText,
    fc.constantFrom("SELECT 1", "SHOW DATABASES", "fridge", "2030-01-01T00:00:00Z", "temperature"),
  )
}

function fittingObject({ properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, fitting(member)]))
  const known = fc.record(members, { requiredKeys: [...required] })
  return fc.oneof(
    { arbitrary: known, weight: 4 },
    { arbitrary: fc.tuple(known, anyJson).map(([a, b]) => Object.assign({}, a, b)), weight: 1 },
  )
}

/** Bytes of a body, now and then cut, changed or replaced. */
function bodyBytes(operation: Operation): fc.Arbitrary<{ type: string | undefined; bytes: Buffer }> {
  const content = Object.entries(operation.requestBody?.content ?? {})
  if (content.length === 0) return fc.constant({ type: undefined, bytes: Buffer.alloc(0) })
  const type = fc.constantFrom(...content)
  const good = type.chain(([name, { schema, example }]) => {
    const text = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value))
    const values =
      name.includes("json") && !name.includes("nd") ? fitting(schema).map(text) : fc.constant(text(example))
    return fc.oneof(fc.constant(text(example)), values).map((bytes) => ({ type: name, bytes }))
  })
  const broken = fc.tuple(good, fc.nat(), fc.nat(255)).map(([{ type: name, bytes }, at, byte]) => {
    const changed = Buffer.from(bytes)
    if (changed.length > 0) changed[at % changed.length] = byte
    return { type: name, bytes: at % 3 === 0 ? changed.subarray(0, at % (changed.length + 1)) : changed }
  })
  const alien = fc.tuple(
    fc.constantFrom<string | undefined>(undefined, "text/plain", "application/json; charset=x", "a/b", "///", ""),
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      anyJson.map((value) => Buffer.from(JSON.stringify(value))),
    ),
  )
  return fc.oneof(
    { arbitrary: good, weight: 5 },
    { arbitrary: broken, weight: 3 },
    { arbitrary: alien.map(([name, bytes]) => ({ type: name, bytes: Buffer.from(bytes) })), weight: 2 },
  )
}

const encodings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync }

/** Headers that matter to the API, mostly absent. Values that Node.js's own client would not send are left out. */
const extraHeaders = fc.record(
  {
    host: fc.constantFrom("localhost", "127.0.0.1:1", "evil.example", "", "[::1]"),
    origin: fc.constantFrom("http://localhost", "https://evil.example", "null", "https://app.example"),
    accept: fc.constantFrom("text/csv", "*/*", "application/json;q=x", "application/vnd.apache.arrow.stream", ",;"),
    "x-request-id": fc.constantFrom("a-1", "a b", "x".repeat(100)),
    "idempotency-key": fc.constantFrom("k-1", "k-2", "x".repeat(300), "é"),
    "content-encoding": fc.constantFrom("gzip", "identity", "zstd", "gzip, gzip"),
    "if-none-match": fc.constantFrom("*", '"x"'),
    range: fc.constant("bytes=0-1"),
    expect: fc.constantFrom("tea", "100-continue"),
    connection: fc.constantFrom("close", "keep-alive"),
  },
  { requiredKeys: [] },
)

function planOf(operation: Operation, secrets: readonly string[]): fc.Arbitrary<Plan> {
  const given = (operation.parameters ?? []).map((parameter) =>
    fc.option(fc.oneof({ arbitrary: fitting(parameter.schema), weight: 4 }, { arbitrary: strangeText, weight: 1 }), {
      nil: undefined,
      freq: parameter.in === "path" ? 1_000 : 1,
    }),
  )
  return fc
    .record({
      values: fc.tuple(...given),
      more: fc.option(fc.tuple(strangeText, strangeText), { freq: 9, nil: undefined }),
      secret: fc.oneof(
        { arbitrary: fc.constant(secrets[0]!), weight: 5 },
        { arbitrary: fc.constantFrom(...secrets), weight: 2 },
      ),
      extra: fc.option(extraHeaders, { freq: 3, nil: {} }),
      body: bodyBytes(operation),
      encoding: fc.option(fc.constantFrom("gzip" as const, "deflate" as const, "br" as const), {
        freq: 6,
        nil: undefined,
      }),
    })
    .map(({ values, more, secret, extra, body, encoding }) => {
      const search = new URLSearchParams(more === undefined ? [] : [[...more]])
      const headers: Record<string, string> = { ...(extra as Record<string, string>) }
      let path = operation.path
      for (const [index, parameter] of (operation.parameters ?? []).entries()) {
        const value = values[index]
        if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encode(String(value ?? "x")))
        else if (value === undefined) continue
        else if (parameter.in === "query") for (const one of [value].flat()) search.append(parameter.name, String(one))
      }
      if (secret !== "") headers.authorization = `Bearer ${secret}`
      if (body.type !== undefined) headers["content-type"] = body.type
      if (encoding !== undefined) headers["content-encoding"] = encoding
      const bytes = encoding === undefined ? body.bytes : encodings[encoding](body.bytes)
      const withBody = operation.requestBody !== undefined
      return {
        operation,
        url: `${path}${search.size === 0 ? "" : `?${search}`}`,
        headers,
        body: withBody ? bytes : undefined,
      }
    })
}

/** encodeURIComponent refuses half surrogate pairs, which no URL can carry anyway. */
function encode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "?")) || "%20"
}

function send(api: Address, { operation, url, headers, body }: Plan): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { host, port } = api
    const clean = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace(/[^\t\x20-\x7e]/g, "?")]),
    )
    const request = httpRequest({ host, port, method: operation.method.toUpperCase(), path: url, headers: clean })
    request.on("response", (response: IncomingMessage) => {
      let text = ""
      response.setEncoding("latin1").on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", () => {
        resolve({ status: response.statusCode!, type: response.headers["content-type"] ?? "", body: text })
      })
      response.on("error", reject)
    })
    request.on("error", reject)
    request.end(body)
  })
}

/** Answers of SQL as they may come: rows, or any of its errors. */
function answerSql(rig: ApiRig): void {
  const codes = Object.keys(errorRegistry).filter((code) => code.startsWith("query_") && code !== "query_not_found")
  let count = 0
  rig.answers = ({ format }: QueryRequest) => {
    const code = codes[count++ % (2 * codes.length)]
    if (code !== undefined) throw new FogError(code as "query_invalid", { message: `The statement met ${code}` })
    return { id: "q-1", contentType: format === "csv" ? "text/csv" : "application/json", body: pieces('{"rows":[]}') }
  }
}

/** InfluxDB's shape on its paths, problem+json elsewhere; health says its state also when it is bad. */
function checkError({ operation, url }: Plan, { status, type, body }: Answer): void {
  const parsed = JSON.parse(Buffer.from(body, "latin1").toString()) as Record<string, unknown>
  if (/^\/(write|query|ping)$/.test(operation.path)) expect(parsed).toMatchObject({ error: expect.any(String), status })
  else if (/^\/(api\/v2|health$)/.test(operation.path))
    expect(parsed).toMatchObject({ message: expect.any(String), status })
  else {
    expect([url, type]).toEqual([url, "application/problem+json"])
    expect(parsed).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) })
    expect(errorRegistry[parsed.code as keyof typeof errorRegistry].status).toBe(status)
  }
}

type Address = Api["address"]

/** A node under fire. */
interface Target extends AsyncDisposable {
  readonly url: string
  readonly address: Address
  readonly secrets: readonly string[]
  /** What was logged as an error. */
  errors(): string[]
  metrics(): Promise<string>
  /** After each request: what was stored is not looked at here, and must not fill the memory. */
  forget(): void
}

async function apiTarget(): Promise<Target> {
  const rig = await apiRig()
  answerSql(rig)
  const limits = { maxFailedAttempts: 1_000_000, maxBodyBytes: 10_000 }
  const api = await rig.listen({ limits, metrics: rig.metrics, allowedOrigins: ["https://app.example"] })
  const limited = await rig.token({ scopes: ["write"], devices: ["fridge/#"] })
  return {
    url: api.url,
    address: api.address,
    secrets: [rig.admin, await rig.token({ scopes: ["read"] }), limited, "brume_x_y", ""],
    errors: () => rig.logger.messages("error"),
    metrics: () => rig.metrics.expose(),
    forget() {
      rig.store.readings.length = 0
    },
    [Symbol.asyncDispose]: () => api.close(),
  }
}

async function nodeTarget(): Promise<Target> {
  const settings = { "api.maxBodyBytes": "10000", "api.allowedOrigins": "https://app.example" }
  const { node, secret, logger, call, ...rest } = await wholeNode(settings)
  return {
    url: node.url,
    address: node.address,
    secrets: [secret, "brume_x_y", ""],
    errors: () => logger.messages("error"),
    metrics: async () => (await call("/metrics")).text(),
    forget() {},
    [Symbol.asyncDispose]: rest[Symbol.asyncDispose],
  }
}

async function operations({ url }: Target): Promise<Operation[]> {
  const { paths } = (await (await fetch(`${url}/v1/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Omit<Operation, "method" | "path">>>
  }
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...operation, method, path })),
  )
}

async function expectHealth(target: Target): Promise<void> {
  expect(target.errors()).toEqual([])
  await expect.poll(() => target.metrics()).toContain("brume_api_bodies_bytes 0\n")
  expect((await fetch(`${target.url}/healthz`)).status).toBe(200)
}

test.each([
  ["the API", requests, apiTarget],
  ["a whole node", requests / 2, nodeTarget],
])(
  `%s meets %i requests made from the document without a fault (BRUME_SEED=${seed})`,
  { timeout: 3_600_000 },
  async (_name, numRuns, open) => {
    await using target = await open()
    const known = await operations(target)
    const seen = new Set<string>()
    const plans = fc.oneof(...known.map((operation) => planOf(operation, target.secrets)))
    const oneRequest = fc.asyncProperty(plans, async (plan) => {
      const answer = await send(target.address, plan)
      seen.add(`${plan.operation.method} ${plan.operation.path} ${answer.status}`)
      expect(answer.status).not.toBe(500)
      expect(Object.keys(plan.operation.responses)).toContain(String(answer.status))
      if (answer.status >= 400) checkError(plan, answer)
      target.forget()
    })
    await fc.assert(oneRequest, { numRuns, seed, endOnFailure: isLong })
    await expectHealth(target)
    // The mixture is worth something: most operations were refused at times, and those that need no name of a thing that
    // is not there were done at others.
    const share = (digit: number, of: readonly Operation[] = known) =>
      of.filter(({ method, path }) => [...seen].some((name) => name.startsWith(`${method} ${path} ${digit}`))).length /
      of.length
    const doable = known.filter(({ parameters = [] }) =>
      parameters.every((parameter) => parameter.in !== "path" || parameter.schema.examples !== undefined),
    )
    expect(share(2, doable)).toBeGreaterThan(0.4)
    expect(share(4)).toBeGreaterThan(0.7)
  },
)

test(`bytes that are nearly HTTP are answered or cut off, and harm nobody (BRUME_SEED=${seed})`, {
  timeout: 3_600_000,
}, async () => {
  await using target = await apiTarget()
  const text =
    "POST /v1/readings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n" +
    `Authorization: Bearer ${target.secrets[0]}\r\nTransfer-Encoding: chunked\r\n\r\n` +
    '2f\r\n{"device":"fridge","property":"t","value":4.5}\n\r\n0\r\n\r\n'
  const change = fc.record({ at: fc.nat(text.length - 1), remove: fc.nat(8), insert: fc.uint8Array({ maxLength: 6 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), async (changes) => {
      let bytes = Buffer.from(text)
      for (const { at, remove, insert } of changes) {
        bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)])
      }
      const connection = await rawConnection(target.address)
      connection.write(bytes)
      connection.socket.end()
      const received = await connection.ended()
      expect(received).not.toContain("HTTP/1.1 500")
      if (received !== "") expect(received).toMatch(/^HTTP\/1\.1 \d{3} /)
    }),
    { numRuns: isLong ? 20_000 : 300, seed },
  )
  await expectHealth(target)
})
