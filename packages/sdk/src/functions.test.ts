import { expect, test } from "vitest"
import { json, problem, scriptedNode } from "../../../test/rig/scripted-node.ts"
import { createClient } from "./client.ts"
import type { FunctionLine } from "./functions.ts"

const clientOf = (url: string) => createClient({ url, token: "secret", retry: { maxAttempts: 3, firstDelayMs: 1 } })

test("a call is sent once, with its event, its deadline and its key", async () => {
  await using node = await scriptedNode((_seen, response) => json(response, { fahrenheit: 39.56 }))
  const { functions } = clientOf(node.url)
  const options = { deadlineMs: 500, idempotencyKey: "k-1" }
  expect(await functions.invoke("convert", { celsius: 4.2 }, options)).toEqual({ fahrenheit: 39.56 })
  await functions.invoke("a/b")
  expect(node.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
    ["POST", "/v1/functions/convert/invoke?deadlineMs=500", '{"celsius":4.2}'],
    ["POST", "/v1/functions/a%2Fb/invoke", "null"],
  ])
  expect(node.requests[0]!.headers["idempotency-key"]).toBe("k-1")
  node.answer = (_seen, response) => problem(response, 503, { code: "functions_busy", retry: "later" })
  await expect(functions.invoke("convert")).rejects.toMatchObject({ code: "functions_busy" })
  // It may have begun: nobody but the caller knows whether it may be repeated.
  expect(node.requests).toHaveLength(3)
})

test("what it returns may be anything, and nothing", async () => {
  await using node = await scriptedNode()
  const { functions } = clientOf(node.url)
  for (const result of [null, 0, "", false, [1], { a: null }]) {
    node.answer = (_seen, response) => json(response, result)
    expect(await functions.invoke("f")).toEqual(result)
  }
})

test("functions are deployed, rolled back, listed, shown and deleted", async () => {
  await using node = await scriptedNode(({ url, method }, response) => {
    if (method === "DELETE") response.writeHead(204).end()
    else if (url === "/v1/functions") json(response, { functions: [{ name: "f" }] })
    else json(response, { name: "f", version: 2, change: "changed" })
  })
  const { functions } = clientOf(node.url)
  const deployment = { document: { kind: "Function" }, files: { "main.py": "" }, acceptUnsandboxed: true }
  expect(await functions.deploy("f", deployment)).toEqual({ name: "f", version: 2, change: "changed" })
  await functions.rollback("f")
  await functions.rollback("f", 1)
  expect(await functions.list()).toEqual([{ name: "f" }])
  expect(await functions.get("f")).toMatchObject({ version: 2 })
  await functions.delete("f")
  expect(node.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
    ["POST", "/v1/functions/f/deploy", JSON.stringify(deployment)],
    ["POST", "/v1/functions/f/rollback", "{}"],
    ["POST", "/v1/functions/f/rollback", '{"to":1}'],
    ["GET", "/v1/functions", ""],
    ["GET", "/v1/functions/f", ""],
    ["DELETE", "/v1/functions/f", ""],
  ])
})

test("lines of a log come as they are said, wherever the pieces end, and leaving the loop ends the request", async () => {
  const lines = ["first", "zweite: ü", "third"].map((message, seq) => ({ seq, level: "info", message }))
  const bytes = Buffer.from(`\n${lines.map((line) => JSON.stringify(line)).join("\n")}\n\n`)
  let isClosed = false
  await using node = await scriptedNode(async (_seen, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" })
    response.once("close", () => {
      isClosed = true
    })
    for (let at = 0; at < bytes.length; at += 7) {
      response.write(bytes.subarray(at, at + 7))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  const seen: FunctionLine[] = []
  for await (const line of clientOf(node.url).functions.logs("f", { follow: true, limit: 5, after: 2 })) {
    seen.push(line)
    if (seen.length === 3) break
  }
  expect(seen).toEqual(lines)
  expect(node.requests[0]!.url).toBe("/v1/functions/f/logs?limit=5&after=2&follow=true")
  await expect.poll(() => isClosed).toBe(true)
})

test("secrets are set, listed and deleted", async () => {
  await using node = await scriptedNode(({ method }, response) => {
    if (method === "DELETE") response.writeHead(204).end()
    else json(response, method === "GET" ? { secrets: [{ name: "a" }] } : { name: "a" })
  })
  const { secrets } = clientOf(node.url)
  expect(await secrets.set("a", "value")).toEqual({ name: "a" })
  expect(await secrets.list()).toEqual([{ name: "a" }])
  await secrets.delete("a")
  expect(node.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
    ["POST", "/v1/secrets", '{"name":"a","value":"value"}'],
    ["GET", "/v1/secrets", ""],
    ["DELETE", "/v1/secrets/a", ""],
  ])
})
