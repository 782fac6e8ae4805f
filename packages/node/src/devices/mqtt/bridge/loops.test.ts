import { FogError } from "@brume/core"
import { SeededRandom } from "@brume/testkit"
import { expect, test } from "vitest"
import { type BridgedFront, bridgeTo, openBridgedFront } from "../../../../../../test/rig/bridged-front.ts"
import { openPeer, type Peer } from "../../../../../../test/rig/mqtt-peer.ts"
import { sleep, until } from "../../../../../../test/rig/node-process.ts"
import { freePort, startMosquitto, withoutMosquitto } from "../../../../../../test/rig/remote-mosquitto.ts"
import type { Message, Qos } from "../message.ts"
import { encodeProperties } from "../wire/properties.ts"
import type { BridgeOptions } from "./options.ts"
import { type Arrival, Trails } from "./trails.ts"

const messages = 200
const texts = Array.from({ length: messages }, (_, index) => String(index))

interface Ring extends AsyncDisposable {
  readonly fronts: readonly BridgedFront[]
  readonly peers: readonly Peer[]
}

/** Nodes with one subscriber each; `bridges` says what node `index` bridges to, given all ports. */
async function openRing(
  count: number,
  bridges: (index: number, ports: readonly number[]) => readonly BridgeOptions[],
): Promise<Ring> {
  const ports = await Promise.all(Array.from({ length: count }, freePort))
  const fronts: BridgedFront[] = []
  const peers: Peer[] = []
  for (const [index, port] of ports.entries())
    fronts.push(await openBridgedFront("abcdef"[index]!, bridges(index, ports), { port }))
  for (const [index, port] of ports.entries()) {
    const peer = await openPeer({ port, clientId: `peer-${index}` })
    await peer.subscribe("t/#")
    peers.push(peer)
    const wanted = bridges(index, ports).length
    const name = "brume_devices_mqtt_bridge_connected"
    await until("its bridges are connected", async () => wanted === 0 || (await fronts[index]!.metric(name)) === wanted)
  }
  return {
    fronts,
    peers,
    [Symbol.asyncDispose]: async () => {
      for (const peer of peers) peer.end()
      for (const front of fronts) await front.mqtt.close()
    },
  }
}

/** Publishes at each node, and waits until nothing moves any more. */
async function publishEverywhere({ peers }: Ring): Promise<void> {
  await Promise.all(
    peers.flatMap((peer, index) => texts.map((text) => peer.publish(`t/from-${index}`, text, { qos: 1 }))),
  )
  const count = (): number => peers.reduce((sum, peer) => sum + peer.arrived.length, 0)
  await until("everything arrived", () => peers.every(({ arrived }) => arrived.length >= messages * peers.length))
  for (let before = -1; before !== count(); ) {
    before = count()
    await sleep(300)
  }
}

function expectOnceEach({ peers }: Ring): void {
  for (const peer of peers)
    for (const index of peers.keys())
      expect(peer.arrived.filter(({ topic }) => topic === `t/from-${index}`).map(({ text }) => text)).toEqual(texts)
}

test("two nodes that bridge each other both ways deliver each message once", async () => {
  await using ring = await openRing(2, (index, ports) => [
    bridgeTo(ports[1 - index]!, [{}], { clientId: `b-${index}` }),
  ])
  await publishEverywhere(ring)
  expectOnceEach(ring)
})

test("a ring of three, each bridging outwards to the next, delivers each message once", async () => {
  await using ring = await openRing(3, (index, ports) => [
    bridgeTo(ports[(index + 1) % 3]!, [{ direction: "out" }], { clientId: `b-${index}` }),
  ])
  await publishEverywhere(ring)
  expectOnceEach(ring)
})

test("a ring of three whose bridges go both ways delivers each message once", async () => {
  await using ring = await openRing(3, (index, ports) => [
    bridgeTo(ports[(index + 1) % 3]!, [{}], { clientId: `b-${index}` }),
  ])
  await publishEverywhere(ring)
  expectOnceEach(ring)
})

test("a ring through Mosquitto of 3.1.1 delivers each message once", async ({ skip }) => {
  if (withoutMosquitto !== undefined) skip(withoutMosquitto)
  await using far = await startMosquitto()
  await using ring = await openRing(2, (index) => [
    bridgeTo(far.port, [{}], { clientId: `b-${index}`, protocol: "3.1.1" }),
  ])
  await publishEverywhere(ring)
  expectOnceEach(ring)
})

const random = new SeededRandom(1)
const message = (properties: Uint8Array): Message => ({
  ...{ topic: "t", payload: new Uint8Array(0), qos: 1, retain: false, expiresAt: undefined },
  properties,
})
/** Its turn ends at once. */
const arrival = ({ qos = 1, error }: { qos?: Qos; error?: FogError }): Arrival => ({
  qos,
  afterwards: (call) => call(error),
  refuse: () => {},
})
const trailsOf = (digit: string): Trails => new Trails({ nodeId: digit.repeat(16), random })

test("a trail replaces the one before it and leaves other properties as they are", () => {
  const before = encodeProperties({ contentType: "text/plain", userProperties: [["a", "b"]] })
  const first = trailsOf("a").extend(message(before), 8)!
  expect(first.subarray(0, before.length)).toEqual(before)
  const second = trailsOf("b").extend(message(first), 8)!
  expect(second.length).toBe(first.length + ",".length + 16)
  expect(second.toString("latin1").split("brume-bridge").length).toBe(2)
})

test("a message goes no further than its hops, and not back", () => {
  const first = trailsOf("a").extend(message(new Uint8Array(0)), 2)!
  const second = trailsOf("b").extend(message(first), 2)!
  expect(trailsOf("c").extend(message(second), 2)).toBeUndefined()
  expect(trailsOf("a").extend(message(second), 8)).toBeUndefined()
  expect(trailsOf("a").admit(second, arrival({}))).toBe(false)
})

test("a message that was not stored may come again, one that was may not", () => {
  const trails = trailsOf("c")
  const properties = trailsOf("a").extend(message(new Uint8Array(0)), 8)!
  expect(trails.admit(properties, arrival({ error: new Error("full") as never }))).toBe(true)
  expect(trails.admit(properties, arrival({ qos: 0 }))).toBe(true)
  expect(trails.admit(properties, arrival({}))).toBe(true)
  expect(trails.admit(properties, arrival({}))).toBe(false)
})

test("a copy is not acknowledged when the first is not stored in the end", () => {
  const trails = trailsOf("c")
  const properties = trailsOf("a").extend(message(new Uint8Array(0)), 8)!
  const ends: ((error: FogError | undefined) => void)[] = []
  const refused: string[] = []
  for (const name of ["first", "second"])
    trails.admit(properties, { qos: 1, afterwards: (call) => ends.push(call), refuse: () => refused.push(name) })
  ends[0]!(new FogError("store_full", { message: "full" }))
  ends[1]!(undefined)
  expect(refused).toEqual(["second"])
})

test("a forged trail is no trail", () => {
  const forged = encodeProperties({ userProperties: [["brume-bridge", "x".repeat(16)]] })
  expect(trailsOf("a").admit(forged, arrival({}))).toBe(true)
  expect(trailsOf("a").extend(message(forged), 1)?.subarray(0, forged.length)).toEqual(forged)
})
