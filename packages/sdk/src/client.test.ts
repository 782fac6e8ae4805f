import { FogError } from "@brume/core"
import { expect, test } from "vitest"
import { json, problem, scriptedNode } from "../../../test/rig/scripted-node.ts"
import { createClient } from "./client.ts"

const quick = { firstDelayMs: 1, maxDelayMs: 5 }
const failureOf = async (promise: Promise<unknown>): Promise<FogError> => {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  )
  if (error instanceof FogError) return error
  throw error
}
const statusAnswer = { node: "gateway", version: "1", epoch: "e", store: {} }

test("each request carries the token that is in force then", async () => {
  await using node = await scriptedNode((_request, response) => json(response, statusAnswer))
  const secrets = ["first", "second"]
  const client = createClient({ url: node.url, token: async () => secrets.shift() })
  await client.status()
  await client.status()
  expect(node.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer first", "Bearer second"])
})

test("a node behind a path is asked below that path", async () => {
  await using node = await scriptedNode((_request, response) => json(response, statusAnswer))
  await createClient({ url: `${node.url}/fog?x=1` }).status()
  expect(node.requests[0]?.url).toBe("/fog/v1/status")
})

test.each([
  ["nonsense", "is not a URL"],
  ["ftp://host", "neither http: nor https:"],
  ["http://user:secret@host", "carries a user"],
])("the URL %s is refused at once", (url, why) => {
  expect(() => createClient({ url })).toThrow(why)
})

test("a problem keeps its code, text, hint and details", async () => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, 403, { code: "query_refused", detail: "COPY is no SELECT", hint: "SELECT", details: { at: 3 } }),
  )
  const error = await failureOf(createClient({ url: node.url }).query("COPY x"))
  expect(error).toMatchObject({
    code: "query_refused",
    message: "COPY is no SELECT",
    hint: "SELECT",
    details: { at: 3 },
  })
  expect(node.requests).toHaveLength(1)
})

test("an unknown code falls back to what its status means and stays readable in the details", async () => {
  await using node = await scriptedNode((_request, response) => problem(response, 404, { code: "of_the_future" }))
  expect(await failureOf(createClient({ url: node.url }).status())).toMatchObject({
    code: "not_found",
    details: { code: "of_the_future" },
  })
})

test("where nothing listens, the error names the address and the remedy after all attempts", async () => {
  const node = await scriptedNode()
  await node.vanish()
  const error = await failureOf(createClient({ url: node.url, retry: quick }).status())
  expect(error.code).toBe("node_unreachable")
  expect(error.message).toBe(`Cannot reach ${node.url}/v1/status: nothing listens there`)
  expect(error.hint).toContain("brume up")
})

test("what the registry calls retriable is tried again, and at most as often as allowed", async () => {
  await using node = await scriptedNode((_request, response) => problem(response, 503, { code: "query_busy" }))
  const client = createClient({ url: node.url, retry: { ...quick, maxAttempts: 3 } })
  expect((await failureOf(client.query("SELECT 1"))).code).toBe("query_busy")
  expect(node.requests).toHaveLength(3)
})

test("a retry that succeeds is all that the caller sees", async () => {
  let turn = 0
  await using node = await scriptedNode((_request, response) => {
    if (++turn < 3) problem(response, 503, { code: "store_busy" })
    else json(response, { accepted: 1, seq: 0, epoch: "e" })
  })
  const client = createClient({ url: node.url, retry: quick })
  const written = await client.writeReadings({ device: "d", property: "p", value: 1 })
  expect(written).toEqual({ accepted: 1, seq: 0, epoch: "e" })
  const keys = new Set(node.requests.map(({ headers }) => headers["idempotency-key"]))
  expect(node.requests).toHaveLength(3)
  expect(keys.size).toBe(1)
})

test("each write has a key of its own", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { accepted: 1, seq: 0, epoch: "e" }))
  const client = createClient({ url: node.url })
  await client.writeReadings({ device: "d", property: "p", value: 1 })
  await client.writeReadings({ device: "d", property: "p", value: 1 })
  await client.writeReadings({ ndjson: '{"device":"d","property":"p","value":1}\n' }, { idempotencyKey: "mine" })
  const keys = node.requests.map(({ headers }) => headers["idempotency-key"])
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
  expect(keys[1]).not.toBe(keys[0])
  expect(keys[2]).toBe("mine")
})

test.each(["query_timeout", "query_cancelled"])("%s is not tried again although time might heal it", async (code) => {
  await using node = await scriptedNode((_request, response) => problem(response, 408, { code }))
  expect((await failureOf(createClient({ url: node.url, retry: quick }).query("SELECT 1"))).code).toBe(code)
  expect(node.requests).toHaveLength(1)
})

test("what must not happen twice is sent once", async () => {
  await using node = await scriptedNode((_request, response) => problem(response, 503, { code: "store_busy" }))
  const client = createClient({ url: node.url, retry: quick })
  await failureOf(client.tokens.revoke("k"))
  await failureOf(client.tokens.create({ name: "n", scopes: ["read"] }))
  expect(node.requests.map(({ url }) => url)).toEqual(["/v1/tokens/k", "/v1/tokens"])
})

test("a long Retry-After is told instead of slept through", async () => {
  await using node = await scriptedNode((_request, response) => {
    response.setHeader("retry-after", "3600")
    problem(response, 503, { code: "query_busy" })
  })
  const error = await failureOf(createClient({ url: node.url, retry: quick }).query("SELECT 1"))
  expect(error.details).toEqual({ retryAfterMs: 3_600_000 })
  expect(node.requests).toHaveLength(1)
})

test("a node that does not answer in time is named with the time", async () => {
  await using node = await scriptedNode(() => {})
  const client = createClient({ url: node.url, timeoutMs: 30, retry: { maxAttempts: 1 } })
  const error = await failureOf(client.status())
  expect(error.code).toBe("node_unreachable")
  expect(error.message).toContain("did not answer within 30 ms")
})

test("a connection that breaks in the middle of an answer is node_unreachable", async () => {
  await using node = await scriptedNode((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.write('{"node":')
    setTimeout(() => response.destroy(), 5)
  })
  const client = createClient({ url: node.url, retry: { maxAttempts: 1 } })
  expect((await failureOf(client.status())).code).toBe("node_unreachable")
})

test("the caller's own signal ends a request with the caller's reason and no retry", async () => {
  const controller = new AbortController()
  await using node = await scriptedNode(() => controller.abort(new Error("the user left")))
  const asked = createClient({ url: node.url, retry: quick }).query("SELECT 1", { signal: controller.signal })
  await expect(asked).rejects.toThrow("the user left")
  expect(node.requests).toHaveLength(1)
})

test.each([
  ["a page", (response: import("node:http").ServerResponse) => response.end("<html>"), "is not JSON"],
  ["an array", (response: import("node:http").ServerResponse) => response.end("[]"), "is not an object"],
  [
    "a redirect",
    (response: import("node:http").ServerResponse) => response.writeHead(302, { location: "/login" }).end(),
    "redirects to /login",
  ],
])("%s from something else than a node is told as such", async (_what, answer, why) => {
  await using node = await scriptedNode((_request, response) => {
    answer(response)
  })
  const error = await failureOf(createClient({ url: node.url, retry: { maxAttempts: 1 } }).status())
  expect(error.code).toBe("node_unreachable")
  expect(error.message).toContain(why)
})

test("devices are listed over as many pages as there are, and asked for only as the loop goes on", async () => {
  await using node = await scriptedNode(({ url }, response) => {
    const cursor = new URL(url, node.url).searchParams.get("cursor")
    if (cursor === null) json(response, { devices: [{ device: "a" }, { device: "b" }], cursor: "b" })
    else json(response, { devices: [{ device: "c" }] })
  })
  const { devices } = createClient({ url: node.url })
  const names: string[] = []
  for await (const { device } of devices.list({ pageSize: 2 })) names.push(device)
  expect(names).toEqual(["a", "b", "c"])
  expect(node.requests.map(({ url }) => url)).toEqual(["/v1/devices?limit=2", "/v1/devices?limit=2&cursor=b"])
  for await (const _first of devices.list()) break
  expect(node.requests).toHaveLength(3)
})

test("a device's name may contain anything", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { device: "hall/1 °", latest: [] }))
  await createClient({ url: node.url }).devices.get("hall/1 °")
  expect(node.requests[0]?.url).toBe("/v1/devices/hall%2F1%20%C2%B0")
})

test("tokens are created with their secret, listed and revoked", async () => {
  const token = { id: "k1", name: "dash", scopes: ["read"], created: "2025-01-01T00:00:00.000000Z" }
  await using node = await scriptedNode(({ method }, response) => {
    if (method === "POST") json(response, { token, secret: "brume_k1_x" }, 201)
    else if (method === "GET") json(response, { tokens: [token] })
    else response.writeHead(204).end()
  })
  const { tokens } = createClient({ url: node.url })
  const created = await tokens.create({ name: "dash", scopes: ["read"], expires: new Date("2030-01-01T00:00:00Z") })
  expect(created).toEqual({ ...token, secret: "brume_k1_x" })
  expect(JSON.parse(node.requests[0]?.body ?? "")).toEqual({
    name: "dash",
    scopes: ["read"],
    expires: "2030-01-01T00:00:00.000Z",
  })
  expect(await tokens.list()).toEqual([token])
  await tokens.revoke("k1")
  expect(node.requests.at(-1)).toMatchObject({ method: "DELETE", url: "/v1/tokens/k1" })
})

test("a big body to another machine travels compressed", async () => {
  let seen: { encoding: string | null; bytes: number } | undefined
  const fetch: typeof globalThis.fetch = async (_url, init) => {
    const headers = new Headers(init?.headers)
    seen = { encoding: headers.get("content-encoding"), bytes: (init?.body as Uint8Array | undefined)?.length ?? 0 }
    return Response.json({ accepted: 500, seq: 0, epoch: "e" })
  }
  const client = createClient({ url: "http://gateway.example:7777", fetch })
  const readings = Array.from({ length: 500 }, (_, value) => ({ device: "d", property: "p", value }))
  await client.writeReadings(readings)
  expect(seen?.encoding).toBe("gzip")
  expect(seen?.bytes).toBeLessThan(5_000)
})
