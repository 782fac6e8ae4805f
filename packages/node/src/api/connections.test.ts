import { expect, test } from "vitest"
import { type ApiRig, apiRig } from "../../../../test/rig/api.ts"
import { parseRawAnswer, rawConnection } from "../../../../test/rig/raw-http.ts"
import type { Api } from "./api.ts"
import type { ApiOptions } from "./options.ts"

async function listening(options: Partial<ApiOptions> = {}): Promise<{ rig: ApiRig; api: Api } & AsyncDisposable> {
  const rig = await apiRig()
  const api = await rig.listen(options)
  return { rig, api, [Symbol.asyncDispose]: () => api.close() }
}

test.each([
  ["no HTTP", "hello\r\n\r\n", 400],
  ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["an unknown method", "BREW /pot HTTP/1.1\r\nhost: localhost\r\n\r\n", 400],
  ["a header without a colon", "GET / HTTP/1.1\r\nhost: localhost\r\nx\r\n\r\n", 400],
  ["two lengths", "POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", 400],
  [
    "a length and chunks",
    "POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["a negative length", "POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", 400],
  ["large headers", `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"x".repeat(20_000)}\r\n\r\n`, 431],
  ["no Host", "GET /healthz HTTP/1.1\r\n\r\n", 400],
  ["an unknown expectation", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nexpect: tea\r\n\r\n", 400],
])("%s is answered with a problem", async (_name, bytes, status) => {
  await using open = await listening()
  const connection = await rawConnection(open.api.address)
  connection.write(bytes)
  const answer = parseRawAnswer(await connection.until("}"))
  connection.socket.destroy()
  expect([answer.status, answer.headers["content-type"]]).toEqual([status, "application/problem+json"])
  expect(JSON.parse(answer.body)).toMatchObject({ status, code: expect.any(String), detail: expect.any(String) })
  expect((await fetch(`${open.api.url}/healthz`)).status).toBe(200)
})

test("a client that goes on with nonsense hears of it once", async () => {
  await using open = await listening()
  const connection = await rawConnection(open.api.address)
  connection.write("hello\r\n\r\n")
  await connection.until("}")
  connection.write("hello\r\n\r\n")
  connection.write("hello\r\n\r\n")
  expect((await connection.ended()).match(/HTTP\/1\.1 400/g)).toHaveLength(1)
})

test("broken chunks end the request and the connection", async () => {
  await using open = await listening()
  const connection = await rawConnection(open.api.address)
  connection.write(
    `POST /write HTTP/1.1\r\nhost: localhost\r\nauthorization: Token ${open.rig.admin}\r\n` +
      "transfer-encoding: chunked\r\n\r\nzz\r\n",
  )
  expect(parseRawAnswer(await connection.ended()).status).toBe(400)
  expect(open.rig.logger.messages("error")).toEqual([])
})

test("a request without Host is served to HTTP/1.0", async () => {
  await using open = await listening()
  const connection = await rawConnection(open.api.address)
  connection.write("GET /healthz HTTP/1.0\r\n\r\n")
  expect(parseRawAnswer(await connection.ended()).status).toBe(200)
})

test("headers that do not arrive in time end the connection with a reason", async () => {
  await using open = await listening({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 400 } })
  const connection = await rawConnection(open.api.address)
  connection.write("GET /healthz HTTP/1.1\r\nhost: local")
  const answer = parseRawAnswer(await connection.ended())
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([408, "request_timeout"])
})

test("a connection on which nothing comes is ended too", async () => {
  await using open = await listening({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 400 } })
  const connection = await rawConnection(open.api.address)
  expect(parseRawAnswer(await connection.ended()).status).toBe(408)
})

test("a body that trickles in ends the connection with a reason, however busy it keeps it", async () => {
  await using open = await listening({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 400 } })
  const connection = await rawConnection(open.api.address)
  connection.write(
    `POST /write HTTP/1.1\r\nhost: localhost\r\nauthorization: Token ${open.rig.admin}\r\ncontent-length: 9999\r\n\r\n`,
  )
  const trickle = setInterval(() => connection.write("x"), 20)
  const answer = parseRawAnswer(await connection.ended())
  clearInterval(trickle)
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([408, "request_timeout"])
  expect(open.rig.logger.messages("error")).toEqual([])
})

test("connections beyond the limit are told so, those within it serve on", async () => {
  await using open = await listening({ limits: { maxConnections: 2 } })
  const ask = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
  const first = await rawConnection(open.api.address)
  const second = await rawConnection(open.api.address)
  first.write(ask)
  await first.until('"ok"')
  const third = await rawConnection(open.api.address)
  third.write(ask)
  const refused = parseRawAnswer(await third.ended())
  expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, "too_many_connections"])
  second.write(ask)
  await second.until('"ok"')
  first.socket.destroy()
  await expect
    .poll(async () => {
      const next = await rawConnection(open.api.address)
      next.write(ask.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"))
      return parseRawAnswer(await next.ended()).status
    })
    .toBe(200)
  second.socket.destroy()
})

test("an offer of another protocol is ignored, and refused with a body", async () => {
  await using open = await listening()
  const get = await rawConnection(open.api.address)
  const offer = "host: localhost\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n"
  get.write(`GET /healthz HTTP/1.1\r\n${offer}\r\n`)
  expect(parseRawAnswer(await get.ended()).status).toBe(200)
  const post = await rawConnection(open.api.address)
  post.write(`POST /write HTTP/1.1\r\n${offer}content-length: 3\r\n\r\nabc`)
  const refused = parseRawAnswer(await post.ended())
  expect([refused.status, JSON.parse(refused.body).hint]).toEqual([400, expect.stringContaining("HTTP/1.1")])
})

test("requests in a row on one connection are answered in order", async () => {
  await using open = await listening()
  const connection = await rawConnection(open.api.address)
  const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`
  connection.write(get("/healthz") + get("/nowhere") + get("/ping", "connection: close\r\n"))
  const statuses = [...(await connection.ended()).matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])
  expect(statuses).toEqual(["200", "404", "204"])
})

test("an address in use is named, with what to do", async () => {
  await using open = await listening()
  const rig = await apiRig()
  await expect(rig.listen({ listen: open.api.address })).rejects.toMatchObject({
    code: "listen_failed",
    message: expect.stringContaining(String(open.api.address.port)),
    hint: expect.stringContaining("api.listen"),
  })
})

test("the name localhost is listened on at 127.0.0.1, and IPv6 is written with brackets", async () => {
  await using byName = await listening({ listen: { host: "localhost", port: 0 } })
  expect(byName.api.url).toBe(`http://127.0.0.1:${byName.api.address.port}`)
  await using byAddress = await listening({ listen: { host: "::1", port: 0 } })
  expect(byAddress.api.url).toBe(`http://[::1]:${byAddress.api.address.port}`)
  expect((await fetch(`${byAddress.api.url}/healthz`)).status).toBe(200)
})
