/** The examples, each on a node of its own, with the devices and hosts that it is about. */
import { readdir, readFile, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createClient } from "@brume/sdk"
import { connectAsync, type MqttClient } from "mqtt"
import { beforeAll, expect, onTestFinished, test } from "vitest"
import { type NodeProcess, runBrume, startNode, temporaryFolder, until } from "../rig/node-process.ts"

const examples = fileURLToPath(new URL("../../examples/", import.meta.url))
const limitMs = 60_000

interface Site {
  readonly node: NodeProcess
  readonly folder: string
  readonly client: ReturnType<typeof createClient>
  brume(...args: readonly string[]): Promise<string>
  write(reading: object): Promise<void>
  /** The example's file with other words in it, so that nobody has to wait for minutes. */
  adapted(path: string, words: readonly (readonly [before: string, after: string])[]): Promise<string>
}

async function site(args: readonly string[] = []): Promise<Site> {
  const folder = await temporaryFolder()
  const node = await startNode(join(folder.path, "data"), ["--mqtt", "127.0.0.1:0", ...args])
  onTestFinished(async () => {
    await node[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })
  return {
    node,
    folder: folder.path,
    client: createClient({ url: node.url, token: node.token }),
    async brume(...rest) {
      const end = await runBrume([...rest, "--url", node.url, "--token", node.token])
      expect(end, rest.join(" ")).toMatchObject({ code: 0 })
      return end.stdout
    },
    async write(reading) {
      const answer = await node.request("/v1/readings", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(reading),
      })
      expect(answer.ok, JSON.stringify(reading)).toBe(true)
    },
    async adapted(path, words) {
      let text = await readFile(join(examples, path), "utf8")
      for (const [before, after] of words) {
        expect(text).toContain(before)
        text = text.replaceAll(before, after)
      }
      const place = join(folder.path, "adapted.yaml")
      await writeFile(place, text)
      return place
    },
  }
}

interface Told {
  readonly command: string
  readonly input: unknown
}

/** A device that does what it is told, and what it was told so far. */
async function device({ node }: Site, name: string): Promise<Told[]> {
  const told: Told[] = []
  const mqtt = await mqttClient(node)
  mqtt.on("message", (_topic, payload) => {
    const { command, input, reply } = JSON.parse(payload.toString()) as Told & { readonly reply: string }
    told.push({ command, input })
    mqtt.publish(reply, JSON.stringify({ state: "done" }), { qos: 1 })
  })
  await mqtt.subscribeAsync(`devices/${name}/commands/+`, { qos: 1 })
  return told
}

async function mqttClient(node: NodeProcess): Promise<MqttClient> {
  const mqtt = await connectAsync(`mqtt://127.0.0.1:${node.mqttPort}`, { username: "x", password: node.token })
  onTestFinished(async () => void (await mqtt.endAsync(true)))
  return mqtt
}

const tested = ["cold-chain", "cold-storage", "dead-man-switch", "energy-saver", "vibration-check", "webhook-to-chat"]
const elsewhere = ["django-controls", "flask-dashboard"]
let found: string[] = []

beforeAll(async () => {
  found = (await readdir(examples, { withFileTypes: true })).filter((one) => one.isDirectory()).map(({ name }) => name)
})

test("every example is run by a test", () => {
  expect(found.sort()).toEqual([...tested, ...elsewhere].sort())
})

test("cold-chain: a truck that is warm for too long is cooled, and said to be", { timeout: limitMs }, async () => {
  const here = await site()
  const told = await device(here, "truck/1")
  await here.brume("deploy", join(examples, "cold-chain"), "--accept-unsandboxed")
  const now = Date.now()
  const write = (minute: number, value: number) =>
    here.write({ device: "truck/1", property: "temperature", value, time: now + minute * 60_000 })
  await write(-10, 4)
  await write(-9, 9)
  await write(-6, 9.5)
  await write(-3, 10)
  await until("it is cooled", () => told.length > 0)
  expect(told).toEqual([{ command: "cool", input: { minutes: 15 } }])
  const mqtt = await mqttClient(here.node)
  const message = new Promise<unknown>((resolve) =>
    mqtt.once("message", (_, payload) => resolve(JSON.parse(String(payload)))),
  )
  await mqtt.subscribeAsync("cold-chain/#")
  expect(await message).toEqual({ device: "truck/1", value: 10, minutes: 6 })
  const said = await here.brume(
    "invoke",
    "cold-chain",
    "--data",
    JSON.stringify({ device: "truck/2", value: 4, time: new Date(now) }),
    "--json",
  )
  expect(JSON.parse(said)).toEqual({ device: "truck/2", isWell: true })
})

test("energy-saver: lights follow schedules and people", { timeout: limitMs }, async () => {
  const here = await site()
  await here.brume("apply", "-f", join(examples, "energy-saver", "rules.yaml"))
  for (const name of ["lights-at-dusk", "lights-out", "night-setback", "morning-comfort"])
    expect(JSON.parse(await here.brume("describe", "rule", name, "--json"))).toMatchObject({
      status: { next: expect.stringMatching(/^20\d\d-/) },
    })
  const [lights, heating] = [await device(here, "hall/lights"), await device(here, "hall/heating")]
  const words = [
    ["30 22 * * *", "* * * * * *"],
    ["0 20 * * mon-fri", "* * * * * *"],
    ["for: 10m", "for: 1s"],
  ] as const
  await here.brume("apply", "-f", await here.adapted("energy-saver/rules.yaml", words))
  await until("both schedules fired", () => lights.length > 0 && heating.length > 0)
  expect(lights[0]).toEqual({ command: "set", input: { on: false } })
  expect(heating[0]).toEqual({ command: "set", input: { target: 16 } })
  await here.brume("delete", "rule", "lights-out")
  const before = lights.length
  await here.write({ device: "hall/motion", property: "occupied", value: 0 })
  await until("nobody is here", () => lights.length > before)
})

test("vibration-check: a failing bearing is told from a healthy machine", { timeout: limitMs }, async () => {
  const here = await site()
  await here.brume("deploy", join(examples, "vibration-check"), "--accept-unsandboxed")
  const mqtt = await mqttClient(here.node)
  const burst = (hit: number) => ({
    rate: 2_000,
    samples: Array.from({ length: 400 }, (_, at) => 0.1 * Math.sin(at / 3) + (at % 200 === 100 ? hit : 0)),
  })
  const send = (hit: number) => mqtt.publishAsync("machines/lathe/vibration", JSON.stringify(burst(hit)), { qos: 1 })
  for (let count = 0; count < 6; count++) await send(0)
  await send(2)
  const states = () =>
    here.node.sql<{ text: string; n: number }>(
      "SELECT text, count(*)::INTEGER AS n FROM readings WHERE device = 'machines/lathe' AND property = 'state' GROUP BY text ORDER BY text",
    )
  await until("all bursts are judged", async () => (await states()).reduce((sum, { n }) => sum + n, 0) === 7)
  expect(await states()).toEqual([
    { text: "spiky", n: 1 },
    { text: "well", n: 6 },
  ])
  expect(await here.brume("logs", "vibration-check")).toContain("lathe is spiky")
})

test("webhook-to-chat: the room hears of a freezer once, and when it is well", { timeout: limitMs }, async () => {
  const heard: { readonly text: string; readonly key: string | undefined }[] = []
  const chat = createServer((request, response) => {
    let body = ""
    request.on("data", (piece: Buffer) => {
      body += piece.toString()
    })
    request.on("end", () => {
      heard.push({
        text: (JSON.parse(body) as { text: string }).text,
        key: request.headers["idempotency-key"] as string,
      })
      response.end()
    })
  })
  await new Promise<void>((resolve) => chat.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void chat.close())
  const address = `127.0.0.1:${(chat.address() as AddressInfo).port}`
  const here = await site(["--set", `effects.webhooks.allow=${address}`])
  const words = [
    ["https://chat.example", `http://${address}`],
    ["for: 2m", "for: 1s"],
  ] as const
  await here.brume("apply", "-f", await here.adapted("webhook-to-chat/rules.yaml", words))
  const write = (value: number) => here.write({ device: "freezer/2", property: "temperature", value })
  await write(-9)
  await until("the room hears of it", () => heard.length > 0)
  await write(-8)
  await write(-19)
  await until("the room hears that it is well", () => heard.length > 1)
  expect(heard.map(({ text }) => text)).toEqual(["freezer/2 is at -9 °C", "freezer/2 is well again: -19 °C"])
  expect(new Set(heard.map(({ key }) => key)).size).toBe(2)
  const effects = []
  for await (const effect of here.client.effects.list()) effects.push(effect.state)
  expect(effects).toEqual(["done", "done"])
})

test("dead-man-switch: silence stops the press, and a sign of life clears the alarm", {
  timeout: limitMs,
}, async () => {
  const here = await site()
  const press = await device(here, "press/1")
  await here.brume("apply", "-f", await here.adapted("dead-man-switch/rules.yaml", [["silence: 30s", "silence: 1s"]]))
  const alive = () => here.write({ device: "badge/7", property: "alive", value: 1 })
  await alive()
  await until("the press is stopped", () => press.length > 0)
  expect(press).toMatchObject([
    { command: "stop", input: { reason: expect.stringContaining("badge/7 has been silent") } },
  ])
  const state = async () => (await here.client.alarms.get("worker-silent@badge/7")).state
  expect(await state()).toBe("raised")
  await alive()
  await until("the alarm is cleared", async () => (await state()) === "cleared")
})
