import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isFogError } from "@brume/core"
import { SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import { systemAmbient } from "./ambient/ambient.ts"
import { resolveConfig } from "./config/config.ts"
import { type Node, type NodeOptions, openNode } from "./node.ts"

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), "brume-node-"))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

async function configFor(folder: string, settings: Readonly<Record<string, string>> = {}) {
  const values = { "store.path": folder, "api.listen": "127.0.0.1:0", "node.name": "test-node", ...settings }
  const flags = Object.entries(values).map(([key, value]) => ({ flag: "--set", key, value }))
  const surroundings = { environment: {}, workingFolder: folder, hostName: "test", readFile }
  return (await resolveConfig({ flags }, surroundings)).config
}

async function open(folder: string, settings?: Readonly<Record<string, string>>, options: NodeOptions = {}) {
  return openNode(await configFor(folder, settings), systemAmbient(), { logger: new SilentLogger(), ...options })
}

/** Somebody who knows the admin token. */
async function admin(node: Node, folder: string) {
  const token = (await readFile(join(folder, "admin-token"), "utf8")).trim()
  const call = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
    const answer = await fetch(node.url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: await answer.text() }
  }
  return {
    token,
    call,
    sql: async (sql: string) => {
      const { status, body } = await call("POST", "/v1/query", { sql })
      expect(status, body).toBe(200)
      return JSON.parse(body).rows as Record<string, unknown>[]
    },
  }
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "it succeeded",
    (error: unknown) => error,
  )
}

test("a reading that was acknowledged over HTTP is in SQL, and still there after a restart", async () => {
  await using folder = await temporaryFolder()
  const node = await open(folder.path)
  const client = await admin(node, folder.path)
  const sent = await client.call("POST", "/v1/readings", {
    device: "hall/fridge",
    property: "temperature",
    value: 4.25,
  })
  expect(sent.status, sent.body).toBe(200)
  await expect
    .poll(() => client.sql("SELECT device, value, node FROM readings"))
    .toEqual([{ device: "hall/fridge", value: 4.25, node: "test-node" }])
  await node.close()

  const again = await open(folder.path)
  try {
    const rows = await (await admin(again, folder.path)).sql("SELECT device, property, value FROM latest")
    expect(rows).toEqual([{ device: "hall/fridge", property: "temperature", value: 4.25 }])
  } finally {
    await again.close()
  }
})

test("the first start makes an admin token that only the owner reads; later starts make none", async () => {
  await using folder = await temporaryFolder()
  const node = await open(folder.path)
  const { token } = await admin(node, folder.path)
  expect(node.madeAdmin?.secret.reveal()).toBe(token)
  expect((await stat(join(folder.path, "admin-token"))).mode & 0o777).toBe(0o600)
  await node.close()
  const again = await open(folder.path)
  expect(again.madeAdmin).toBeUndefined()
  expect((await (await admin(again, folder.path)).call("GET", "/v1/status")).status).toBe(200)
  await again.close()
  const reset = await open(folder.path, {}, { resetAdminToken: true })
  expect((await fetch(`${reset.url}/v1/status`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401)
  expect((await (await admin(reset, folder.path)).call("GET", "/v1/status")).status).toBe(200)
  await reset.close()
})

test("metrics of every room are exposed at one place", async () => {
  await using folder = await temporaryFolder()
  await using node = await open(folder.path)
  const { status, body } = await (await admin(node, folder.path)).call("GET", "/metrics")
  expect(status).toBe(200)
  for (const prefix of [
    "brume_store_",
    "brume_devices_",
    "brume_api_",
    "brume_query_",
    "process_resident_memory_bytes ",
  ])
    expect(body).toContain(`\n${prefix}`)
})

test("close is idempotent, frees the port and leaves no lock", async () => {
  await using folder = await temporaryFolder()
  const node = await open(folder.path)
  const { port } = node.address
  await Promise.all([node.close(), node.close()])
  expect(await failureOf(fetch(`${node.url}/healthz`))).toBeInstanceOf(TypeError)
  expect(await readdir(folder.path)).not.toContain("lock")
  await using again = await open(folder.path, { "api.listen": `127.0.0.1:${port}` })
  expect((await fetch(`${again.url}/healthz`)).status).toBe(200)
})

test("closing stops a statement that would run for ever, and its caller hears why", async () => {
  await using folder = await temporaryFolder()
  const node = await open(folder.path)
  const client = await admin(node, folder.path)
  const endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"
  const answer = client.call("POST", "/v1/query", { sql: endless })
  await expect.poll(async () => (await client.call("GET", "/v1/queries")).body).toContain('"running"')
  await node.close()
  const { status, body } = await answer
  expect(status, body).toBeGreaterThanOrEqual(400)
  expect(JSON.parse(body)).toHaveProperty("code")
})

test("a folder that another node owns is refused, and goes on working for its owner", async () => {
  await using folder = await temporaryFolder()
  await using node = await open(folder.path)
  const failure = await failureOf(open(folder.path))
  expect(isFogError(failure, "store_locked"), String(failure)).toBe(true)
  expect((await fetch(`${node.url}/healthz`)).status).toBe(200)
})

test("a node that cannot listen gives everything back that it had opened", async () => {
  await using folder = await temporaryFolder()
  const squatter = createServer()
  const port = await new Promise<number>((resolve) => {
    squatter.listen(0, "127.0.0.1", () => resolve((squatter.address() as { port: number }).port))
  })
  const failure = await failureOf(open(folder.path, { "api.listen": `127.0.0.1:${port}` }))
  squatter.close()
  expect(isFogError(failure, "listen_failed"), String(failure)).toBe(true)
  await using node = await open(folder.path)
  expect(
    (await (await admin(node, folder.path)).call("GET", "/v1/status")).status,
    "its token is that of the file",
  ).toBe(200)
})

test("a data folder that is a file is refused by name", async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, "file")
  await writeFile(path, "")
  const failure = await failureOf(open(path))
  expect(isFogError(failure, "store_not_found")).toBe(true)
  expect(String(failure)).toContain(path)
})

test("listening beyond loopback is allowed, with a warning", async () => {
  await using folder = await temporaryFolder()
  const logger = new SilentLogger()
  await using node = await open(folder.path, { "api.listen": "0.0.0.0:0" }, { logger })
  expect(logger.messages("warn").join()).toContain("over HTTP")
  expect((await fetch(`http://127.0.0.1:${node.address.port}/healthz`)).status).toBe(200)
})

test("MQTT beyond loopback without TLS, and without passwords, is warned of", async () => {
  await using folder = await temporaryFolder()
  const logger = new SilentLogger()
  await using node = await open(folder.path, { "mqtt.listen": "0.0.0.0:0" }, { logger })
  expect(logger.messages("warn").join()).toContain("MQTT without TLS")
  await node.close()
  await using _other = await open(folder.path, { "mqtt.allowAnonymous": "true" }, { logger })
  expect(logger.messages("warn").join()).toContain("without a password")
})

test("a small thread pool is warned of", async () => {
  await using folder = await temporaryFolder()
  const logger = new SilentLogger()
  const ambient = { ...systemAmbient(), threadPoolSize: 4 }
  await using _node = await openNode(await configFor(folder.path), ambient, { logger })
  expect(logger.messages("warn").join()).toContain("UV_THREADPOOL_SIZE")
})
