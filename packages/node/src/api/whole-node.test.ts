/** The API in front of the real rooms, as node.ts joins them. */
import { tableFromIPC } from "apache-arrow"
import { connectAsync } from "mqtt"
import { expect, test } from "vitest"
import { WebSocket } from "ws"
import { listenTo } from "../../../../test/rig/web-socket.ts"
import { wholeNode } from "../../../../test/rig/whole-node.ts"

test("line protocol goes in, and comes out of SQL, of devices and of a live stream", async () => {
  await using open = await wholeNode()
  const listener = await listenTo(`${open.node.url}/v1/live?device=other/%23`, { secret: open.secret })
  const limited = await listenTo(`${open.node.url}/v1/live?device=fridge-1`, { secret: open.secret })
  const body = 'fridge,device=fridge-1,hall=b temperature=4.2,door="open" 1735689600000000000\nm v=1'
  expect((await open.call("/write", { method: "POST", body })).status).toBe(204)
  await expect.poll(() => limited.readings().length).toBe(2)
  expect(listener.readings()).toEqual([])
  const rows = async () =>
    (await (await open.sql("SELECT device, property, value, text, time FROM readings ORDER BY seq")).json()).rows
  await expect.poll(rows).toHaveLength(3)
  expect((await rows())[0]).toMatchObject({ device: "fridge-1", time: "2025-01-01T00:00:00.000000Z" })
  const page = await (await open.call("/v1/devices?limit=1")).json()
  expect(page).toMatchObject({ devices: [{ device: "fridge-1", series: 2 }], cursor: expect.any(String) })
  const next = await (await open.call(`/v1/devices?limit=1&cursor=${page.cursor}`)).json()
  expect(next.devices[0]).toMatchObject({ device: "m", latest: [{ property: "v", value: 1 }] })
  expect(next.cursor).toBeUndefined()
  const missing = await (await open.call("/v1/devices/fridge-2")).json()
  expect(missing).toMatchObject({ code: "device_not_found", hint: expect.stringContaining("fridge-1") })
})

test("a million rows stream as CSV and Arrow", async () => {
  await using open = await wholeNode({ "query.maxRows": "1000000" })
  const sql = "SELECT range AS n, range % 7 AS k FROM range(1000000)"
  const csv = await (await open.sql(sql, { format: "csv" })).text()
  expect(csv.trimEnd().split(/\r?\n/)).toHaveLength(1_000_001)
  const table = tableFromIPC(new Uint8Array(await (await open.sql(sql, { format: "arrow" })).arrayBuffer()))
  expect(table.numRows).toBe(1_000_000)
})

test("a statement of a client that went away is stopped, before and after its first rows", async () => {
  await using open = await wholeNode({ "query.maxRows": "1000000000" })
  const running = async () => (await (await open.call("/v1/queries")).json()).queries.length
  const endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b"
  const abort = new AbortController()
  const waiting = open.sql(endless, {}, { signal: abort.signal }).catch(() => "gone")
  await expect.poll(running).toBe(1)
  abort.abort()
  expect(await waiting).toBe("gone")
  await expect.poll(running).toBe(0)
  const answer = await open.sql("SELECT a.range, b.range FROM range(1000000) a, range(1000) b", { format: "csv" })
  const reader = answer.body!.getReader()
  await reader.read()
  expect(await running()).toBe(1)
  await reader.cancel()
  await expect.poll(running).toBe(0)
  expect(open.logger.messages("error")).toEqual([])
})

test("a statement is cancelled by its id, and its caller is told", async () => {
  await using open = await wholeNode()
  const answer = open.sql("SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b")
  const list = async () => (await (await open.call("/v1/queries")).json()).queries as { id: string }[]
  await expect.poll(async () => (await list()).length).toBe(1)
  const [{ id } = { id: "" }] = await list()
  expect((await open.call(`/v1/queries/${id}`, { method: "DELETE" })).status).toBe(204)
  expect((await (await answer).json()).code).toBe("query_cancelled")
})

test("MQTT over WebSocket: a token is the password, and what is acknowledged is in SQL", async () => {
  await using open = await wholeNode()
  const url = `${open.node.url.replace("http", "ws")}/mqtt`
  const options = { username: "any", reconnectPeriod: 0, protocolVersion: 5 } as const
  const client = await connectAsync(url, { ...options, clientId: "pump", password: open.secret })
  await client.publishAsync("devices/hall/pump/pressure", '{"value":2.5,"time":"2025-01-01T00:00:00Z"}', { qos: 1 })
  expect((await (await open.sql("SELECT device, property, value FROM readings")).json()).rows).toEqual([
    { device: "hall/pump", property: "pressure", value: 2.5 },
  ])
  expect(await (await open.call("/v1/clients/pump")).json()).toMatchObject({ name: "admin", transport: "websocket" })
  for (const password of ["brume_wrong_token", undefined]) {
    await expect(connectAsync(url, { ...options, ...(password === undefined ? {} : { password }) })).rejects.toThrow(
      /refused/,
    )
  }
  await client.endAsync()
})

test("a WebSocket that never says who it is, is ended in its time", async () => {
  await using open = await wholeNode({ "mqtt.connectTimeoutMs": "100ms" })
  const socket = new WebSocket(`${open.node.url.replace("http", "ws")}/mqtt`, "mqtt")
  await new Promise((resolve) => socket.once("close", resolve))
  expect(await (await open.call("/v1/clients")).json()).toEqual({ clients: [] })
})

test("a client over WebSocket hears that the node stops", async () => {
  await using open = await wholeNode()
  const url = `${open.node.url.replace("http", "ws")}/mqtt`
  const client = await connectAsync(url, {
    ...{ clientId: "pump", username: "any", password: open.secret, protocolVersion: 5, reconnectPeriod: 0 },
  })
  const told = new Promise((resolve) => client.once("disconnect", ({ reasonCode }) => resolve(reasonCode)))
  await open.node.close()
  expect(await told).toBe(0x8b)
})

test("a node that stops while it stores, answers and streams ends within its time", async () => {
  const open = await wholeNode()
  const listener = await listenTo(`${open.node.url}/v1/live`, { secret: open.secret })
  const answers = Array.from({ length: 20 }, () =>
    open.call("/write", { method: "POST", body: "m v=1" }).then(
      ({ status }) => status,
      () => 0,
    ),
  )
  const endless = open
    .sql("SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b")
    .catch(() => undefined)
  await open[Symbol.asyncDispose]()
  for (const status of await Promise.all(answers)) expect([0, 204, 503]).toContain(status)
  await endless
  expect((await listener.closed)[0]).toBe(1001)
  expect(open.logger.messages("error")).toEqual([])
})
