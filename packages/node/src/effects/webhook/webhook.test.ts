import { createServer, type IncomingMessage, type Server } from "node:http"
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net"
import { type Effect, type FogError, isFogError, type WebhookAction } from "@brume/core"
import { expect, test } from "vitest"
import { machineClock } from "../../../../../test/rig/api.ts"
import type { HostAddress } from "./resolve.ts"
import { createWebhookExecutor, type WebhookOptions } from "./webhook.ts"

type Seen = Pick<IncomingMessage, "method" | "url" | "headers"> & { readonly body: string }

async function listening<Of extends Server | TcpServer>(server: Of): Promise<{ server: Of; port: number }> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

/** A host that answers as told and remembers what it was sent. */
async function host(status = 204, headers: Record<string, string> = {}) {
  const seen: Seen[] = []
  const { server, port } = await listening(
    createServer((request, response) => {
      let body = ""
      request.on("data", (piece) => {
        body += piece
      })
      request.on("end", () => {
        const { method, url, headers: own } = request
        seen.push({ method, url, headers: own, body })
        response.writeHead(status, headers).end("x".repeat(100_000))
      })
    }),
  )
  return {
    seen,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function effect(url: string, changes: Partial<WebhookAction> = {}): Effect<WebhookAction> {
  const action: WebhookAction = { type: "webhook", url, method: "POST", headers: {}, body: '{"a":1}', ...changes }
  return { key: "ab".repeat(32), source: "rule/test", action, created: 0 }
}

/** Resolves every name to loopback, and allows what a test allows. */
function webhooks(options: Partial<WebhookOptions> = {}) {
  const resolve = async (): Promise<HostAddress[]> => [{ address: "127.0.0.1", family: 4 }]
  return createWebhookExecutor({ version: "1.2.3", clock: machineClock, allow: [], resolve, ...options })
}

const never = new AbortController().signal

async function outcome(work: Promise<void>): Promise<string> {
  return work.then(
    () => "done",
    (error: unknown) => (isFogError(error) ? error.code : String(error)),
  )
}

test("sends method, headers and body, with the effect's key", async () => {
  await using target = await host()
  const execute = webhooks({ allow: ["hooks.test"] })
  const given = effect(`http://hooks.test:${target.port}/in?a=1`, {
    headers: { "X-Team": "cold", "Content-Type": "text/plain", Host: "evil", "Content-Length": "1" },
  })
  expect(await outcome(execute(given, never))).toBe("done")
  expect(target.seen).toHaveLength(1)
  expect(target.seen[0]).toMatchObject({ method: "POST", url: "/in?a=1", body: '{"a":1}' })
  expect(target.seen[0]!.headers).toMatchObject({
    host: `hooks.test:${target.port}`,
    "idempotency-key": given.key,
    "x-team": "cold",
    "content-type": "text/plain",
    "content-length": "7",
    "user-agent": "brume/1.2.3",
  })
})

test.each([
  [200, "done"],
  [301, "webhook_rejected"],
  [400, "webhook_rejected"],
  [408, "effect_in_doubt"],
  [429, "webhook_failed"],
  [500, "effect_in_doubt"],
  [501, "webhook_rejected"],
  [503, "webhook_failed"],
  [504, "effect_in_doubt"],
])("an answer with status %i is %s", async (status, expected) => {
  await using target = await host(status)
  expect(await outcome(webhooks({ allow: ["127.0.0.1"] })(effect(`http://127.0.0.1:${target.port}`), never))).toBe(
    expected,
  )
})

test("no redirect is followed, also not to where it would be allowed", async () => {
  await using second = await host()
  await using first = await host(307, { location: `http://127.0.0.1:${second.port}/` })
  const execute = webhooks({ allow: ["127.0.0.1"] })
  expect(await outcome(execute(effect(`http://127.0.0.1:${first.port}`), never))).toBe("webhook_rejected")
  expect(second.seen).toEqual([])
})

test.each([
  "http://127.0.0.1:PORT/",
  "http://127.1:PORT/",
  "http://0x7f000001:PORT/",
  "http://2130706433:PORT/",
  "http://0.0.0.0:PORT/",
  "http://[::ffff:127.0.0.1]:PORT/",
  "http://[::1]:PORT/",
  "http://inside.test:PORT/",
  "http://169.254.169.254/latest/meta-data",
  "ftp://127.0.0.1:PORT/",
  "file:///etc/passwd",
  "http://user:secret@127.0.0.1:PORT/",
  "not an address",
])("without an allow-list nothing reaches this machine: %s", async (address) => {
  await using target = await host()
  const execute = webhooks()
  expect(await outcome(execute(effect(address.replace("PORT", String(target.port))), never))).toBe("webhook_refused")
  expect(target.seen).toEqual([])
})

test("a name that resolves to a public address and to a private one is refused", async () => {
  const resolve = async () => [
    { address: "93.184.215.14", family: 4 },
    { address: "10.0.0.7", family: 4 },
  ]
  expect(await outcome(webhooks({ resolve })(effect("http://mixed.test/"), never))).toBe("webhook_refused")
})

test("the connection goes to the address that was checked, whatever the name means a moment later", async () => {
  await using target = await host()
  let asked = 0
  // 192.0.2.1 is allowed here and leads nowhere; the second answer would lead to this machine.
  const resolve = async () => [{ address: asked++ === 0 ? "192.0.2.1" : "127.0.0.1", family: 4 }]
  const execute = webhooks({ resolve, allow: ["192.0.2.0/24"] })
  const stop = new AbortController()
  const ended = outcome(execute(effect(`http://rebind.test:${target.port}/`), stop.signal))
  setTimeout(() => stop.abort(), 300)
  expect(await ended).toBe("webhook_failed")
  expect(asked).toBe(1)
  expect(target.seen).toEqual([])
})

test("who is refused is told where to allow it", async () => {
  const error = await webhooks()(effect("http://169.254.169.254/"), never).catch((thrown: Error) => thrown)
  expect(error).toMatchObject({
    message:
      "169.254.169.254 resolves to 169.254.169.254, a link-local address, which webhooks reach only where effects.webhooks.allow names it",
  })
})

test("localhost is resolved by the webhook's own resolver, and nowhere else", async () => {
  await using target = await host()
  const resolve = async () => [{ address: "127.0.0.1", family: 4 }]
  expect(await outcome(webhooks({ resolve })(effect(`http://localhost:${target.port}/`), never))).toBe(
    "webhook_refused",
  )
  expect(
    await outcome(
      webhooks({ resolve, allow: [`localhost:${target.port}`] })(effect(`http://localhost:${target.port}/`), never),
    ),
  ).toBe("done")
})

test("a host that takes the request and says nothing is in doubt when its time is over", async () => {
  const { server, port } = await listening(createTcpServer((socket) => socket.on("error", () => {}).resume()))
  const execute = webhooks({ allow: ["127.0.0.0/8"] })
  const stop = new AbortController()
  const ended = outcome(execute(effect(`http://127.0.0.1:${port}/`), stop.signal))
  setTimeout(() => stop.abort(), 200)
  expect(await ended).toBe("effect_in_doubt")
  server.close()
})

test("a host that breaks the connection after the request is in doubt, one that is not there has failed", async () => {
  const { server, port } = await listening(
    createTcpServer((socket) => {
      socket.on("error", () => {})
      socket.once("data", () => socket.destroy())
    }),
  )
  const execute = webhooks({ allow: ["127.0.0.1"] })
  expect(await outcome(execute(effect(`http://127.0.0.1:${port}/`), never))).toBe("effect_in_doubt")
  await new Promise((resolve) => server.close(resolve))
  expect(await outcome(execute(effect(`http://127.0.0.1:${port}/`), never))).toBe("webhook_failed")
})

test("an answer that is no HTTP is in doubt", async () => {
  const { server, port } = await listening(
    createTcpServer((socket) => {
      socket.on("error", () => {})
      socket.once("data", () => socket.end("\u0000garbage\r\n\r\n"))
    }),
  )
  expect(await outcome(webhooks({ allow: ["127.0.0.1"] })(effect(`http://127.0.0.1:${port}/`), never))).toBe(
    "effect_in_doubt",
  )
  server.close()
})

test("a name that cannot be resolved has failed; a header that cannot be sent is refused", async () => {
  const resolve = async () => {
    throw new Error("ENOTFOUND")
  }
  expect(await outcome(webhooks({ resolve })(effect("http://nowhere.test/"), never))).toBe("webhook_failed")
  const execute = webhooks({ allow: ["127.0.0.1"] })
  const split = effect("http://127.0.0.1:9/", { headers: { "x-a": "b\r\nx-evil: 1" } })
  expect(await outcome(execute(split, never))).toBe("effect_invalid")
})

test("one host that hangs does not hold another one back", async () => {
  const { server, port } = await listening(createTcpServer((socket) => socket.on("error", () => {}).resume()))
  await using good = await host()
  const execute = webhooks({ allow: ["127.0.0.1"] })
  const stops = Array.from({ length: 9 }, () => new AbortController())
  const hanging = stops.map(({ signal }) => outcome(execute(effect(`http://127.0.0.1:${port}/`), signal)))
  expect(await outcome(execute(effect(`http://127.0.0.1:${good.port}/`), never))).toBe("done")
  for (const stop of stops) stop.abort()
  for (const ended of await Promise.all(hanging)) expect(ended).not.toBe("done")
  server.close()
})

test.each([
  ["7", 7_000],
  ["Wed, 01 Jan 2025 00:00:30 GMT", 30_000],
  ["soon", undefined],
])("a host that says Retry-After: %s is heeded", async (text, retryAfterMs) => {
  await using target = await host(503, { "retry-after": text })
  const clock = { ...machineClock, now: () => 1_735_689_600_000_000 }
  const execute = webhooks({ allow: ["127.0.0.1"], clock })
  const error = await execute(effect(`http://127.0.0.1:${target.port}`), never).catch((failure: unknown) => failure)
  expect(error).toMatchObject({ code: "webhook_failed", retry: "later" })
  expect((error as FogError).details?.retryAfterMs).toBe(retryAfterMs)
})

test("a name that is not resolved in time has failed", async () => {
  const execute = webhooks({ resolve: () => new Promise(() => {}) })
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 50)
  expect(await outcome(execute(effect("http://slow.test/"), stop.signal))).toBe("webhook_failed")
})

test("a connection that does not stand in time has failed", async () => {
  // TLS is part of it: this host never answers the handshake.
  const { server, port } = await listening(createTcpServer((socket) => socket.on("error", () => {}).resume()))
  const execute = webhooks({ allow: ["127.0.0.1"], connectTimeoutMs: 50 })
  expect(await outcome(execute(effect(`https://127.0.0.1:${port}/`), never))).toBe("webhook_failed")
  server.close()
})

test.each([
  ["address", `http://127.0.0.1/${"x".repeat(9_000)}`, {}],
  ["body", "http://127.0.0.1/", { body: "x".repeat(1_048_577) }],
  ["headers", "http://127.0.0.1/", { headers: { a: "x".repeat(20_000) } }],
])("a request whose %s is too long is refused", async (_what, url, changes) => {
  expect(await outcome(webhooks({ allow: ["127.0.0.1"] })(effect(url, changes), never))).toBe("effect_invalid")
})
