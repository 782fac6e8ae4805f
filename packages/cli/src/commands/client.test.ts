import { expect, test } from "vitest"
import { brume } from "../../../../test/rig/recorded-terminal.ts"
import { json, problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"

const connected = {
  ...{ id: "hall/1", name: "gateway", connected: true, protocol: "5.0", transport: "tls", address: "192.0.2.7" },
  ...{ since: "2025-01-01T00:00:00.000000Z", keepAliveS: 60, sessionExpiryS: 3_600 },
  subscriptions: [{ filter: "command/#", qos: 1 }],
  ...{ queuedMessages: 3, queuedBytes: 2_048, inflightMessages: 1, droppedMessages: 7 },
  ...{ receivedMessages: 1_000, sentMessages: 2 },
}
const { protocol: _p, transport: _t, address: _a, keepAliveS: _k, ...rest } = connected
const away = { ...rest, id: "z", connected: false, subscriptions: [] }

test("clients are listed over all pages, and only those who are asked for", async () => {
  await using node = await scriptedNode(({ url }, response) =>
    json(response, url.includes("cursor") ? { clients: [away] } : { clients: [connected], cursor: "c" }),
  )
  const { stdout } = await brume(["get", "clients", "--url", node.url])
  expect(stdout).toMatch(/^hall\/1 +connected .* gateway +5\.0 +tls 192\.0\.2\.7 +4 +7$/m)
  expect(stdout).toMatch(/^z +away /m)
  expect(JSON.parse((await brume(["get", "clients", "--url", node.url, "--json"])).stdout)).toEqual([connected, away])
  await brume(["get", "clients", "--url", node.url, "--away"])
  expect(node.requests.at(-2)?.url).toBe("/v1/clients?connected=false")
  const both = await brume(["get", "clients", "--url", node.url, "--away", "--connected"])
  expect([both.code, both.stdout]).toEqual([2, ""])
})

test("a client is described with its session and what it subscribed to", async () => {
  await using node = await scriptedNode(({ url }, response) => json(response, url.endsWith("/z") ? away : connected))
  const { stdout } = await brume(["describe", "client", "hall/1", "--url", node.url])
  expect(node.requests[0]?.url).toBe("/v1/clients/hall%2F1")
  expect(stdout).toMatch(/^Protocol +MQTT 5\.0$/m)
  expect(stdout).toMatch(/^Waiting for it +3 messages, 2\.0 KiB$/m)
  expect(stdout).toMatch(/^Session +kept for 3,600 s after its connection$/m)
  expect(stdout).toMatch(/^command\/# +1$/m)
  expect((await brume(["describe", "client", "z", "--url", node.url])).stdout).toMatch(/^Away since /m)
})

test("clients are disconnected one after the other, and forgotten where that is asked for", async () => {
  await using node = await scriptedNode((_request, response) => void response.writeHead(204).end())
  const end = await brume(["client", "disconnect", "a", "b/1", "--forget", "--url", node.url])
  expect(end).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringContaining("b/1 is disconnected and forgotten"),
  })
  expect(node.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
    ["POST", "/v1/clients/a/disconnect", '{"forget":true}'],
    ["POST", "/v1/clients/b%2F1/disconnect", '{"forget":true}'],
  ])
  const asJson = await brume(["client", "disconnect", "a", "--json", "--url", node.url])
  expect(JSON.parse(asJson.stdout)).toEqual({ disconnected: ["a"], forgotten: false })
})

test("a client that nobody knows ends with 5 and the node's words", async () => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, 404, { code: "client_not_found", detail: "No MQTT client", hint: "List them" }),
  )
  const end = await brume(["client", "disconnect", "a", "--url", node.url])
  expect([end.code, end.stdout]).toEqual([5, ""])
  expect(end.stderr).toContain("List them")
})
