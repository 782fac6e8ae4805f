/** Rules from end to end in one process: documents over HTTP, readings and messages over real MQTT. */
import { expect, test } from "vitest"
import { openPeer, type Peer } from "../../../test/rig/mqtt-peer.ts"
import { until } from "../../../test/rig/node-process.ts"
import { type WholeNode, wholeNode } from "../../../test/rig/whole-node.ts"

const open = { "mqtt.listen": "127.0.0.1:0", "mqtt.allowAnonymous": "true" }

function peer({ node }: WholeNode, clientId: string): Promise<Peer> {
  return openPeer({ port: Number(new URL(node.mqttUrls[0]!).port), clientId })
}

async function apply(whole: WholeNode, name: string, spec: object): Promise<Response> {
  const body = JSON.stringify({ apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name }, spec })
  const headers = { "content-type": "application/json" }
  return await whole.call(`/v1/documents/Rule/${name}`, { method: "PUT", headers, body })
}

async function enable(whole: WholeNode, name: string, spec: object): Promise<void> {
  const answer = await apply(whole, name, spec)
  expect(answer.status, await answer.text()).toBe(201)
}

const published = (topic: string, payload: unknown) => [{ publish: { topic, payload } }]

test("a reading over MQTT sets off a command, and another client gets it", async () => {
  await using whole = await wholeNode(open)
  await enable(whole, "cool", {
    on: { device: "room-1", property: "temperature" },
    when: "value > 30",
    actions: [{ command: { device: "fan", name: "start", input: { speed: "{{ (value - 30) * 10 }}" } } }],
  })
  await using fan = await peer(whole, "fan")
  await fan.subscribe("devices/fan/commands/+", 1)
  await using sensor = await peer(whole, "sensor")
  await sensor.publish("devices/room-1/temperature", "29", { qos: 1 })
  await sensor.publish("devices/room-1/temperature", "30.5", { qos: 1 })
  await until("the command", () => fan.arrived.length > 0)
  const { id, input } = JSON.parse(fan.texts()[0]!) as { id: string; input: unknown }
  expect([fan.arrived[0]!.topic, input]).toEqual(["devices/fan/commands/start", { speed: 5 }])
  await fan.publish(`devices/fan/replies/${id}`, JSON.stringify({ id, state: "done" }), { qos: 1 })
  await until("its outcome", async () => {
    const { effects } = (await (await whole.call("/v1/effects")).json()) as { effects: { state: string }[] }
    return effects.length === 1 && effects[0]!.state === "done"
  })
})

test("a reading over HTTP, an alarm, a message: each by its rule, each once", async () => {
  await using whole = await wholeNode(open)
  await enable(whole, "hot", {
    on: { device: "+", property: "temperature" },
    when: "value > 30",
    clearWhen: "value < 25",
    severity: "critical",
    actions: [
      { alarm: { name: "hot", message: "{{ device }} is at {{ value }}" } },
      ...published("out", "{{ device }}"),
    ],
    clearActions: [{ alarm: { name: "hot" } }],
  })
  await using listener = await peer(whole, "listener")
  await listener.subscribe("out", 1)
  const post = (value: number) =>
    whole.call("/v1/readings", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ device: "oven", property: "temperature", value }),
    })
  for (const value of [31, 32, 33]) expect((await post(value)).status).toBe(200)
  await until("the message", () => listener.arrived.length > 0)
  const alarms = async () => ((await (await whole.call("/v1/alarms")).json()) as { alarms: object[] }).alarms
  expect(await alarms()).toMatchObject([
    { alarm: "hot", device: "oven", state: "raised", severity: "critical", message: "oven is at 31", count: 1 },
  ])
  await post(20)
  expect(await alarms()).toMatchObject([{ alarm: "hot", state: "cleared" }])
  expect(listener.texts()).toEqual(["oven"])
})

test("a message on any topic sets off a rule, and what that publishes sets off the next one", async () => {
  await using whole = await wholeNode(open)
  await enable(whole, "first", {
    on: { topic: "door/+" },
    when: "payload.open == true",
    actions: published("devices/hall/opened", "{{ payload.count }}"),
  })
  await enable(whole, "second", { on: { device: "hall" }, when: "value > 2", actions: published("out", "{{ value }}") })
  await using listener = await peer(whole, "listener")
  await listener.subscribe("out", 1)
  await using door = await peer(whole, "door")
  for (const count of [1, 2, 3]) await door.publish("door/1", JSON.stringify({ open: true, count }), { qos: 1 })
  await until("the second rule", () => listener.arrived.length > 0)
  expect(listener.texts()).toEqual(["3"])
  const stored = (await (await whole.sql("SELECT device, property, value FROM readings ORDER BY value")).json()) as {
    rows: object[]
  }
  expect(stored.rows).toEqual([1, 2, 3].map((value) => ({ device: "hall", property: "opened", value })))
})

test("a rule that feeds itself ends, and the node goes on", async () => {
  await using whole = await wholeNode(open)
  await enable(whole, "echo", { on: { topic: "echo" }, actions: published("echo", "again") })
  await using client = await peer(whole, "client")
  await client.subscribe("echo", 0)
  await client.publish("echo", "begin", { qos: 1 })
  await until("the end", () => client.arrived.length >= 18)
  await client.publish("other", "x", { qos: 1 })
  expect(client.arrived).toHaveLength(18)
})

test("a window's result sets off a rule", async () => {
  await using whole = await wholeNode(open)
  await enable(whole, "average", {
    on: { device: "+", property: "load" },
    window: { type: "tumbling", size: "1s", select: "avg(value) AS mean, count(*) AS n" },
    when: "mean > 5",
    actions: published("out", "{{ device }} {{ mean }} {{ n }}"),
  })
  await using listener = await peer(whole, "listener")
  await listener.subscribe("out", 1)
  const headers = { "content-type": "application/json" }
  const time = new Date().toISOString()
  const body = JSON.stringify([4, 8, 12].map((value) => ({ device: "cpu", property: "load", value, time })))
  expect((await whole.call("/v1/readings", { method: "POST", headers, body })).status).toBe(200)
  await until("the window", () => listener.arrived.length > 0)
  expect(listener.texts()).toEqual(["cpu 8 3"])
})

test("a rule with mistakes is refused with all of them, and how a rule stands is shown", async () => {
  await using whole = await wholeNode(open)
  const answer = await apply(whole, "bad", {
    on: { device: "a" },
    when: "vlue > 3",
    whn: "x",
    actions: [{ publish: { topic: "a/+", payload: "{{ valeu }}" } }],
  })
  expect(answer.status).toBe(400)
  const problem = JSON.stringify(await answer.json())
  expect(problem).toContain("did you mean when")
  const again = await apply(whole, "bad", {
    on: { device: "a" },
    when: "vlue > 3",
    actions: [{ publish: { topic: "a/+", payload: "{{ valeu }}" } }],
  })
  const both = JSON.stringify(await again.json())
  for (const part of ["spec.when", "did you mean value", "spec.actions[0].publish.topic", "valeu"])
    expect(both).toContain(part)
})

test("how a rule stands is shown with its document", async () => {
  await using whole = await wholeNode(open)
  const on = { device: "a", property: "p" }
  await enable(whole, "wait", { on, when: "value > 3", for: "1h", actions: published("out", "x") })
  await enable(whole, "nightly", { on: { schedule: "0 3 * * *" }, actions: published("out", "x") })
  await using client = await peer(whole, "client")
  await client.publish("devices/a/p", "4", { qos: 1 })
  const rules = (await (await whole.call("/v1/rules")).json()) as {
    documents?: { metadata: { name: string }; status: object }[]
    rules?: { metadata: { name: string }; status: object }[]
  }
  const [nightly, wait] = rules.rules ?? rules.documents ?? []
  expect(nightly?.status).toMatchObject({ state: "enabled", fired: 0, next: expect.stringMatching(/T03:00:00/) })
  expect(wait?.status).toMatchObject({ state: "enabled", pending: 1, active: 0, next: expect.stringMatching(/Z$/) })
  const metrics = await (await whole.call("/metrics")).text()
  expect(metrics).toContain("brume_rules_enabled 2")
})
