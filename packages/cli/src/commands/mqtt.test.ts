/** `brume publish` and `brume subscribe` against the node's own front and, where it is installed, mosquitto. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { apiRig } from "../../../../test/rig/api.ts"
import { brume, folder, recordedTerminal } from "../../../../test/rig/recorded-terminal.ts"
import { problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { run } from "../main.ts"

async function nodeAt() {
  const rig = await apiRig()
  const api = await rig.listen()
  onTestFinished(async () => {
    await api.close()
    await rig.mqtt.close()
  })
  return { rig, api, url: ["--url", api.url] }
}

/** A subscription that runs; resolves when the broker knows it. */
async function subscribed(argv: readonly string[], isThere: () => boolean | Promise<boolean>) {
  const terminal = recordedTerminal()
  const end = run(["subscribe", ...argv], terminal)
  await expect.poll(isThere).toBe(true)
  return { terminal, end }
}

test("what publish sends, subscribe shows: text, JSON, bytes, and what came with them", async () => {
  const { rig, url } = await nodeAt()
  const path = join(await folder(), "bytes")
  await writeFile(path, Buffer.of(0, 1, 255))
  const isThere = () => rig.mqtt.clients({ limit: 9 }).clients.some(({ subscriptions }) => subscriptions.length > 0)
  const { terminal, end } = await subscribed(["cold/#", "--count", "5", ...url], isThere)
  const long = JSON.stringify({ a: [1, { b: "x".repeat(100) }] })
  const sent = await brume(["publish", "cold/door", "open", ...url])
  expect(sent).toEqual({ code: 0, stdout: "1 message acknowledged\n", stderr: "", bytes: expect.anything() })
  await brume(["publish", "cold/config", long, "--content-type", "application/json", ...url])
  await brume(["publish", "cold/raw", "--file", path, "--property", "unit=C", "--property", "unit=K", ...url])
  await brume(["publish", "cold/exact", '{"n":12345678901234567890}', "--qos", "2", ...url])
  await brume(["publish", "cold/short", '{"a":[1,{"b":2}]}', ...url])
  expect(await end).toBe(0)
  const pretty = JSON.stringify(JSON.parse(long), undefined, 2)
  expect(terminal.stdout()).toBe(
    `cold/door  open\ncold/config  [application/json]  ${pretty}\n` +
      "cold/raw  [unit=C,K]  hex 00 01 ff\n" +
      'cold/exact  {"n":12345678901234567890}\ncold/short  {"a":[1,{"b":2}]}\n',
  )
})

test("with --json each message is an object on a line", async () => {
  const { rig, url } = await nodeAt()
  await brume(["publish", "a/kept", "x", "--retain", "--expiry", "90s", "--response-topic", "a/answer", ...url])
  const isThere = () => rig.mqtt.clients({ limit: 9 }).clients.some(({ subscriptions }) => subscriptions.length > 0)
  const { terminal, end } = await subscribed(["a/+", "--count", "2", "--json", ...url], isThere)
  await brume(["publish", "a/raw", "--qos", "0", ...url], { input: oneChunk(Buffer.of(255)) })
  expect(await end).toBe(0)
  const [kept, raw] = terminal
    .stdout()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(kept).toEqual({
    ...{ topic: "a/kept", payload: "x", qos: 1, retain: true, received: expect.stringMatching(/Z$/) },
    ...{ responseTopic: "a/answer", expiryS: expect.any(Number) },
  })
  expect(raw).toEqual({ topic: "a/raw", base64: "/w==", qos: 0, retain: false, received: expect.any(String) })
})

async function* oneChunk(bytes: Uint8Array) {
  yield bytes
}

test("with --lines each line is a message, acknowledged when all are stored", async () => {
  const { rig, url } = await nodeAt()
  const input = Array.from({ length: 5_000 }, (_, index) => `${index}\n`).join("")
  const end = await brume(["publish", "devices/hall/room/level", "--lines", "--json", ...url], { input })
  expect(JSON.parse(end.stdout)).toEqual({ topic: "devices/hall/room/level", published: 5_000, acknowledged: true })
  expect(rig.store.readings.map(({ value }) => value)).toEqual(Array.from({ length: 5_000 }, (_, index) => index))
})

test("Ctrl-C ends a subscription with 0, and a publication that waits with 130", async () => {
  const { rig, url } = await nodeAt()
  const isThere = () => rig.mqtt.clients({ limit: 9 }).clients.some(({ subscriptions }) => subscriptions.length > 0)
  const { terminal, end } = await subscribed(["a", ...url], isThere)
  terminal.interrupt()
  expect(await end).toBe(0)
  await expect.poll(() => rig.mqtt.clients({ limit: 9 }).clients).toEqual([])
  const waiting = recordedTerminal({ input: never() })
  const publishing = run(["publish", "a", "--lines", ...url], waiting)
  await expect.poll(() => rig.mqtt.clients({ limit: 9 }).clients.length).toBe(1)
  waiting.interrupt()
  expect(await publishing).toBe(130)
})

async function* never(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {})
  yield Buffer.of(0)
}

test("too few messages in the time is a failure that may pass; a time alone is none", async () => {
  const { url } = await nodeAt()
  const few = await brume(["subscribe", "a", "--count", "1", "--timeout", "50ms", ...url])
  expect([few.code, few.stdout]).toEqual([6, ""])
  expect(few.stderr).toContain("0 of 1 messages")
  expect((await brume(["subscribe", "a", "--timeout", "50ms", ...url])).code).toBe(0)
})

test("an administrator's disconnection ends a subscription, and says so", async () => {
  const { rig, url } = await nodeAt()
  const isThere = () => rig.mqtt.clients({ limit: 9 }).clients.some(({ subscriptions }) => subscriptions.length > 0)
  const { terminal, end } = await subscribed(["a", ...url], isThere)
  rig.mqtt.disconnect(rig.mqtt.clients({ limit: 1 }).clients[0]!.clientId, { isForgotten: false })
  expect(await end).toBe(4)
  expect(terminal.stderr()).toContain("administrator")
})

test("where nobody answers the code is 3, where a node is too old it says so", async () => {
  const gone = await scriptedNode()
  await gone.vanish()
  const end = await brume(["publish", "a", "b", "--url", gone.url])
  expect([end.code, end.stdout]).toEqual([3, ""])
  expect(end.stderr).toContain("nothing listens there")
  expect((await brume(["subscribe", "a", "--mqtt-url", gone.url.replace("http", "mqtt")])).code).toBe(3)
  await using old = await scriptedNode((_request, response) => problem(response, 404, { code: "not_found" }))
  const refused = await brume(["publish", "a", "b", "--url", old.url])
  expect(refused.code).toBe(5)
  expect(refused.stderr).toContain("older")
})

test.each([
  [["publish", "a/+", "x"], "wildcard"],
  [["publish", "", "x"], "is empty"],
  [["publish", "a"], "no payload"],
  [["publish", "a", "x", "--lines"], "Give one of them"],
  [["publish", "a", "x", "--property", "=1"], "no name"],
  [["publish", "a", "x", "--qos", "3"], "qos"],
  [["publish", "a", "x", "--mqtt-url", "http://x"], "--mqtt-url"],
  [["publish", "a", "x", "--password-file", "p"], "no name"],
  [["subscribe", "a/#/b"], "last level"],
  [["subscribe", "$share/g/a+"], "inside a level"],
  [["subscribe", "a", "--count", "0"], "--count"],
])("%j is refused with its remedy, before anybody is asked", async (argv, why) => {
  const end = await brume([...argv, ...(argv.includes("--mqtt-url") ? [] : ["--url", "http://127.0.0.1:1"])])
  expect([end.code, end.stdout]).toEqual([2, ""])
  expect(end.stderr).toContain(why)
})

const mosquitto = (() => {
  try {
    return execFileSync("sh", ["-c", "command -v mosquitto || ls /usr/sbin/mosquitto"]).toString().trim()
  } catch {
    return undefined
  }
})()

test("another broker is spoken to as well: mosquitto", async (ctx) => {
  if (mosquitto === undefined) return ctx.skip("mosquitto is not installed")
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const { port } = probe.address() as AddressInfo
  probe.close()
  const broker = spawn(mosquitto, ["-p", String(port)], { stdio: "ignore" })
  onTestFinished(() => void broker.kill())
  const at = ["--mqtt-url", `mqtt://127.0.0.1:${port}`]
  await expect
    .poll(async () => (await brume(["publish", "a/kept", "first", "--retain", ...at])).code, {
      timeout: 10_000,
    })
    .toBe(0)
  const input = Array.from({ length: 500 }, (_, index) => `${index}\n`).join("")
  const terminal = recordedTerminal()
  const end = run(["subscribe", "a/#", "--json", "--count", "501", ...at], terminal)
  await expect.poll(() => terminal.stdout()).toContain("first")
  expect(await brume(["publish", "a/b", "--lines", ...at], { input })).toMatchObject({
    code: 0,
    stdout: "500 messages acknowledged\n",
  })
  expect(await end).toBe(0)
  const lines = terminal.stdout().trimEnd().split("\n").slice(1)
  expect(lines.map((line) => JSON.parse(line).payload)).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
})
