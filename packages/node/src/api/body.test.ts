import { randomBytes } from "node:crypto"
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { expect, test } from "vitest"
import { type ApiRig, apiRig } from "../../../../test/rig/api.ts"
import { parseRawAnswer, rawConnection } from "../../../../test/rig/raw-http.ts"
import type { Api } from "./api.ts"
import type { ApiLimits } from "./options.ts"

const mebibyte = 1_048_576
const line = "fridge temperature=4.2\n"

async function listening(limits: Partial<ApiLimits> = {}): Promise<{ rig: ApiRig; api: Api } & AsyncDisposable> {
  const rig = await apiRig()
  const api = await rig.listen({ limits })
  return { rig, api, [Symbol.asyncDispose]: () => api.close() }
}

function write({ rig, api }: { rig: ApiRig; api: Api }, body: Uint8Array | string, encoding?: string) {
  const headers: Record<string, string> = { authorization: `Token ${rig.admin}` }
  if (encoding !== undefined) headers["content-encoding"] = encoding
  return fetch(`${api.url}/write`, { method: "POST", headers, body: body as BodyInit })
}

/** Headers of a POST to /write that a test sends by hand. */
function head(rig: ApiRig, ...more: string[]): string {
  return ["POST /write HTTP/1.1", "host: localhost", `authorization: Token ${rig.admin}`, ...more, "", ""].join("\r\n")
}

async function bodiesBytes({ rig, api }: { rig: ApiRig; api: Api }): Promise<number> {
  const text = await (await fetch(`${api.url}/metrics`, { headers: { authorization: `Bearer ${rig.admin}` } })).text()
  return Number(/^brume_api_bodies_bytes (\S+)$/m.exec(text)![1])
}

/** An API whose own metrics are exposed. */
async function measured(limits: Partial<ApiLimits>) {
  const rig = await apiRig()
  const api = await rig.listen({ limits, metrics: rig.metrics })
  return { rig, api, [Symbol.asyncDispose]: () => api.close() }
}

test.each([
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["GZIP", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["br", brotliCompressSync],
  ["identity", (bytes: string) => Buffer.from(bytes)],
])("a body in %s is read (%#)", async (encoding, compress) => {
  await using open = await listening()
  const body = line.repeat(3_000)
  expect((await write(open, compress(body), encoding)).status).toBe(204)
  expect(open.rig.store.readings).toHaveLength(3_000)
})

test.each([
  ["cut off", gzipSync(line.repeat(1_000)).subarray(0, 40), "gzip", 400],
  ["no gzip at all", Buffer.from(line), "gzip", 400],
  ["in an unknown encoding", Buffer.from(line), "zstd", 415],
  ["in two encodings", gzipSync(gzipSync(line)), "gzip, gzip", 415],
])("a body that is %s is refused", async (_name, body, encoding, status) => {
  await using open = await listening()
  const answer = await write(open, body, encoding)
  expect(answer.status).toBe(status)
  expect(await answer.json()).toMatchObject({ error: expect.any(String) })
  if (status === 415) expect(answer.headers.get("accept-encoding")).toBe("gzip, deflate, br")
  expect(open.rig.store.readings).toEqual([])
})

test.each([
  ["gzip", gzipSync],
  ["deflate", deflateSync],
  ["br", (bytes: Uint8Array) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
])("a %s bomb is stopped at the limit", async (encoding, compress) => {
  await using open = await measured({ maxBodyBytes: mebibyte })
  const bomb = compress(Buffer.alloc(128 * mebibyte))
  const before = process.memoryUsage().arrayBuffers
  const answer = await write(open, bomb, encoding)
  expect(answer.status).toBe(413)
  expect((await answer.json()).error).toContain("1048576")
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * mebibyte)
  expect(await bodiesBytes(open)).toBe(0)
})

test("a body that announces too much is refused before it is sent", async () => {
  await using open = await listening({ maxBodyBytes: 100_000 })
  const connection = await rawConnection(open.api.address)
  connection.write(head(open.rig, "content-length: 100001"))
  const { status, headers } = parseRawAnswer(await connection.until("}}"))
  expect([status, headers.connection]).toEqual([413, "close"])
  connection.socket.destroy()
})

test("a body of unknown length is refused once it passes the limit, and the client can read why while it sends", async () => {
  await using open = await listening({ maxBodyBytes: 100_000 })
  const connection = await rawConnection(open.api.address)
  connection.write(head(open.rig, "transfer-encoding: chunked"))
  const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`
  for (let sent = 0; sent < 10; sent++) connection.write(chunk)
  const answer = parseRawAnswer(await connection.until("}}"))
  expect([answer.status, answer.headers.connection]).toEqual([413, "close"])
  // It goes on for a while, as clients do that write before they read.
  for (let sent = 0; sent < 10; sent++) connection.write(chunk)
  connection.write("0\r\n\r\n")
  expect(parseRawAnswer(await connection.ended()).status).toBe(413)
})

test("bodies of all requests together take no more than their limit, and are let go", async () => {
  await using open = await measured({ maxBodyBytes: 100_000, maxBodiesBytes: 200_000 })
  const slow = await Promise.all([1, 2].map(() => rawConnection(open.api.address)))
  for (const connection of slow) {
    connection.write(head(open.rig, "content-length: 90000"))
    connection.write("x".repeat(80_000))
  }
  await expect.poll(() => bodiesBytes(open)).toBe(160_000)
  const refused = await write(open, "x".repeat(90_000))
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"])
  for (const connection of slow) connection.socket.destroy()
  await expect.poll(() => bodiesBytes(open)).toBe(0)
  expect((await write(open, line)).status).toBe(204)
})

test("a client that goes away in the middle leaves nothing behind", async () => {
  await using open = await measured({})
  const connection = await rawConnection(open.api.address)
  connection.write(head(open.rig, "content-length: 1000"))
  connection.write(line)
  await expect.poll(() => bodiesBytes(open)).toBe(line.length)
  connection.socket.destroy()
  await expect.poll(() => bodiesBytes(open)).toBe(0)
  expect(open.rig.store.readings).toEqual([])
  expect(open.rig.logger.messages("error")).toEqual([])
})

test("a client that waits for 100 Continue is invited when it may send, and not when it may not", async () => {
  await using open = await listening({ maxBodyBytes: 1_000 })
  const good = await rawConnection(open.api.address)
  good.write(head(open.rig, `content-length: ${line.length}`, "expect: 100-continue", "connection: close"))
  await good.until("100 Continue\r\n\r\n")
  good.write(line)
  expect(await good.ended()).toContain("204 No Content")
  const large = await rawConnection(open.api.address)
  large.write(head(open.rig, "content-length: 5000", "expect: 100-continue"))
  const refused = await large.until("}}")
  expect(refused).not.toContain("100 Continue")
  expect(parseRawAnswer(refused)).toMatchObject({ status: 413, headers: { connection: "close" } })
  large.socket.destroy()
})

test("a refused small request leaves its connection usable", async () => {
  await using open = await listening()
  const connection = await rawConnection(open.api.address)
  const request = ["POST /write HTTP/1.1", "host: localhost", `content-length: ${line.length}`, "", line].join("\r\n")
  connection.write(request)
  await connection.until("unauthenticated")
  connection.write(head(open.rig, `content-length: ${line.length}`, "connection: close") + line)
  expect(await connection.ended()).toContain("HTTP/1.1 204 No Content")
})

test("a body without compression but with random bytes is taken as it is", async () => {
  await using open = await listening()
  const answer = await write(open, randomBytes(10_000))
  expect(answer.status).toBe(400)
})
