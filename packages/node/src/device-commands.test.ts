/** Commands and twins from end to end in one process: HTTP on one side, devices over real MQTT on the other. */
import { expect, test } from "vitest"
import { openPeer, type Peer, type PeerOptions } from "../../../test/rig/mqtt-peer.ts"
import { until } from "../../../test/rig/node-process.ts"
import { type WholeNode, wholeNode } from "../../../test/rig/whole-node.ts"

const open = { "mqtt.listen": "127.0.0.1:0", "mqtt.allowAnonymous": "true" }

interface Shown {
  readonly id: string
  readonly state: string
  readonly output?: unknown
  readonly error?: { readonly code: string }
  readonly attempts: number
  readonly accepted?: string
  readonly late?: true
}

const portOf = ({ node }: WholeNode): number => Number(new URL(node.mqttUrls[0]!).port)

function peer(whole: WholeNode, clientId: string, more: Partial<PeerOptions> = {}): Promise<Peer> {
  return openPeer({ port: portOf(whole), clientId, ...more })
}

function post(whole: WholeNode, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const json = body === undefined ? {} : { "content-type": "application/json" }
  return whole.call(path, {
    method: "POST",
    headers: { ...json, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

async function send(whole: WholeNode, path: string, body: unknown = {}, headers = {}): Promise<[number, Shown]> {
  const answer = await post(whole, `/v1/devices/${path}`, body, headers)
  return [answer.status, (await answer.json()) as Shown]
}

const shown = async (whole: WholeNode, id: string): Promise<Shown> =>
  (await (await whole.call(`/v1/commands/${id}`)).json()) as Shown

test("a device of MQTT 5 answers where the response topic says", async () => {
  await using whole = await wholeNode(open)
  await using pump = await peer(whole, "pump")
  await pump.subscribe("devices/hall/pump/commands/+", 2)
  const sending = send(whole, "hall%2Fpump/commands/start", { input: { speed: 3 } })
  await until("the command", () => pump.arrived.length > 0)
  const [{ topic, text, responseTopic = "", correlationData, qos }] = pump.arrived as [Peer["arrived"][0]]
  const { id, input, attempt } = JSON.parse(text) as { id: string; input: unknown; attempt: number }
  expect({ topic, qos, responseTopic, correlationData, input, attempt }).toEqual({
    ...{ topic: "devices/hall/pump/commands/start", qos: 2, responseTopic: `devices/hall/pump/replies/${id}` },
    ...{ correlationData: id, input: { speed: 3 }, attempt: 1 },
  })
  await pump.publish(responseTopic, JSON.stringify({ state: "accepted" }))
  expect((await shown(whole, id)).accepted).toBeDefined()
  await pump.publish(responseTopic, JSON.stringify({ state: "done", output: { rpm: 900 } }))
  await pump.publish(responseTopic, JSON.stringify({ state: "failed" }))
  expect(await sending).toMatchObject([200, { id, state: "done", output: { rpm: 900 }, attempts: 1 }])
  const rows = await (await whole.sql("SELECT count(*) AS n FROM readings")).json()
  expect(rows, "answers are no readings").toMatchObject({ rows: [{ n: 0 }] })
})

test("a device of MQTT 3.1.1 answers with the id in its payload", async () => {
  await using whole = await wholeNode(open)
  await using pump = await peer(whole, "pump", { version: 4 })
  await pump.subscribe("devices/pump/commands/#", 1)
  for (const [reply, outcome] of [
    [
      { state: "done", output: "ok" },
      { state: "done", output: "ok" },
    ],
    [
      { state: "failed", error: "jammed" },
      { state: "failed", error: { code: "command_rejected", message: "jammed" } },
    ],
  ] as const) {
    pump.arrived.length = 0
    const sending = send(whole, "pump/commands/start")
    await until("the command", () => pump.arrived.length > 0)
    const { id } = JSON.parse(pump.texts()[0]!) as { id: string }
    await pump.publish("devices/pump/replies", JSON.stringify({ id, ...reply }))
    expect(await sending).toMatchObject([200, outcome])
  }
})

test("malformed answers are outputs, and nobody else's answer counts", async () => {
  await using whole = await wholeNode({ "mqtt.listen": "127.0.0.1:0" })
  const credential = async (username: string): Promise<Partial<PeerOptions>> => {
    const answer = await post(whole, "/v1/credentials", { username })
    return { username, password: ((await answer.json()) as { password: string }).password }
  }
  await using pump = await peer(whole, "pump", await credential("pump"))
  await using thief = await peer(whole, "thief", await credential("thief"))
  await pump.subscribe("devices/pump/commands/#")
  const sending = send(whole, "pump/commands/start")
  await until("the command", () => pump.arrived.length > 0)
  const { responseTopic = "", text } = pump.arrived[0]!
  const { id } = JSON.parse(text) as { id: string }
  // Refused by permission: its own topics are all that a device may publish.
  await expect(thief.publish(responseTopic, "mine")).rejects.toThrow("135")
  await expect(thief.publish("devices/pump/commands/start", "{}")).rejects.toThrow("135")
  // Allowed, and about a command of another device.
  await thief.publish(`devices/thief/replies/${id}`, "mine")
  await thief.publish("devices/thief/replies", JSON.stringify({ id, state: "done" }))
  await pump.publish("devices/pump/replies", "no id at all")
  expect((await shown(whole, id)).state).toBe("pending")
  await pump.publish(responseTopic, "{ half")
  expect(await sending).toMatchObject([200, { state: "done", output: "{ half" }])
  expect(await thief.subscribe("devices/pump/commands/#")).toBeGreaterThanOrEqual(128)
})

test("what a client publishes on a topic of commands is a message, and no command", async () => {
  await using whole = await wholeNode(open)
  await using pump = await peer(whole, "pump")
  await using panel = await peer(whole, "panel")
  await pump.subscribe("devices/pump/commands/#")
  await panel.publish("devices/pump/commands/start", "now")
  await until("the message", () => pump.texts().includes("now"))
  expect(await (await whole.call("/v1/commands")).json()).toEqual({ commands: [] })
})

test("silence is in doubt, and a device that answers late still says what became of it", async () => {
  await using whole = await wholeNode(open)
  await using pump = await peer(whole, "pump")
  await pump.subscribe("devices/pump/commands/#")
  const [status, command] = await send(whole, "pump/commands/start", { deadlineMs: 200, retries: 1 })
  expect([status, command]).toMatchObject([
    200,
    { state: "in-doubt", error: { code: "command_in_doubt" }, attempts: 2 },
  ])
  await pump.publish(pump.arrived[0]!.responseTopic!, "")
  expect(await shown(whole, command.id)).toMatchObject({ state: "done", late: true })
})

test("nobody who subscribes means failed at once", async () => {
  await using whole = await wholeNode(open)
  expect(await send(whole, "pump/commands/start")).toMatchObject([
    200,
    { state: "failed", error: { code: "command_unreachable" }, attempts: 0 },
  ])
})

test("a device that is away gets its command once when it comes back, and what is desired of it", async () => {
  await using whole = await wholeNode(open)
  const session = { isClean: false }
  const before = await peer(whole, "pump", session)
  await before.subscribe("devices/pump/commands/#", 2)
  await before.subscribe("devices/pump/desired", 1)
  before.end()
  await until("it is away", async () => {
    const { clients } = (await (await whole.call("/v1/clients")).json()) as { clients: { connected: boolean }[] }
    return clients.every(({ connected }) => !connected)
  })
  const answer = await post(whole, "/v1/devices/pump/commands/start?wait=false", { retries: 3 })
  expect([answer.status, answer.headers.get("location")]).toEqual([
    202,
    expect.stringMatching(/^\/v1\/commands\/[0-9a-f]{32}$/),
  ])
  const { id } = (await answer.json()) as Shown
  const patch = { method: "PATCH", headers: { "content-type": "application/json" } }
  const twinOf = (body: object) => whole.call("/v1/devices/pump/twin", { ...patch, body: JSON.stringify(body) })
  await twinOf({ desired: { speed: 2 } })
  await twinOf({ desired: { speed: 3 } })
  await using after = await peer(whole, "pump", session)
  await until("all of it", () => after.arrived.length >= 3)
  const commands = after.arrived.filter(({ topic }) => topic.endsWith("/start"))
  expect(commands.map(({ text }) => (JSON.parse(text) as Shown).id)).toEqual([id])
  expect(JSON.parse(after.texts().at(-1)!)).toEqual({ speed: 3, $version: 2 })
  await after.publish(commands[0]!.responseTopic!, "")
  expect((await shown(whole, id)).state).toBe("done")
  await after.publish("devices/pump/reported", JSON.stringify({ speed: 3 }))
  expect(await (await whole.call("/v1/devices/pump/twin")).json()).toMatchObject({
    ...{ desired: { version: 2, values: { speed: 3 } }, reported: { version: 1, values: { speed: 3 } }, delta: {} },
  })
  // A new device in its place reads what is retained.
  await using fresh = await peer(whole, "new")
  await fresh.subscribe("devices/pump/desired")
  await until("what is desired", () => fresh.arrived.length > 0)
  expect([fresh.texts(), fresh.arrived[0]!.retain]).toEqual([['{"speed":3,"$version":2}'], true])
})

test("the same key is one command, and another one with it a conflict", async () => {
  await using whole = await wholeNode(open)
  await using pump = await peer(whole, "pump")
  await pump.subscribe("devices/pump/commands/#")
  const keyed = { "idempotency-key": "k-1" }
  const both = [1, 2].map(() => send(whole, "pump/commands/start", {}, keyed))
  await until("the command", () => pump.arrived.length > 0)
  await pump.publish(pump.arrived[0]!.responseTopic!, "1")
  const [one, other] = await Promise.all(both)
  expect(one).toMatchObject([200, { state: "done", output: 1 }])
  expect(other).toEqual(one)
  expect(await send(whole, "pump/commands/stop", {}, keyed)).toMatchObject([422, { code: "idempotency_conflict" }])
  expect(pump.arrived).toHaveLength(1)
})

test("the API says what is wrong, and a token sees its devices alone", async () => {
  await using whole = await wholeNode(open)
  const [, made] = await send(whole, "pump/commands/start", undefined)
  expect(made.state).toBe("failed")
  expect((await post(whole, "/v1/devices/pump/commands/start")).status).toBe(200)
  expect(await send(whole, "pump/commands/a+b")).toMatchObject([400, { code: "command_invalid" }])
  expect(await send(whole, "pump/commands/start", { deadline: 1 })).toMatchObject([400, { code: "request_invalid" }])
  expect((await whole.call("/v1/commands/0")).status).toBe(404)
  expect((await whole.call("/v1/devices/pump/twin")).status).toBe(404)
  const token = (await (
    await post(whole, "/v1/tokens", { name: "fan", scopes: ["read", "write"], devices: ["fan"] })
  ).json()) as { secret: string }
  const asFan = { authorization: `Bearer ${token.secret}` }
  expect(await send(whole, "pump/commands/start", {}, asFan)).toMatchObject([403, { code: "forbidden" }])
  const get = async (path: string) => (await whole.call(path, { headers: asFan })).json()
  expect(await get(`/v1/commands/${made.id}`)).toMatchObject({ code: "command_not_found" })
  expect(await get("/v1/commands")).toEqual({ commands: [] })
  const all = (await (await whole.call("/v1/commands?state=failed&device=%23")).json()) as { commands: Shown[] }
  expect(all.commands).toHaveLength(2)
})

test("a device with a language of its own gets its commands in it, and its state confirms them", async () => {
  const mapping = {
    ...{ name: "zigbee", device: "zigbee/{name}", topic: "zigbee2mqtt/{name}/set" },
    ...{ confirm: "state", stateTopic: "zigbee2mqtt/{name}" },
  }
  await using whole = await wholeNode({ ...open, "devices.commands": JSON.stringify([mapping]) })
  await using bridge = await peer(whole, "zigbee2mqtt")
  await bridge.subscribe("zigbee2mqtt/+/set")
  const sending = send(whole, "zigbee%2Flamp/commands/set", { input: { state: "ON" } })
  await until("the command", () => bridge.arrived.length > 0)
  expect(bridge.arrived[0]).toMatchObject({ topic: "zigbee2mqtt/lamp/set", text: '{"state":"ON"}' })
  await bridge.publish("zigbee2mqtt/lamp", '{"state":"OFF","linkquality":80}')
  await bridge.publish("zigbee2mqtt/lamp", '{"state":"ON","linkquality":80}')
  expect(await sending).toMatchObject([200, { state: "done", output: { state: "ON", linkquality: 80 } }])
})
