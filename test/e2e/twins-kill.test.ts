/** Twins with a real process: kill -9 while people want and a device reports. What was acknowledged is in both halves, and retained. */
import { connectAsync } from "mqtt"
import { expect, test } from "vitest"
import { openBrumeBroker } from "../rig/brume-broker.ts"
import { openPeer } from "../rig/mqtt-peer.ts"
import { sleep, until } from "../rig/node-process.ts"

interface Twin {
  readonly desired: { readonly version: number; readonly values: { readonly n: number } }
  readonly reported: { readonly version: number; readonly values: { readonly n: number } }
}

test("kill -9 keeps what was acknowledged of twins, and what is retained is what is desired", async () => {
  const broker = await openBrumeBroker({ isInsecure: true })
  await using _closing = { [Symbol.asyncDispose]: () => broker.close() }
  let isOver = false
  let wanted = 0
  let reported = 0
  const want = async (): Promise<void> => {
    for (let n = 1; !isOver; n++) {
      const body = JSON.stringify({ desired: { n, [`only-${n % 3}`]: n } })
      const answer = await broker.node
        .request("/v1/devices/fan/twin", { method: "PATCH", headers: { "content-type": "application/json" }, body })
        .catch(() => undefined)
      if (answer?.ok === true) wanted = n
      await sleep(3)
    }
  }
  const device = await connectAsync({ host: "127.0.0.1", port: broker.port, reconnectPeriod: 40, clientId: "fan" })
  device.on("error", () => {})
  const report = async (): Promise<void> => {
    for (let n = 1; !isOver; n++) {
      await device.publishAsync("devices/fan/reported", JSON.stringify({ n }), { qos: 1 })
      reported = n
      await sleep(3)
    }
  }
  const working = [want(), report()]
  for (let round = 0; round < 4; round++) {
    await sleep(400 + round * 170)
    const before = { wanted, reported }
    await broker.restart()
    const twin = (await (await broker.node.request("/v1/devices/fan/twin")).json()) as Twin
    expect(twin.desired.values.n).toBeGreaterThanOrEqual(before.wanted)
    expect(twin.reported.values.n).toBeGreaterThanOrEqual(before.reported)
  }
  isOver = true
  await Promise.all(working)
  await device.endAsync(true)
  expect([wanted, reported].every((count) => count > 50)).toBe(true)
  const { desired } = (await (await broker.node.request("/v1/devices/fan/twin")).json()) as Twin
  await using fresh = await openPeer({ port: broker.port, clientId: "fresh" })
  await fresh.subscribe("devices/fan/desired")
  await until("what is retained", () => fresh.arrived.length > 0)
  expect(JSON.parse(fresh.texts()[0]!)).toEqual({ ...desired.values, $version: desired.version })
}, 120_000)
