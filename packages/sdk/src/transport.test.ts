import { getEventListeners } from "node:events"
import { FogError } from "@brume/core"
import { expect, test } from "vitest"
import { scriptedNode } from "../../../test/rig/scripted-node.ts"
import { createTransport, retryDelay } from "./transport.ts"

const call = { method: "GET", path: "v1/status", isIdempotent: true } as const

test("silence in the middle of a download is an error that names the time", async () => {
  await using node = await scriptedNode((_request, response) => {
    response.writeHead(200)
    response.write("begun")
  })
  const transport = createTransport({
    base: new URL(`${node.url}/`),
    token: undefined,
    fetch: globalThis.fetch,
    timeoutMs: 5_000,
    retry: { maxAttempts: 1, firstDelayMs: 1, maxDelayMs: 1 },
  })
  const { chunks } = await transport.download(call, 500)
  expect(new TextDecoder().decode((await chunks.next()).value ?? undefined)).toBe("begun")
  await expect(chunks.next()).rejects.toThrow("did not answer within 500 ms")
})

test("a reader that takes its time between two pieces is not silence", async () => {
  let goOn = (): void => {}
  await using node = await scriptedNode((_request, response) => {
    response.writeHead(200)
    response.write("a")
    goOn = () => response.end("b")
  })
  const transport = createTransport({
    base: new URL(`${node.url}/`),
    token: undefined,
    fetch: globalThis.fetch,
    timeoutMs: 5_000,
    retry: { maxAttempts: 1, firstDelayMs: 1, maxDelayMs: 1 },
  })
  const { chunks } = await transport.download(call, 400)
  await chunks.next()
  await new Promise((resolve) => setTimeout(resolve, 600))
  goOn()
  expect((await chunks.next()).done).toBe(false)
  expect((await chunks.next()).done).toBe(true)
})

test("a signal that outlives its requests keeps nothing of them", async () => {
  await using node = await scriptedNode(({ url }, response) => {
    if (url.endsWith("fail")) response.writeHead(500).end()
    else response.end("{}")
  })
  const transport = createTransport({
    base: new URL(`${node.url}/`),
    token: undefined,
    fetch: globalThis.fetch,
    timeoutMs: 5_000,
    retry: { maxAttempts: 1, firstDelayMs: 1, maxDelayMs: 1 },
  })
  const { signal } = new AbortController()
  await transport.json({ ...call, signal })
  await transport.json({ ...call, path: "fail", signal }).catch(() => {})
  await transport.download({ ...call, path: "fail", signal }, 500).catch(() => {})
  for await (const _piece of (await transport.download({ ...call, signal }, 500)).chunks);
  for await (const _piece of (await transport.download({ ...call, signal }, 500)).chunks) break
  expect(getEventListeners(signal, "abort")).toEqual([])
})

test("the registry decides what is tried again, and the node when", () => {
  const policy = { firstDelayMs: 100, maxDelayMs: 1_000 }
  const error = (code: "store_busy" | "query_busy" | "query_invalid", details?: Record<string, unknown>) =>
    new FogError(code, { message: "m", ...(details === undefined ? {} : { details }) })
  expect(retryDelay(error("query_invalid"), 1, policy)).toBeUndefined()
  expect(retryDelay(new Error("other"), 1, policy)).toBeUndefined()
  expect(retryDelay(error("store_busy"), 8, policy)).toBeLessThanOrEqual(50)
  expect(retryDelay(error("query_busy"), 8, policy)).toBeGreaterThanOrEqual(500)
  expect(retryDelay(error("query_busy", { retryAfterMs: 2_000 }), 1, policy)).toBe(2_000)
  expect(retryDelay(error("query_busy", { retryAfterMs: 60_000 }), 1, policy)).toBeUndefined()
})
