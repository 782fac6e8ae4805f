import { RawClient, SilentLogger } from "@brume/testkit"
import { connectAsync } from "mqtt"
import { expect, onTestFinished, test } from "vitest"
import { MemoryStore } from "../../../../../test/rig/memory-store.ts"
import { openRigFront } from "../../../../../test/rig/mqtt-front.ts"
import { systemAmbient } from "../../ambient/ambient.ts"
import { createMetrics } from "../../metrics/metrics.ts"

async function openFront() {
  const store = new MemoryStore()
  const front = await openRigFront({
    ...{ ...systemAmbient(), store, logger: new SilentLogger(), metrics: createMetrics() },
    listen: { host: "127.0.0.1", port: 0 },
  })
  onTestFinished(() => front.close())
  const connect = async (protocolVersion: 4 | 5) => {
    const client = await connectAsync(front.urls[0]!, { protocolVersion })
    onTestFinished(() => client.endAsync(true))
    return client
  }
  return { store, connect, port: Number(new URL(front.urls[0]!).port) }
}

test("a content type of MQTT 5 says what a payload is, for that message alone", async () => {
  const { store, connect } = await openFront()
  const client = await connect(5)
  const pack = JSON.stringify([{ n: "temp", v: 4.2 }])
  const properties = { contentType: "application/senml+json" }
  await client.publishAsync("devices/fridge-1", pack, { qos: 1, properties })
  await client.publishAsync("devices/fridge-1", '{"temp":5}', { qos: 1 })
  await client.publishAsync("devices/fridge-1", pack, { qos: 1, properties })
  const seen = store.readings.map(({ device, property, value }) => `${device} ${property} ${value}`)
  expect(seen).toEqual(["fridge-1 temp 4.2", "fridge-1 temp 5", "fridge-1 temp 4.2"])
})

test("a message on a full disk is refused by 5.0 with its reason, and ends the connection of 3.1.1", async () => {
  const { store, connect } = await openFront()
  const five = await connect(5)
  const four = await connect(4)
  store.state = "full"
  await expect(five.publishAsync("devices/a/t", "1", { qos: 1 })).rejects.toMatchObject({ code: 0x97 })
  const closed = new Promise<void>((resolve) => four.once("close", resolve))
  four.publish("devices/a/t", "2", { qos: 1 })
  await closed
  expect(store.readings).toEqual([])
})

test("a PUBREL that comes again on a new connection has succeeded, as its PUBCOMP was lost", async () => {
  const { store, port } = await openFront()
  const session = { clientId: "sensor", clean: false, keepAlive: 60, properties: { sessionExpiry: 60 } }
  {
    await using first = await RawClient.open(port, 5)
    await first.connect(session)
    await first.publish({ topic: "devices/a/t", payload: "1", qos: 2, id: 7 })
  }
  await using again = await RawClient.open(port, 5)
  expect(await again.connect(session)).toMatchObject({ sessionPresent: true })
  again.acknowledge("pubrel", 7)
  expect(await again.acknowledgement("pubcomp", 7)).toMatchObject({ code: 0 })
  expect(store.readings).toHaveLength(1)
})
