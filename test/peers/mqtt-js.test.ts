/** mqtt.js, the client of most JavaScript programs, over TCP and WebSocket, in both versions. */

import type { MqttBroker } from "@brume/testkit"
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt"
import { afterAll, beforeAll, describe, expect, onTestFinished, type TestContext, test } from "vitest"
import { until } from "../rig/node-process.ts"
import { openPeerBroker } from "../rig/peer-broker.ts"

let broker: MqttBroker
beforeAll(async () => {
  broker = await openPeerBroker()
})
afterAll(() => broker.close())

const kinds = (["TCP", "WebSocket"] as const).flatMap((transport) =>
  ([4, 5] as const).map((version) => ({ transport, version })),
)

describe.each(kinds)("mqtt.js over $transport in version $version", ({ transport, version }) => {
  const name = (suffix: string): string => `peers/js/${transport}/${version}/${suffix}`

  async function client({ skip }: TestContext, options: IClientOptions = {}): Promise<MqttClient> {
    const { port, credentials, webSocketUrl } = broker
    if (transport === "WebSocket" && webSocketUrl === undefined) skip("the broker speaks no MQTT over WebSocket")
    const url = transport === "TCP" ? `mqtt://127.0.0.1:${port}` : webSocketUrl!
    const connected = await connectAsync(url, {
      protocolVersion: version,
      ...credentials,
      reconnectPeriod: 0,
      ...options,
    })
    onTestFinished(async () => {
      await connected.endAsync(true)
    })
    return connected
  }

  /** Messages as they come. */
  function hears(from: MqttClient): IPublishPacket[] {
    const packets: IPublishPacket[] = []
    from.on("message", (_topic, _payload, packet) => packets.push(packet))
    return packets
  }

  test.for([0, 1, 2] as const)("a hundred messages of QoS %i arrive in order", async (qos, context) => {
    const [subscriber, publisher] = [await client(context), await client(context)]
    const heard = hears(subscriber)
    await subscriber.subscribeAsync(name(`qos${qos}`), { qos })
    const wanted = Array.from({ length: 100 }, (_, index) => `${index}`)
    // Several at once, but fewer than any broker's receive maximum, which mqtt.js does not heed.
    for (let from = 0; from < 100; from += 10) {
      const some = wanted.slice(from, from + 10)
      await Promise.all(some.map((payload) => publisher.publishAsync(name(`qos${qos}`), payload, { qos })))
    }
    await until("a hundred messages", () => heard.length >= 100)
    expect(heard.map(({ payload }) => payload.toString())).toEqual(wanted)
    expect(heard.every((packet) => packet.qos === qos)).toBe(true)
  })

  test("a payload of 500 kB arrives", async (context) => {
    const one = await client(context)
    const heard = hears(one)
    await one.subscribeAsync(name("large"))
    const payload = Buffer.alloc(500_000, "0123456789")
    await one.publishAsync(name("large"), payload, { qos: 1 })
    await until("the payload", () => heard.length > 0)
    expect(payload.equals(heard[0]!.payload as Buffer)).toBe(true)
  })

  test("retained messages, a will, and the end of a subscription", async (context) => {
    const publisher = await client(context)
    await publisher.publishAsync(name("retained"), "kept", { qos: 1, retain: true })
    const reader = await client(context)
    const heard = hears(reader)
    await reader.subscribeAsync([name("retained"), name("will")], { qos: 1 })
    await until("the retained message", () => heard.length === 1)
    expect(heard[0]).toMatchObject({ retain: true, topic: name("retained") })
    const dying = await client(context, {
      will: { topic: name("will"), payload: Buffer.from("gone"), qos: 1, retain: false },
    })
    dying.stream.destroy()
    await until("the will", () => heard.length === 2)
    expect(heard[1]!.payload.toString()).toBe("gone")
    await reader.unsubscribeAsync(name("retained"))
    await publisher.publishAsync(name("retained"), "", { qos: 1, retain: true })
    await publisher.publishAsync(name("will"), "sentinel", { qos: 1 })
    await until("the sentinel", () => heard.length === 3)
    expect(heard[2]!.payload.toString()).toBe("sentinel")
  })

  test("a lasting session gets what came while it was away", async (context) => {
    const lasting: IClientOptions = {
      clientId: `js-${transport}-${version}`,
      clean: false,
      ...(version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}),
    }
    const first = await client(context, lasting)
    await first.subscribeAsync(name("away"), { qos: 2 })
    await first.endAsync()
    const publisher = await client(context)
    for (const payload of ["a", "b", "c"]) await publisher.publishAsync(name("away"), payload, { qos: 2 })
    const { port, credentials, webSocketUrl } = broker
    const url = transport === "TCP" ? `mqtt://127.0.0.1:${port}` : webSocketUrl!
    const { connect } = await import("mqtt")
    // The listener must be there before CONNACK: what waited comes right behind it.
    const again = connect(url, { protocolVersion: version, ...credentials, ...lasting, reconnectPeriod: 0 })
    onTestFinished(async () => {
      await again.endAsync(true)
    })
    const heard = hears(again)
    await until("what waited", () => heard.length === 3)
    expect(heard.map(({ payload }) => payload.toString())).toEqual(["a", "b", "c"])
  })

  test("a client that reconnects by itself goes on", async (context) => {
    const one = await client(context, { reconnectPeriod: 50 })
    const heard = hears(one)
    await one.subscribeAsync(name("again"), { qos: 1 })
    one.stream.destroy()
    await until("the reconnect", () => one.connected)
    const publisher = await client(context)
    // It subscribes again by itself, some time after it is connected.
    await until("a message", async () => {
      await publisher.publishAsync(name("again"), "x", { qos: 1 })
      return heard.length > 0
    })
  })

  test("properties of 5.0 go through, with subscription identifiers", async (context) => {
    if (version === 4) context.skip("3.1.1 has no properties")
    const one = await client(context)
    const heard = hears(one)
    await one.subscribeAsync(name("properties"), { qos: 1, properties: { subscriptionIdentifier: 7 } })
    const properties = {
      contentType: "text/plain",
      responseTopic: "answers",
      correlationData: Buffer.from([0, 255]),
      userProperties: { a: ["1", "2"], b: "3" },
      payloadFormatIndicator: true,
    }
    await one.publishAsync(name("properties"), "text", { qos: 1, properties })
    await until("the message", () => heard.length > 0)
    expect(heard[0]!.properties).toMatchObject({ ...properties, subscriptionIdentifier: 7 })
  })

  test("topic aliases of 5.0 are taken", async (context) => {
    if (version === 4) context.skip("3.1.1 has no aliases")
    const publisher = await client(context, { autoAssignTopicAlias: true })
    const reader = await client(context, { properties: { topicAliasMaximum: 5 } })
    const heard = hears(reader)
    await reader.subscribeAsync(name("alias/+"), { qos: 1 })
    for (let turn = 0; turn < 30; turn++) await publisher.publishAsync(name(`alias/${turn % 3}`), `${turn}`, { qos: 1 })
    await until("thirty messages", () => heard.length >= 30)
    expect(heard.map(({ payload }) => payload.toString())).toEqual(Array.from({ length: 30 }, (_, turn) => `${turn}`))
    expect(heard.map(({ topic }) => topic)).toEqual(Array.from({ length: 30 }, (_, turn) => name(`alias/${turn % 3}`)))
  })
})
