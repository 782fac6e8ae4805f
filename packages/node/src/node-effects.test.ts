/** Effects as node.ts joins them: causes are commits of a test, the front, the commands and the hosts are real. */
import { createServer, type IncomingMessage } from "node:http"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { type Action, type Effect, type ErrorCode, FogError, type FunctionCall } from "@brume/core"
import { SeededRandom, SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import { machineClock } from "../../../test/rig/api.ts"
import { commit } from "../../../test/rig/effects.ts"
import { MemoryStore } from "../../../test/rig/memory-store.ts"
import { openRigFront } from "../../../test/rig/mqtt-front.ts"
import { openPeer } from "../../../test/rig/mqtt-peer.ts"
import { openAlarms } from "./alarms/alarms.ts"
import { resolveConfig } from "./config/config.ts"
import { openCommands } from "./devices/commands/commands.ts"
import { joinSubscribers } from "./devices/local-subscribers.ts"
import type { LocalSubscriber } from "./devices/mqtt/own-messages.ts"
import { parseAllowed } from "./effects/webhook/address-check.ts"
import { createMetrics } from "./metrics/metrics.ts"
import { executorsOf, openNodeEffects } from "./node-effects.ts"

async function opened(settings: Readonly<Record<string, string>> = {}, store = new MemoryStore()) {
  const flags = Object.entries({ "store.path": "/rig", ...settings }).map(([key, value]) => ({
    flag: "--set",
    key,
    value,
  }))
  const surroundings = { environment: {}, workingFolder: "/", hostName: "rig", readFile: async () => new Uint8Array() }
  const { config } = await resolveConfig({ flags }, surroundings)
  const logger = new SilentLogger()
  const [clock, random, metrics] = [machineClock, new SeededRandom(1), createMetrics()]
  const room = { store, clock, random, metrics, logger }
  const heard: string[] = []
  const invoked: string[] = []
  const listening: LocalSubscriber = {
    version: 0,
    on: (topic) =>
      topic.startsWith("heard/")
        ? ({ payload }) => {
            heard.push(Buffer.from(payload).toString())
            return undefined
          }
        : undefined,
  }
  const commands = openCommands(room)
  const alarms = openAlarms(room)
  const effects = await openNodeEffects({ ...room, config, version: "1.2.3", commands, logger: () => logger })
  const local = joinSubscribers([commands.replies, listening])
  const mqtt = await openRigFront({ ...room, local, listen: { host: "127.0.0.1", port: 0 } })
  commands.begin(mqtt.own)
  const functions = {
    async invoke({ name, key }: FunctionCall) {
      invoked.push(`${name} ${key}`)
      const code = name as ErrorCode
      if (name !== "drift") throw new FogError(code, { message: `it ended with ${name}` })
      return null
    },
  }
  const begin = () =>
    effects.begin(executorsOf({ config, clock, version: "1.2.3", commands, alarms, own: mqtt.own, functions }))
  begin()
  let keys = 0
  return {
    ...{ store, effects, alarms, heard, invoked, metrics, logger },
    port: Number(new URL(mqtt.urls[0]!).port),
    /** As the effect of a rule, in a commit of its own; resolves to its key. */
    async does(action: Action, key = `key-${keys++}`): Promise<string> {
      const effect: Effect = { key, source: "rule/test", action, created: clock.now() }
      await commit(store, effects.plan(effect))
      return key
    },
    async [Symbol.asyncDispose]() {
      await mqtt.close()
      await effects.close()
      await commands.close()
    },
  }
}

const publish = { type: "publish", qos: 1, retain: false } as const
const webhook = { type: "webhook", method: "POST", headers: {}, body: "{}" } as const

async function host(answer: (request: IncomingMessage, count: number) => number | undefined) {
  const keys: string[] = []
  const server = createServer((request, response) => {
    keys.push(String(request.headers["idempotency-key"]))
    request.resume()
    const status = answer(request, keys.length)
    if (status !== undefined) response.writeHead(status, { "retry-after": "0" }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    keys,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test("a published message reaches who subscribed, waits for who is away, and is retained where asked", async () => {
  await using at = await opened()
  await using here = await openPeer({ port: at.port, clientId: "here" })
  await here.subscribe("hall/#")
  const away = await openPeer({ port: at.port, clientId: "away", isClean: false })
  await away.subscribe("hall/#")
  away.end()
  const key = await at.does({ ...publish, topic: "hall/fan", payload: "on", retain: true })
  expect(at.effects.get(key)).toMatchObject({ state: "done", target: "hall/fan", attempts: 1 })
  await expect.poll(() => here.texts()).toEqual(["on"])
  await using back = await openPeer({ port: at.port, clientId: "away", isClean: false })
  await expect.poll(() => back.texts()).toEqual(["on"])
  await using late = await openPeer({ port: at.port, clientId: "late" })
  await late.subscribe("hall/#")
  await expect.poll(() => late.arrived.map(({ text, retain }) => `${text} ${retain}`)).toEqual(["on true"])
})

test("what is published on a mapped topic becomes readings, and who listens in the node hears it", async () => {
  await using at = await opened()
  const mapped = await at.does({ ...publish, topic: "devices/hall/mean", payload: "21.5" })
  await expect.poll(() => at.store.readings).toMatchObject([{ device: "hall", property: "mean", value: 21.5 }])
  await expect.poll(() => at.effects.get(mapped)).toMatchObject({ state: "done" })
  const local = await at.does({ ...publish, topic: "heard/a", payload: "psst", qos: 0 })
  await expect.poll(() => at.effects.get(local)?.state).toBe("done")
  expect(at.heard).toEqual(["psst"])
})

test("a mapped message whose readings the store does not take is in doubt: it was sent", async () => {
  await using at = await opened()
  await using here = await openPeer({ port: at.port, clientId: "here" })
  await here.subscribe("devices/#")
  at.store.state = "full"
  const key = await at.does({ ...publish, topic: "devices/hall/mean", payload: "21.5" })
  await expect.poll(() => at.effects.get(key)).toMatchObject({ state: "in-doubt", code: "store_full" })
  await expect.poll(() => here.texts()).toEqual(["21.5"])
})

test.each([
  ["", "the topic is empty"],
  ["a/+/b", "has a wildcard"],
  ["$SYS/uptime", "begin with $"],
  ["a/".repeat(200), "too many levels"],
])("nothing can be published on the topic %j", async (topic, why) => {
  await using at = await opened()
  const key = await at.does({ ...publish, topic, payload: "1" })
  expect(at.effects.get(key)).toMatchObject({
    state: "failed",
    code: "effect_invalid",
    message: expect.stringContaining(why),
  })
})

test("a command's outcome is that of its device, also over a restart; one that nobody takes has failed at once", async () => {
  const store = new MemoryStore()
  const command = {
    type: "command",
    device: "hall/fan",
    command: "start",
    input: { speed: 3 },
    deadlineMs: 60_000,
  } as const
  let [answered, waiting] = ["", ""]
  {
    await using at = await opened({}, store)
    const nobody = await at.does({ ...command, device: "none" })
    expect(at.effects.get(nobody)).toMatchObject({ state: "failed", code: "command_unreachable" })
    await using fan = await openPeer({ port: at.port, clientId: "fan", isClean: false })
    await fan.subscribe("devices/hall/fan/commands/#")
    answered = await at.does(command, "answered")
    await expect.poll(() => fan.texts()).toHaveLength(1)
    expect(at.effects.get(answered)).toMatchObject({ state: "pending", target: "hall/fan/start" })
    const { reply, input } = JSON.parse(fan.texts()[0]!) as { reply: string; input: object }
    expect(input).toEqual({ speed: 3 })
    await fan.publish(reply, JSON.stringify({ state: "failed", error: { code: "E7", message: "jammed" } }))
    await expect.poll(() => at.effects.get(answered)).toMatchObject({ state: "failed", code: "E7", message: "jammed" })
    waiting = await at.does(command, "waiting")
    fan.end()
  }
  await using at = await opened({}, store)
  expect(at.effects.get(waiting)).toMatchObject({ state: "pending" })
  await using fan = await openPeer({ port: at.port, clientId: "fan", isClean: false })
  await expect.poll(() => fan.texts()).toHaveLength(1)
  const { reply } = JSON.parse(fan.texts()[0]!) as { reply: string }
  await fan.publish(reply, "")
  await expect.poll(() => at.effects.get(waiting)).toMatchObject({ state: "done" })
  expect(at.effects.get(answered)).toMatchObject({ state: "failed" })
})

test("an alarm is raised in the commit of its cause", async () => {
  await using at = await opened()
  const key = await at.does({ type: "alarm", change: "raise", alarm: "warm", severity: "critical" })
  expect(at.effects.get(key)).toMatchObject({ state: "done", target: "warm" })
  expect(at.alarms.get("warm")).toMatchObject({ state: "raised", source: "rule/test" })
  expect(await at.metrics.expose()).toContain('brume_alarms_raised{severity="critical"} 1')
  expect(await at.metrics.expose()).toContain('brume_effects_total{type="alarm",state="done"} 1')
  const refused = await at.does({ type: "alarm", change: "raise", alarm: "a@b" })
  expect(at.effects.get(refused)).toMatchObject({ state: "failed", code: "alarm_invalid" })
})

test.each([
  ["drift", "done", undefined],
  ["function_failed", "failed", "function_failed"],
  ["function_timeout", "in-doubt", "effect_in_doubt"],
  ["function_crashed", "in-doubt", "effect_in_doubt"],
] as const)("a call that ends with %s is %s, and carries the effect's key", async (name, state, code) => {
  await using at = await opened()
  const key = await at.does({ type: "function", name, input: {} })
  await expect.poll(() => at.effects.get(key)?.state).toBe(state)
  expect(at.effects.get(key)?.code).toBe(code)
  expect(at.invoked).toEqual([`${name} ${key}`])
})

test("a webhook carries its key to a host that is allowed, and is refused to this machine otherwise", async () => {
  await using target = await host(() => 204)
  await using strict = await opened()
  const refused = await strict.does({ ...webhook, url: target.url })
  await expect
    .poll(() => strict.effects.get(refused))
    .toMatchObject({ state: "failed", code: "webhook_refused", attempts: 1 })
  expect(target.keys).toEqual([])
  await using open = await opened({ "effects.webhooks.allow": "127.0.0.0/8" })
  const key = await open.does({ ...webhook, url: target.url })
  await expect.poll(() => open.effects.get(key)).toMatchObject({ state: "done", target: new URL(target.url).host })
  expect(target.keys).toEqual([key])
})

test("a host that is busy is asked again with the same key; one that refuses is not", async () => {
  await using busy = await host((_request, count) => (count < 3 ? 503 : 200))
  await using grim = await host(() => 403)
  await using at = await opened({ "effects.webhooks.allow": "127.0.0.1" })
  const [first, second] = [await at.does({ ...webhook, url: busy.url }), await at.does({ ...webhook, url: grim.url })]
  await expect
    .poll(() => at.effects.get(second))
    .toMatchObject({ state: "failed", code: "webhook_rejected", attempts: 1 })
  await expect.poll(() => at.effects.get(first)?.state, { timeout: 20_000 }).toBe("done")
  expect(busy.keys).toEqual([first, first, first])
  expect(grim.keys).toEqual([second])
}, 30_000)

test("a host that hangs is in doubt when its time is over, one that is not there has failed, and others do not wait", async () => {
  await using hanging = await host(() => undefined)
  await using good = await host(() => 200)
  const silent = createTcpServer()
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
  const gone = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`
  await new Promise((resolve) => silent.close(resolve))
  await using at = await opened({
    ...{ "effects.webhooks.allow": "127.0.0.1", "effects.webhooks.timeoutMs": "300ms" },
    ...{ "effects.webhooks.maxAttempts": "1", "effects.webhooks.maxRunningPerHost": "2" },
  })
  const stuck = await Promise.all(Array.from({ length: 6 }, () => at.does({ ...webhook, url: hanging.url })))
  const quick = await at.does({ ...webhook, url: good.url })
  const absent = await at.does({ ...webhook, url: gone })
  await expect.poll(() => at.effects.get(quick)?.state).toBe("done")
  expect(hanging.keys.length).toBeLessThanOrEqual(2)
  await expect.poll(() => at.effects.get(absent)).toMatchObject({ state: "failed", code: "webhook_failed" })
  for (const key of stuck)
    await expect
      .poll(() => at.effects.get(key), { timeout: 5_000 })
      .toMatchObject({ state: "in-doubt", code: "effect_in_doubt" })
  expect(new Set(hanging.keys)).toEqual(new Set(stuck))
}, 20_000)

test("a node that stops does not wait for a host that hangs, and knows at its next start what is in doubt", async () => {
  await using hanging = await host(() => undefined)
  const store = new MemoryStore()
  const settings = { "effects.webhooks.allow": "127.0.0.1", "effects.webhooks.timeoutMs": "10m" }
  let [sent, waiting] = ["", ""]
  {
    await using at = await opened({ ...settings, "effects.webhooks.maxRunning": "1" }, store)
    sent = await at.does({ ...webhook, url: hanging.url }, "sent")
    waiting = await at.does({ ...webhook, url: hanging.url }, "waiting")
    await expect.poll(() => hanging.keys).toEqual([sent])
  }
  await using good = await opened(settings, store)
  expect(good.effects.get(sent)).toMatchObject({
    state: "in-doubt",
    message: expect.stringContaining("did not answer"),
  })
  // It was certainly not begun: it goes on.
  await expect.poll(() => hanging.keys).toEqual([sent, waiting])
}, 20_000)

test.each([
  ..."localhost,chat.lan,chat.lan:8080,10.0.0.7,10.0.0.7:80,10.0.0.0/8,10.0.0.0/8:80,::1,fd00::/8,[::1]:80".split(","),
  ..."[fd00::/8]:443,::ffff:10.0.0.1,a,10.0.0.0/33,fd00::/129,h:0,h:70000,http://x,*,-a,a b,1.2.3.4/8/8,a/8,:80,[::1".split(
    ",",
  ),
])("the configuration and the executor agree on what %j allows", async (text) => {
  const resolved = opened({ "effects.webhooks.allow": text }).then(
    async (at) => {
      await at[Symbol.asyncDispose]()
      return "taken"
    },
    () => "refused",
  )
  expect(await resolved).toBe(parseAllowed(text) === undefined ? "refused" : "taken")
})
