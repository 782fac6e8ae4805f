/**
 * A bridge between a real node and a real Mosquitto, each killed under load: what either side acknowledged arrives at the
 * other. Payloads are ids, so that exactly what is missing can be named.
 */
import { expect, test } from "vitest"
import { openPeer, type Peer } from "../rig/mqtt-peer.ts"
import { type NodeProcess, sleep, startNode, temporaryFolder, until } from "../rig/node-process.ts"
import { freePort, startMosquitto, withoutMosquitto } from "../rig/remote-mosquitto.ts"
import { openTcpProxy } from "../rig/tcp-proxy.ts"

const rounds = 4

/** Publishes ids until told to stop, connecting anew whenever the broker is gone; an id that was not acknowledged is given up. */
async function publishIds(port: number, clientId: string, topic: string, isOver: () => boolean): Promise<Set<number>> {
  const acknowledged = new Set<number>()
  let peer: Peer | undefined
  for (let id = 0; !isOver(); ) {
    if (peer?.isOpen !== true) peer = await openPeer({ port, clientId, version: 4 }).catch(() => undefined)
    if (peer === undefined) {
      await sleep(20)
      continue
    }
    const open = peer
    const burst = Array.from({ length: 10 }, () => id++)
    await Promise.all(
      burst.map((one) =>
        open.publish(topic, String(one)).then(
          () => acknowledged.add(one),
          () => {},
        ),
      ),
    )
    await sleep(2)
  }
  peer?.end()
  return acknowledged
}

const missing = (wanted: ReadonlySet<number>, got: Iterable<number>): number[] => {
  const there = new Set(got)
  return [...wanted].filter((id) => !there.has(id))
}

function settingsFor(mqttPort: number, remotePort: number): string[] {
  const bridge = {
    name: "far",
    url: `mqtt://127.0.0.1:${remotePort}`,
    clientId: "brume-e2e",
    firstRetryMs: "20ms",
    maxRetryMs: "200ms",
    topics: [
      { direction: "out", local: "out/#", remote: "site-7/out/#" },
      { direction: "in", local: "devices/#", remote: "site-7/in/#" },
    ],
  }
  const settings = [`mqtt.listen=127.0.0.1:${mqttPort}`, "mqtt.allowAnonymous=true"]
  return [...settings, `mqtt.bridges=${JSON.stringify([bridge])}`].flatMap((setting) => ["--set", setting])
}

const storedIds = async (node: NodeProcess): Promise<number[]> =>
  (await node.sql<{ id: number }>("SELECT value AS id FROM readings WHERE property = 'id'")).map(({ id }) => id)

test("kill -9 of the node under load loses nothing that either broker acknowledged", { timeout: 120_000 }, async ({
  skip,
}) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using folder = await temporaryFolder()
  await using far = await startMosquitto()
  const port = await freePort()
  const args = settingsFor(port, far.port)
  let node = await startNode(folder.path, args)
  await using there = await openPeer({ port: far.port, clientId: "there" })
  await there.subscribe("site-7/out/#")
  let isOver = false
  const outwards = publishIds(port, "device", "out/id", () => isOver)
  const inwards = publishIds(far.port, "far-device", "site-7/in/pump/id", () => isOver)
  for (let round = 0; round < rounds; round++) {
    await sleep(400 + round * 211)
    await node.end("SIGKILL")
    node = await startNode(folder.path, args)
  }
  await sleep(500)
  isOver = true
  const [sentOut, sentIn] = [await outwards, await inwards]
  const arrivedOut = (): number[] => there.texts().map(Number)
  await until("what the node acknowledged is at the remote broker", () => missing(sentOut, arrivedOut()).length === 0)
  await until("what it acknowledged is here", async () => missing(sentIn, await storedIds(node)).length === 0)
  expect(Math.min(sentOut.size, sentIn.size)).toBeGreaterThan(rounds * 50)
  // In order, but for what was sent again.
  const firsts = [...new Set(arrivedOut())]
  expect(firsts).toEqual([...firsts].sort((a, b) => a - b))
  expect(await node.end("SIGTERM")).toBe(0)
})

test("kill -9 of the remote broker under load loses nothing that the node acknowledged", { timeout: 120_000 }, async ({
  skip,
}) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using folder = await temporaryFolder()
  await using far = await startMosquitto()
  await using link = await openTcpProxy(far.port)
  const port = await freePort()
  await using node = await startNode(folder.path, settingsFor(port, link.port))
  const arrived: number[] = []
  let there: Peer
  // Without its state the remote broker knows no subscriber: ours is there before the bridge is.
  const listen = async (): Promise<void> => {
    there = await openPeer({ port: far.port, clientId: "there" })
    await there.subscribe("site-7/out/#", 0)
    link.restore()
  }
  await listen()
  let isOver = false
  const outwards = publishIds(port, "device", "out/id", () => isOver)
  for (let round = 0; round < rounds; round++) {
    await sleep(300 + round * 171)
    await far.kill()
    link.cut()
    // What was on its way to the subscriber is still read.
    await until("the subscriber is gone", () => !there.isOpen)
    arrived.push(...there!.texts().map(Number))
    await far.start()
    await listen()
  }
  await sleep(300)
  isOver = true
  const sent = await outwards
  const all = (): number[] => [...arrived, ...there.texts().map(Number)]
  await until("what the node acknowledged arrived", () => missing(sent, all()).length === 0)
  expect(sent.size).toBeGreaterThan(rounds * 50)
  const metrics = await (await node.request("/metrics")).text()
  expect(metrics).toMatch(/^brume_devices_mqtt_bridge_dropped_messages_total 0$/m)
  expect(metrics).toMatch(/^brume_devices_mqtt_bridge_connected 1$/m)
})
