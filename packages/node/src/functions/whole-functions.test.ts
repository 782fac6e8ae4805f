/** Functions in a whole node, with real processes. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { connectAsync } from "mqtt"
import { expect, test } from "vitest"
import { answered, deploy, invoke, linesOf, posted } from "../../../../test/rig/functions.ts"
import { type WholeNode, wholeNode } from "../../../../test/rig/whole-node.ts"

const listening = { "mqtt.listen": "127.0.0.1:0", "mqtt.allowAnonymous": "true" }

async function client({ node }: WholeNode) {
  const connected = await connectAsync(node.mqttUrls[0]!)
  const messages: { topic: string; payload: string }[] = []
  connected.on("message", (topic, payload) => messages.push({ topic, payload: payload.toString() }))
  return { connected, messages, [Symbol.asyncDispose]: () => connected.endAsync() }
}

test("JavaScript and Python are deployed, called, and keep state", async () => {
  await using open = await wholeNode()
  const count = `exports.default = async (event, ctx) => {
    const before = (await ctx.state.get("count")) ?? 0
    await ctx.state.set("count", before + event.add)
    return { count: before + event.add, hasKey: ctx.key.length > 0, trigger: ctx.trigger }
  }`
  expect(await deploy(open, "count", { code: count })).toMatchObject({
    status: 200,
    body: { name: "count", version: 1, change: "created" },
  })
  expect(await deploy(open, "count", { code: count })).toMatchObject({ body: { version: 1, change: "unchanged" } })
  expect(await invoke(open, "count", { add: 2 })).toEqual({
    status: 200,
    body: { count: 2, hasKey: true, trigger: "http" },
  })
  expect(await invoke(open, "count", { add: 3 })).toMatchObject({ body: { count: 5 } })
  const key = { "idempotency-key": "once" }
  expect(await invoke(open, "count", { add: 1 }, key)).toMatchObject({ body: { count: 6 } })
  expect(await invoke(open, "count", { add: 1 }, key)).toMatchObject({ body: { count: 6 } })
  expect(await invoke(open, "count", { add: 2 }, key)).toMatchObject({ body: { code: "idempotency_conflict" } })
  const python = 'def handler(event, ctx):\n    return {"double": event["n"] * 2}\n'
  expect(await deploy(open, "double", { runtime: "python", code: python })).toMatchObject({ status: 200 })
  expect(await invoke(open, "double", { n: 21 })).toEqual({ status: 200, body: { double: 42 } })
  const { body } = await answered<{ functions: { name: string; state: string }[] }>(open.call("/v1/functions"))
  expect(body.functions.map(({ name, state }) => [name, state])).toEqual([
    ["count", "ready"],
    ["double", "ready"],
  ])
  expect((await open.call("/v1/functions/count", { method: "DELETE" })).status).toBe(204)
  expect(await invoke(open, "count", { add: 1 })).toMatchObject({ status: 404, body: { code: "function_not_found" } })
  expect(open.logger.messages("error")).toEqual([])
})

test("what a function publishes is a message, a reading, and an event for others", async () => {
  await using open = await wholeNode(listening)
  const convert = `exports.default = async ({ topic, payload }, ctx) => {
    ctx.log.info("converts", { payload })
    await ctx.publish(topic.replace("celsius", "fahrenheit"), payload * 1.8 + 32, { qos: 1 })
  }`
  expect(
    await deploy(open, "convert", { code: convert, spec: { triggers: [{ topic: "devices/+/celsius" }] } }),
  ).toMatchObject({ status: 200 })
  const python = `def handler(event, ctx):
    ctx.publish("seen/" + event["topic"], {"value": event["payload"], "trigger": ctx.trigger}, qos=1)
`
  const spec = { triggers: [{ topic: "devices/+/fahrenheit" }] }
  expect(await deploy(open, "see", { runtime: "python", code: python, spec })).toMatchObject({ status: 200 })
  await using device = await client(open)
  await device.connected.subscribeAsync("#", { qos: 1 })
  await device.connected.publishAsync("devices/room-1/celsius", "20", { qos: 1 })
  await expect.poll(() => device.messages.map(({ topic }) => topic)).toContain("seen/devices/room-1/fahrenheit")
  expect(JSON.parse(device.messages.at(-1)!.payload)).toEqual({ value: 68, trigger: "topic" })
  const sql = "SELECT property, value FROM readings WHERE device = 'room-1' ORDER BY property"
  const rows = async () => ((await (await open.sql(sql)).json()) as { rows: unknown[] }).rows
  await expect.poll(rows).toEqual([
    { property: "celsius", value: 20 },
    { property: "fahrenheit", value: 68 },
  ])
  expect(await linesOf(open, "convert")).toContain("converts")
})

test("readings of devices, in batches, by SQL and commands", async () => {
  await using open = await wholeNode(listening)
  const code = `exports.default = async (events, ctx) => {
    const [{ warmest }] = await ctx.query("SELECT max(value) AS warmest FROM readings WHERE device = $1", ["cold/1"])
    const outcome = await ctx.command("fan-1", "start", { warmest }, { deadlineMs: 2000 })
    await ctx.state.set("seen", { events: events.length, warmest, state: outcome.state, output: outcome.output })
  }`
  const triggers = [{ device: "cold/+", property: "temperature", batch: { size: 3, waitMs: 5000 } }]
  expect(await deploy(open, "cool", { code, spec: { triggers } })).toMatchObject({ status: 200 })
  const read = "exports.default = (name, ctx) => ctx.invoke(name)"
  expect(await deploy(open, "read", { code: read })).toMatchObject({ status: 200 })
  await using fan = await client(open)
  await fan.connected.subscribeAsync("devices/fan-1/commands/+", { qos: 1 })
  fan.connected.on("message", (_topic, payload) => {
    const { id } = JSON.parse(payload.toString()) as { id: string }
    void fan.connected.publishAsync("devices/fan-1/replies", JSON.stringify({ id, output: "runs" }), { qos: 1 })
  })
  const readings = [3, 5, 4].map((value) => ({ device: "cold/1", property: "temperature", value }))
  expect((await open.call("/v1/readings", posted(readings))).status).toBe(200)
  await expect.poll(() => fan.messages.length).toBe(1)
  const inside = "exports.default = async (event, ctx) => 1"
  expect(await deploy(open, "other", { code: inside })).toMatchObject({ status: 200 })
  await expect
    .poll(async () => (await answered<{ commands: unknown[] }>(open.call("/v1/commands"))).body.commands)
    .toMatchObject([{ device: "fan-1", command: "start", source: "function/cool", state: "done" }])
  expect(JSON.parse(fan.messages[0]!.payload)).toMatchObject({ input: { warmest: 5 } })
  expect(await invoke(open, "read", "other")).toEqual({ status: 200, body: 1 })
})

test("an event that fails again and again becomes a dead letter, with its reason", async () => {
  await using open = await wholeNode(listening)
  const code = `let calls = 0
exports.default = async ({ payload }, ctx) => {
  calls++
  await ctx.publish("tried", { calls, key: ctx.key }, { qos: 1 })
  await ctx.publish("once", { payload }, { qos: 1 })
  throw new Error("cannot " + payload)
}`
  expect(await deploy(open, "fail", { code, spec: { triggers: [{ topic: "work" }] } })).toMatchObject({ status: 200 })
  await using device = await client(open)
  await device.connected.subscribeAsync(["tried", "once", "brume/dead-letter/+"], { qos: 1 })
  await device.connected.publishAsync("work", "fly", { qos: 1 })
  const of = (topic: string) => device.messages.filter((message) => message.topic === topic)
  await expect.poll(() => of("brume/dead-letter/fail").length).toBe(1)
  expect(JSON.parse(of("brume/dead-letter/fail")[0]!.payload)).toMatchObject({
    function: "fail",
    event: { type: "message", topic: "work", payload: "fly" },
    attempts: 3,
    error: { code: "function_failed", message: expect.stringContaining("cannot fly") },
  })
  // Each attempt has the same key, and does what it did before no second time.
  const keys = of("tried").map(({ payload }) => (JSON.parse(payload) as { key: string }).key)
  expect(keys).toHaveLength(3)
  expect(new Set(keys).size).toBe(1)
  expect(of("once")).toHaveLength(1)
  expect(await linesOf(open, "fail")).toContainEqual(expect.stringContaining("dead letter"))
})

test("a version that cannot be loaded changes nothing; rollback brings an earlier one back", async () => {
  await using open = await wholeNode()
  const says = (word: string): string => `exports.default = () => "${word}"`
  for (const word of ["one", "two"])
    expect(await deploy(open, "say", { code: says(word) })).toMatchObject({ status: 200 })
  const broken = await deploy(open, "say", { code: "const a = 1\nthrow new Error('at the start')" })
  expect(broken).toMatchObject({ status: 422, body: { code: "function_unloadable" } })
  expect(broken.body.detail).toContain("at the start")
  expect(await invoke(open, "say")).toEqual({ status: 200, body: "two" })
  expect(await answered(open.call("/v1/functions/say/rollback", posted({})))).toMatchObject({ body: { version: 1 } })
  expect(await invoke(open, "say")).toEqual({ status: 200, body: "one" })
  expect(await answered(open.call("/v1/functions/say/rollback", posted({ to: 9 })))).toMatchObject({
    body: { code: "function_version_not_found" },
  })
  expect(await deploy(open, "say", { code: says("three") })).toMatchObject({ body: { version: 3 } })
})

test("secrets reach the functions that name them, and never the log", async () => {
  await using open = await wholeNode()
  const value = "correct-horse-battery-staple"
  expect(await answered(open.call("/v1/secrets", posted({ name: "chat", value })))).toMatchObject({ status: 200 })
  const code = `exports.default = async (name, ctx) => (await ctx.secrets.get(name)).length`
  expect(await deploy(open, "read", { code, spec: { secrets: ["chat", "missing"] } })).toMatchObject({ status: 200 })
  expect(await invoke(open, "read", "chat")).toEqual({ status: 200, body: value.length })
  expect(await invoke(open, "read", "other")).toMatchObject({ body: { code: "function_failed" } })
  expect((await invoke<{ detail: string }>(open, "read", "missing")).body.detail).toContain("no secret")
  expect(await (await open.call("/v1/secrets")).text()).not.toContain(value)
  const { folder } = open
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  expect(files.length).toBeGreaterThan(3)
  for (const file of files.filter((one) => one.isFile()))
    expect((await readFile(join(file.parentPath, file.name))).includes(value)).toBe(false)
})

test("functions.python says which interpreter is meant, and a wrong one is told with the remedy", async () => {
  await using open = await wholeNode({ "functions.python": "/opt/nothing/python3" })
  const code = "def handler(event, ctx):\n    return 1\n"
  const refused = await deploy(open, "drift", { runtime: "python", code })
  expect(refused).toMatchObject({
    body: {
      code: "runtime_missing",
      detail: "Python cannot be used: /opt/nothing/python3 is not there",
      hint: expect.stringContaining("functions.python"),
    },
  })
})

test("what fetch throws is told to those who have a token, not to everybody", async () => {
  await using open = await wholeNode()
  const code = `exports.fetch = () => { throw new Error("at line seven") }`
  for (const [name, http] of [
    ["hook", "public"],
    ["closed", "token"],
  ] as const)
    expect(await deploy(open, name, { code, spec: { triggers: [{ http }] } })).toMatchObject({ status: 200 })
  const answer = await fetch(`${open.node.url}/fn/hook/`)
  expect(answer.status).toBe(502)
  const body = await answer.text()
  expect(JSON.parse(body)).toMatchObject({ code: "function_failed", detail: "The function hook gave no answer" })
  expect(body).not.toMatch(/line seven|stack/)
  const told = await answered(open.call("/fn/closed/"))
  expect(told).toMatchObject({ status: 502, body: { detail: expect.stringContaining("at line seven") } })
})

test("fetch is mounted for those whom the trigger lets in", async () => {
  await using open = await wholeNode()
  const code = `exports.fetch = async (request, ctx) => {
    const { pathname, search } = new URL(request.url)
    const text = await request.text()
    return Response.json(
      { pathname, search, text, method: request.method, authorization: request.headers.get("authorization") },
      { status: 201, headers: { "x-own": "yes" } },
    )
  }`
  expect(await deploy(open, "hook", { code, spec: { triggers: [{ http: "public" }] } })).toMatchObject({ status: 200 })
  expect(await deploy(open, "closed", { code, spec: { triggers: [{ http: "token" }] } })).toMatchObject({ status: 200 })
  const answer = await fetch(`${open.node.url}/fn/hook/a/b?c=1`, { method: "POST", body: "text" })
  expect([answer.status, answer.headers.get("x-own")]).toEqual([201, "yes"])
  expect(answer.headers.get("content-security-policy")).toContain("sandbox")
  expect(await answer.json()).toEqual({
    ...{ pathname: "/a/b", search: "?c=1", text: "text", method: "POST", authorization: null },
  })
  const encoded = await fetch(`${open.node.url}/fn/h%6Fok/x/a%2Fb`)
  expect(await encoded.json()).toMatchObject({ pathname: "/x/a%2Fb", method: "GET" })
  expect((await fetch(`${open.node.url}/fn/closed/`)).status).toBe(401)
  expect(await answered(open.call("/fn/closed"))).toMatchObject({
    status: 201,
    body: { pathname: "/", authorization: null },
  })
  expect((await open.call("/fn/nothing/")).status).toBe(404)
})
