/** Commands and twins of the client against a whole node and a device over MQTT. */
import { expect, test } from "vitest"
import { openPeer } from "../../../test/rig/mqtt-peer.ts"
import { until } from "../../../test/rig/node-process.ts"
import { wholeNode } from "../../../test/rig/whole-node.ts"
import { createClient } from "./client.ts"

test("the client sends, starts, waits, lists and sets", async () => {
  await using whole = await wholeNode({ "mqtt.listen": "127.0.0.1:0", "mqtt.allowAnonymous": "true" })
  const port = Number(new URL(whole.node.mqttUrls[0]!).port)
  await using pump = await openPeer({ port, clientId: "pump" })
  await pump.subscribe("devices/pump/commands/#")
  const client = createClient({ url: whole.node.url, token: whole.secret })
  const started = await client.commands.start({ device: "pump", command: "start", input: [1] })
  expect(started).toMatchObject({ state: "pending", input: [1] })
  const waiting = client.commands.get(started.id, { wait: true })
  const sending = client.commands.send({ device: "pump", command: "stop", deadlineMs: 60_000 })
  await until("both", () => pump.arrived.length === 2)
  for (const { responseTopic = "" } of pump.arrived) await pump.publish(responseTopic, "4")
  expect([await waiting, await sending]).toMatchObject([
    { state: "done", output: 4 },
    { state: "done", output: 4 },
  ])
  const ids: string[] = []
  for await (const { id } of client.commands.list({ devices: ["#"], state: "done", pageSize: 1 })) ids.push(id)
  expect(ids).toEqual([(await sending).id, started.id])
  expect((await client.twins.set("pump", { speed: 3 })).delta).toEqual({ speed: 3 })
  await expect(client.twins.set("pump", { speed: 4 }, { ifVersion: 0 })).rejects.toMatchObject({
    code: "twin_conflict",
  })
  expect((await client.twins.get("pump")).desired.version).toBe(1)
})
