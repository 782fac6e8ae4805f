import { connectAsync, type IClientOptions } from "mqtt"
import { expect, test } from "vitest"
import { apiRig } from "../../../../../test/rig/api.ts"

async function opened() {
  const rig = await apiRig()
  const api = await rig.listen()
  const mqttUrl = `${api.url.replace("http", "ws")}/mqtt`
  const call = (path: string, init: RequestInit = {}, secret = rig.admin) =>
    fetch(api.url + path, {
      ...init,
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    })
  return {
    rig,
    call,
    async list(search = "") {
      const page = (await (await call(`/v1/clients${search}`)).json()) as { clients: { id: string }[]; cursor?: string }
      return { ids: page.clients.map(({ id }) => id), cursor: page.cursor }
    },
    disconnect: (id: string, body: object = {}) =>
      call(`/v1/clients/${encodeURIComponent(id)}/disconnect`, { method: "POST", body: JSON.stringify(body) }),
    join: (clientId: string, options: IClientOptions = {}) =>
      connectAsync(mqttUrl, { clientId, protocolVersion: 5, reconnectPeriod: 0, ...options }),
    async [Symbol.asyncDispose]() {
      await api.close()
      await rig.mqtt.close()
    },
  }
}

/** With a session that outlives its connection. */
const lasting = { clean: false, properties: { sessionExpiryInterval: 3_600 } }

test("clients are listed by identifier in pages, and filtered by whether they are there", async () => {
  await using at = await opened()
  for (const id of ["c", "a", "e", "b"]) await at.join(id)
  await (await at.join("d", lasting)).endAsync()
  await expect.poll(() => at.list("?connected=false")).toEqual({ ids: ["d"], cursor: undefined })
  expect((await at.list()).ids).toEqual(["a", "b", "c", "d", "e"])
  const first = await at.list("?connected=true&limit=3")
  expect(first.ids).toEqual(["a", "b", "c"])
  expect(await at.list(`?connected=true&limit=3&cursor=${first.cursor}`)).toEqual({ ids: ["e"], cursor: undefined })
})

test("a client is shown with its connection, its session and its subscriptions", async () => {
  await using at = await opened()
  const client = await at.join("hall/1", { ...lasting, keepalive: 30 })
  await client.subscribeAsync("command/#", { qos: 1 })
  const shown = await (await at.call("/v1/clients/hall%2F1")).json()
  expect(shown).toMatchObject({
    ...{ id: "hall/1", name: "everybody", connected: true, protocol: "5.0", transport: "websocket" },
    ...{ address: "127.0.0.1", keepAliveS: 30, sessionExpiryS: 3_600, queuedMessages: 0, droppedMessages: 0 },
    since: expect.stringMatching(/^\d{4}-.*\.\d{6}Z$/),
    subscriptions: [{ filter: "command/#", qos: 1 }],
  })
  await client.endAsync()
  await expect
    .poll(async () => (await at.call("/v1/clients/hall%2F1")).json())
    .toEqual({
      ...{ id: "hall/1", name: "everybody", connected: false, sessionExpiryS: 3_600 },
      since: expect.any(String),
      subscriptions: [{ filter: "command/#", qos: 1 }],
      ...{ queuedMessages: 0, queuedBytes: 0, inflightMessages: 0, droppedMessages: 0 },
      ...{ receivedMessages: 0, sentMessages: 0 },
    })
})

test("a client that is disconnected hears why and keeps its session, unless it is to be forgotten", async () => {
  await using at = await opened()
  const client = await at.join("a", lasting)
  const told = new Promise((resolve) => client.once("disconnect", ({ reasonCode }) => resolve(reasonCode)))
  expect((await at.disconnect("a")).status).toBe(204)
  expect(await told).toBe(0x98)
  await expect.poll(() => at.list("?connected=false")).toMatchObject({ ids: ["a"] })
  await at.join("a", lasting)
  expect((await at.disconnect("a", { forget: true })).status).toBe(204)
  await expect.poll(() => at.list()).toMatchObject({ ids: [] })
})

test.each([
  ["GET", "/v1/clients/nobody", undefined],
  ["POST", "/v1/clients/nobody/disconnect", "{}"],
])("%s %s is answered with client_not_found", async (method, path, body) => {
  await using at = await opened()
  const answer = await at.call(path, { method, ...(body === undefined ? {} : { body }) })
  expect([answer.status, (await answer.json()).code]).toEqual([404, "client_not_found"])
})

test("only admins see and disconnect clients", async () => {
  await using at = await opened()
  const secret = await at.rig.token({ scopes: ["read", "write"] })
  expect((await at.call("/v1/clients", {}, secret)).status).toBe(403)
  expect((await at.call("/v1/clients/a/disconnect", { method: "POST", body: "{}" }, secret)).status).toBe(403)
})

test.each(["?limit=0", "?connected=yes", "?cursor=%25", "?name=a"])("the list refuses %s", async (search) => {
  await using at = await opened()
  const answer = await at.call(`/v1/clients${search}`)
  expect([answer.status, (await answer.json()).code]).toEqual([400, "request_invalid"])
})
