import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { Secret } from "@brume/core"
import { expect, test } from "vitest"
import { type BridgedFront, bridgeTo, openBridgedFront } from "../../../../../../test/rig/bridged-front.ts"
import { MemoryStore } from "../../../../../../test/rig/memory-store.ts"
import { openPeer, type Peer } from "../../../../../../test/rig/mqtt-peer.ts"
import { temporaryFolder, until } from "../../../../../../test/rig/node-process.ts"
import { startMosquitto, withoutMosquitto } from "../../../../../../test/rig/remote-mosquitto.ts"
import { openTcpProxy } from "../../../../../../test/rig/tcp-proxy.ts"

const isConnected = async (front: BridgedFront, wanted = 1): Promise<boolean> =>
  (await front.metric("brume_devices_mqtt_bridge_connected")) === wanted
const run = promisify(execFile)
const failures = "brume_devices_mqtt_bridge_failures_total"
const queued = (front: BridgedFront): Promise<number> => front.metric("brume_devices_mqtt_bridge_queued_messages")
const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index))

interface Told {
  readonly state: string
  readonly since: string
  readonly lastError: string | null
}

/** What the bridge says of itself, newest last. */
const told = (peer: Peer): Told[] => peer.texts().map((text) => JSON.parse(text) as Told)

test("a remote broker that refuses the password is asked again, said once, and taken when it agrees", async ({
  skip,
}) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using folder = await temporaryFolder()
  const file = join(folder.path, "passwords")
  await run("mosquitto_passwd", ["-b", "-c", file, "site-7", "right"])
  await using far = await startMosquitto(["allow_anonymous false", `password_file ${file}`])
  let password = "wrong secret"
  const credentials = async () => ({ password: new Secret(password) })
  const bridge = bridgeTo(far.port, [{}], { username: "site-7", credentials })
  await using front = await openBridgedFront("a", [bridge])
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await here.subscribe("$SYS/broker/bridge/far/state")
  await until("several attempts failed", async () => (await front.metric(failures)) >= 3)
  expect(front.logger.messages("warn")).toEqual(["A bridge is not connected; it tries again"])
  expect(told(here).at(-1)).toMatchObject({ state: "disconnected", lastError: expect.stringMatching(/not authorized/) })
  password = "right"
  await until("it is connected", () => isConnected(front))
  await until("it says so", () => told(here).at(-1)?.state === "connected")
  expect(told(here).at(-1)?.lastError).toBeNull()
  expect(Date.parse(told(here).at(-1)?.since ?? "")).toBeGreaterThan(0)
  expect(JSON.stringify(front.logger.entries)).not.toMatch(/secret|right/)
})
test("a message that the remote broker refuses is said and given up, and others pass", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using folder = await temporaryFolder()
  const file = join(folder.path, "access")
  await writeFile(file, "topic readwrite open/#\n")
  await using far = await startMosquitto(["allow_anonymous true", `acl_file ${file}`])
  const maps = [
    { local: "open/#", remote: "open/#" },
    { local: "shut/#", remote: "shut/#" },
  ]
  await using front = await openBridgedFront("a", [bridgeTo(far.port, maps)])
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await there.subscribe("#")
  await until("connected", () => isConnected(front))
  await here.publish("shut/a", "refused")
  await here.publish("open/a", "taken")
  await until("it arrived", () => there.texts().includes("taken"))
  await until("nothing waits", async () => (await queued(front)) === 0)
  expect(there.texts()).not.toContain("refused")
  expect(await front.metric("brume_devices_mqtt_bridge_refused_messages_total")).toBe(1)
  expect(front.logger.messages("warn")).toContain("The remote broker refused a message, which is not sent again")
})

test("QoS 2 arrives exactly once over a link that is cut again and again", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  await using link = await openTcpProxy(far.port)
  const maps = [
    { direction: "out", local: "out/#", remote: "out/#", qos: 2 },
    { direction: "in", local: "in/#", remote: "in/#", qos: 2 },
  ] as const
  await using front = await openBridgedFront("a", [bridgeTo(link.port, maps)])
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await here.subscribe("in/#", 2)
  await there.subscribe("out/#", 2)
  await until("connected", () => isConnected(front))
  for (const text of numbers(400)) {
    const turn = Number(text)
    if (turn % 50 === 25) link.cut()
    if (turn % 50 === 35) link.restore()
    await Promise.all([here.publish("out/a", text, { qos: 2 }), there.publish("in/a", text, { qos: 2 })])
  }
  link.restore()
  await until("all arrived", () => here.arrived.length >= 400 && there.arrived.length >= 400)
  await until("nothing waits", async () => (await queued(front)) === 0)
  expect(here.texts()).toEqual(numbers(400))
  expect(there.texts()).toEqual(numbers(400))
})

test("a link that is silent is given up, and what waited arrives over the next", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  await using link = await openTcpProxy(far.port)
  await using front = await openBridgedFront("a", [
    bridgeTo(link.port, [{}], { keepAliveMs: 1_000, connectTimeoutMs: 500 }),
  ])
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await there.subscribe("t/#")
  await until("connected", () => isConnected(front))
  link.stall()
  for (const text of numbers(50)) await here.publish("t/a", text)
  await until("the link is given up", () => isConnected(front, 0))
  link.restore()
  await until("all arrived", () => there.arrived.length >= 50)
  expect([...new Set(there.texts())]).toEqual(numbers(50))
})

test("a message that the store here does not take comes again from the remote broker", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  await using front = await openBridgedFront("a", [bridgeTo(far.port, [{ direction: "in" }])])
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await here.subscribe("t/#", 1)
  await until("connected", () => isConnected(front))
  front.store.state = "full"
  // A retained message is one that the log must take.
  await there.publish("t/a", "kept", { retain: true })
  await until("it was refused here", async () => (await front.metric(failures)) >= 2)
  expect(here.texts()).toEqual([])
  front.store.state = "accepting"
  await until("it arrived", () => here.texts().includes("kept"))
})

test("a bridge that began while the disk was full loses nothing afterwards", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  await using link = await openTcpProxy(far.port)
  link.cut()
  const store = new MemoryStore()
  store.state = "full"
  const bridge = bridgeTo(link.port, [{}])
  {
    await using front = await openBridgedFront("a", [bridge], { store })
    await using here = await openPeer({ port: front.port, clientId: "here" })
    await expect(here.publish("t/a", "refused")).rejects.toThrow("refused with")
    store.state = "accepting"
    await until("the session is in the log", () => store.get("session", "session/$bridge/far") !== undefined)
    await here.publish("t/a", "taken")
  }
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await there.subscribe("t/#")
  link.restore()
  await using front = await openBridgedFront("a", [bridge], { store })
  await until("it arrived", () => there.texts().includes("taken"))
  expect(front.logger.messages("error")).toEqual([])
})

test("what is retained here is retained there, also when the remote broker forgot all", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  await using front = await openBridgedFront("a", [bridgeTo(far.port, [{}])])
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await here.publish("t/one", "at QoS 1", { retain: true })
  await here.publish("t/none", "at QoS 0", { retain: true, qos: 0 })
  const kept = async (): Promise<string[]> => {
    await using there = await openPeer({ port: far.port, clientId: "there" })
    await there.subscribe("t/#")
    await until("they are there", () => there.arrived.length >= 2, 2_000).catch(() => {})
    return there.arrived
      .filter(({ retain }) => retain)
      .map(({ text }) => text)
      .sort()
  }
  await until("they are kept", async () => (await kept()).length === 2)
  await far.kill()
  await until("the loss is seen", () => isConnected(front, 0))
  await far.start()
  await until("it is connected again", () => isConnected(front))
  await until("they are kept again", async () => (await kept()).length === 2)
  expect(await kept()).toEqual(["at QoS 0", "at QoS 1"])
})

test("a node that stops keeps what waits, and a bridge that is gone from the configuration is forgotten", async ({
  skip,
}) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  await using link = await openTcpProxy(far.port)
  const store = new MemoryStore()
  const bridge = bridgeTo(link.port, [{}])
  {
    await using front = await openBridgedFront("a", [bridge], { store })
    await using here = await openPeer({ port: front.port, clientId: "here" })
    link.cut()
    for (const text of numbers(20)) await here.publish("t/a", text)
    expect(await queued(front)).toBe(20)
  }
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await there.subscribe("t/#")
  link.restore()
  {
    await using front = await openBridgedFront("a", [bridge], { store })
    await until("all arrived", () => there.arrived.length >= 20)
    expect([...new Set(there.texts())]).toEqual(numbers(20))
    expect(front.logger.messages("warn")).toEqual([])
  }
  await using front = await openBridgedFront("a", [], { store })
  expect(front.logger.messages("warn")).toEqual(["A bridge is not configured any more and is forgotten"])
  await until("its records are gone", () => [...store.entries("session")].length === 0)
})

test("filters that are not wanted any more are taken back at the remote broker", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  const store = new MemoryStore()
  const old = { local: "old/#", remote: "old/#" }
  const kept = { local: "kept/#", remote: "kept/#" }
  {
    await using front = await openBridgedFront("a", [bridgeTo(far.port, [old, kept])], { store })
    await until("connected", () => isConnected(front))
  }
  await using front = await openBridgedFront("a", [bridgeTo(far.port, [kept])], { store })
  await until("connected", () => isConnected(front))
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await here.subscribe("#")
  await there.publish("old/a", "unwanted")
  await there.publish("kept/a", "wanted")
  await until("it arrived", () => here.arrived.length > 0)
  expect(here.texts()).toEqual(["wanted"])
  expect(await front.metric("brume_devices_mqtt_bridge_unmapped_messages_total")).toBe(0)
})

test("many filters are subscribed a few at a time, and taken back so", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  const store = new MemoryStore()
  const maps = numbers(30).map((name) => ({ local: `${name}/#`, remote: `far/${name}/#` }))
  {
    await using front = await openBridgedFront("a", [bridgeTo(far.port, maps)], { store })
    await using here = await openPeer({ port: front.port, clientId: "here" })
    await using there = await openPeer({ port: far.port, clientId: "there" })
    await here.subscribe("#")
    await until("connected", () => isConnected(front))
    for (const name of numbers(30)) await there.publish(`far/${name}/x`, name)
    await until("all arrived", () => here.arrived.length >= 30)
    expect(here.arrived.map(({ topic }) => topic)).toEqual(numbers(30).map((name) => `${name}/x`))
  }
  await using front = await openBridgedFront("a", [bridgeTo(far.port, maps.slice(0, 1))], { store })
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await until("connected", () => isConnected(front))
  for (const name of [...numbers(30).slice(1), "0"]) await there.publish(`far/${name}/x`, name)
  const received = "brume_devices_mqtt_bridge_received_messages_total"
  await until("the wanted one arrived", async () => (await front.metric(received)) > 0)
  expect(await front.metric(received)).toBe(1)
})

test("nobody from outside gets at a bridge's session", async () => {
  await using front = await openBridgedFront("a", [bridgeTo(1, [{}])])
  for (const version of [4, 5] as const)
    await expect(openPeer({ port: front.port, clientId: "$bridge/far", version, isClean: false })).rejects.toThrow(
      version === 4 ? "refused with 2" : "refused with 133",
    )
  expect(front.mqtt.disconnect("$bridge/far", { isForgotten: true })).toBe(false)
  expect(front.mqtt.client("$bridge/far")?.subscriptions).toEqual([{ filter: "t/#", qos: 1 }])
})

test("over TLS both sides know each other by certificates", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using folder = await temporaryFolder()
  const at = (name: string): string => join(folder.path, name)
  for (const name of ["server", "client", "stranger"]) {
    const files = ["-keyout", at(`${name}.key`), "-out", at(`${name}.crt`)]
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", `/CN=${name}`]
    const made = ["req", "-x509", ...kind, "-addext", "subjectAltName=IP:127.0.0.1", ...files]
    await run("openssl", made).catch(() => skip("openssl is not installed"))
  }
  const tls = [`certfile ${at("server.crt")}`, `keyfile ${at("server.key")}`, `cafile ${at("client.crt")}`]
  await using far = await startMosquitto([...tls, "require_certificate true", "use_identity_as_username true"])
  const read = (name: string): Promise<Buffer> => readFile(at(name))
  let [authority, own] = ["stranger.crt", "stranger"]
  const credentials = async () => ({
    authority: await read(authority),
    certificate: await read(`${own}.crt`),
    key: await read(`${own}.key`),
  })
  const bridge = bridgeTo(far.port, [{}], { url: `mqtts://127.0.0.1:${far.port}`, credentials })
  await using front = await openBridgedFront("a", [bridge])
  await using here = await openPeer({ port: front.port, clientId: "here" })
  await here.subscribe("$SYS/broker/bridge/far/state")
  await until("the server is refused", () => /self-signed/.test(told(here).at(-1)?.lastError ?? ""))
  authority = "server.crt"
  await until("we are refused", () => /closed|alert|reset/i.test(told(here).at(-1)?.lastError ?? ""))
  own = "client"
  await until("it is connected", () => isConnected(front))
})
