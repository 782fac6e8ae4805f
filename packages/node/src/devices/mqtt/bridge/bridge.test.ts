import { describe, expect, test } from "vitest"
import { bridgeTo, openBridgedFront } from "../../../../../../test/rig/bridged-front.ts"
import { openPeer } from "../../../../../../test/rig/mqtt-peer.ts"
import { sleep, until } from "../../../../../../test/rig/node-process.ts"
import { startMosquitto, withoutMosquitto } from "../../../../../../test/rig/remote-mosquitto.ts"
import { openTcpProxy } from "../../../../../../test/rig/tcp-proxy.ts"

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => String(from + index))

describe.each(["5.0", "3.1.1"] as const)("a bridge to Mosquitto, speaking %s", (protocol) => {
  test("carries messages both ways, renamed, once each", async ({ skip }) => {
    if (withoutMosquitto !== undefined) skip(withoutMosquitto)
    await using far = await startMosquitto()
    const maps = [{ local: "plant/#", remote: "site-7/plant/#" }] as const
    await using front = await openBridgedFront("a", [bridgeTo(far.port, maps, { protocol })])
    await using here = await openPeer({ port: front.port, clientId: "here" })
    await using there = await openPeer({ port: far.port, clientId: "there" })
    await here.subscribe("#")
    await there.subscribe("#")
    await until("connected", async () => (await front.metric("brume_devices_mqtt_bridge_connected")) === 1)
    await here.publish("plant/a/b", "out")
    await here.publish("other", "stays")
    await there.publish("site-7/plant/c", "in")
    await until("both arrived", () => here.texts().includes("in") && there.texts().includes("out"))
    await sleep(100)
    expect(here.arrived.map(({ topic, text }) => [topic, text]).sort()).toEqual([
      ["other", "stays"],
      ["plant/a/b", "out"],
      ["plant/c", "in"],
    ])
    expect(there.arrived.map(({ topic, text }) => [topic, text]).sort()).toEqual([
      ["site-7/plant/a/b", "out"],
      ["site-7/plant/c", "in"],
    ])
  })

  test("delivers in order what was acknowledged while the link was cut", async ({ skip }) => {
    if (withoutMosquitto !== undefined) skip(withoutMosquitto)
    await using far = await startMosquitto()
    await using link = await openTcpProxy(far.port)
    await using front = await openBridgedFront("a", [bridgeTo(link.port, [{}], { protocol })])
    await using here = await openPeer({ port: front.port, clientId: "here" })
    await using there = await openPeer({ port: far.port, clientId: "there" })
    await there.subscribe("t/out")
    await here.subscribe("t/in")
    await until("connected", async () => (await front.metric("brume_devices_mqtt_bridge_connected")) === 1)
    await here.publish("t/out", "0")
    link.cut()
    for (const text of numbers(500, 1)) await here.publish("t/out", text)
    for (const text of numbers(500)) await there.publish("t/in", text)
    expect(here.texts()).toEqual([])
    link.restore()
    await until("all arrived", () => there.arrived.length >= 501 && here.arrived.length >= 500)
    // The first may have been on its way when the link went, and come again.
    expect([...new Set(there.texts())]).toEqual(numbers(501))
    expect(there.arrived.length).toBeLessThanOrEqual(502)
    expect([...new Set(here.texts())]).toEqual(numbers(500))
    await until(
      "the queue is empty",
      async () => (await front.metric("brume_devices_mqtt_bridge_queued_messages")) === 0,
    )
  })
})
