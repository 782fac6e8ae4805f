/** The demo's devices against the node's own front, with and without Python. */
import { execFileSync } from "node:child_process"
import type { Json } from "@brume/core"
import { expect, onTestFinished, test } from "vitest"
import { apiRig, machineClock } from "../../../../test/rig/api.ts"
import { openRigFront } from "../../../../test/rig/mqtt-front.ts"
import { openCommands } from "../../../node/src/devices/commands/commands.ts"
import { createMetrics } from "../../../node/src/metrics/metrics.ts"
import { openMqttDevices } from "./mqtt-devices.ts"
import type { Acted } from "./orders.ts"

async function opened() {
  const rig = await apiRig()
  const api = await rig.listen()
  onTestFinished(async () => {
    await api.close()
    await rig.mqtt.close()
  })
  // Over WebSocket there is no Python device.
  return { rig, mqttUrl: `${api.url.replace("http", "ws")}/mqtt` }
}

const act = (device: string, command: string, input: unknown): Acted =>
  command === "boost"
    ? { state: "done", output: { device, minutes: (input as { minutes: number }).minutes } }
    : { state: "failed", error: { code: "unknown_command", message: command } }

const connected = (rig: Awaited<ReturnType<typeof apiRig>>) =>
  rig.mqtt.clients({ limit: 1_000, isConnected: true }).clients.map(({ clientId }) => clientId)

test("each device has a connection of its own, and what it says becomes readings with its time", async () => {
  const { rig, mqttUrl } = await opened()
  const told: string[] = []
  const names = ["a/1", "a/2", "b/1"]
  const devices = await openMqttDevices({ mqttUrl, token: "t", names, act, tell: (line) => told.push(line) })
  await expect.poll(() => connected(rig)).toEqual(names)
  expect(told).toEqual([expect.stringContaining("a/1 is no Python device")])
  const time = Date.UTC(2025, 0, 1)
  await devices.add({ device: "a/1", property: "temperature", value: 4.2, time })
  await devices.add({ device: "b/1", property: "day/wind", value: 3, time })
  await devices.add({ device: "a/2", property: "door", value: "open", time })
  await expect.poll(() => rig.store.readings.length).toBe(3)
  expect(rig.store.readings.find(({ device }) => device === "a/1")).toMatchObject({ value: 4.2, time: time * 1_000 })
  await devices.close()
  expect(connected(rig)).toEqual([])
})

test("a device does what it is told and answers", async () => {
  const { rig, mqttUrl } = await opened()
  const devices = await openMqttDevices({ mqttUrl, token: "t", names: ["a/1", "a/2"], act, tell: () => {} })
  await expect.poll(() => rig.mqtt.client("a/2")?.subscriptions.length).toBe(1)
  const told = async (command: string, input: Json) => {
    const { id } = await rig.options.commands.start({ device: "a/2", command, input, source: "test" })
    return await rig.options.commands.ended(id)
  }
  expect(await told("boost", { minutes: 7 })).toMatchObject({ state: "done", output: { device: "a/2", minutes: 7 } })
  const failed = await told("fly", null)
  expect(failed).toMatchObject({ state: "failed", error: { code: "unknown_command", message: "fly" } })
  await devices.close()
})

test("more devices than connections share them", async () => {
  const { rig, mqttUrl } = await opened()
  const names = Array.from({ length: 130 }, (_, index) => `d/${index}`)
  const devices = await openMqttDevices({ mqttUrl, token: "t", names, act, tell: () => {} })
  await expect.poll(() => connected(rig).length, { timeout: 10_000 }).toBe(100)
  for (const device of names) await devices.add({ device, property: "p", value: 1, time: 0 })
  await expect.poll(() => rig.store.readings.length).toBe(130)
  await devices.close()
})

test("a device waits while much is unacknowledged, and closing lets it go", async () => {
  const { rig, mqttUrl } = await opened()
  const devices = await openMqttDevices({ mqttUrl, token: "t", names: ["a/1"], act, tell: () => {} })
  await expect.poll(() => connected(rig)).toEqual(["a/1"])
  const release = rig.store.hold()
  let waiting: Promise<void> | undefined
  for (let count = 0; waiting === undefined && count < 1_000; count++)
    waiting = devices.add({ device: "a/1", property: "p", value: count, time: 0 })
  expect(waiting).toBeDefined()
  await devices.close()
  await waiting
  release()
})

const hasPaho = ["python3", "/usr/bin/python3"].some((one) => {
  try {
    execFileSync(one, ["-c", "import paho.mqtt.client"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})
const noPaho = "there is no python3 with paho.mqtt: apt-get install python3-paho-mqtt"

test("the device in Python speaks through paho, and ends with the others", async (ctx) => {
  if (!hasPaho) ctx.skip(noPaho)
  const { store, logger, options } = await apiRig()
  const { random } = options
  const listen = { host: "127.0.0.1", port: 0 }
  const metrics = createMetrics()
  const commands = openCommands({ store, clock: machineClock, random, logger, metrics })
  const local = commands.replies
  const front = await openRigFront({ store, clock: machineClock, random, logger, metrics, listen, local })
  onTestFinished(() => front.close())
  const told: string[] = []
  const devices = await openMqttDevices({
    ...{ mqttUrl: front.urls[0]!, token: "t", names: ["a/1"], act },
    tell: (line) => told.push(line),
  })
  const ids = () => front.clients({ limit: 9, isConnected: true }).clients.map(({ clientId }) => clientId)
  await expect.poll(ids, { timeout: 10_000 }).toEqual(["a/1"])
  await devices.add({ device: "a/1", property: "temperature", value: 4.2, time: 0 })
  await expect.poll(() => store.readings.map(({ value }) => value)).toEqual([4.2])
  await expect.poll(() => front.client("a/1")?.subscriptions.length).toBe(1)
  commands.begin(front.own)
  const done = await commands.send({ device: "a/1", command: "boost", input: { minutes: 7 }, source: "test" })
  expect(done).toMatchObject({ state: "done", output: { device: "a/1", minutes: 7 } })
  await devices.close()
  await expect.poll(ids).toEqual([])
  expect(told).toEqual([expect.stringContaining("in Python (paho)")])
})

test("a Python device that ends is told of with its last words", async (ctx) => {
  if (!hasPaho) ctx.skip(noPaho)
  const told: string[] = []
  const devices = await openMqttDevices({
    ...{ mqttUrl: "mqtt://127.0.0.1:1", token: "t", names: ["a/1"], act },
    tell: (line) => told.push(line),
  })
  await expect.poll(() => told.join("\n"), { timeout: 10_000 }).toMatch(/goes on without Python\. .*refused/i)
  await devices.close()
})
