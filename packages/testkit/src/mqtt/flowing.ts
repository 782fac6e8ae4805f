/** Flow control, topic aliases and maximum packet sizes, both ways: chapters 3.1.2.11, 3.2.2.3 and 4.9. */
import { expect } from "vitest"
import { dropped } from "./endings.ts"
import { encodePublish } from "./packets.ts"
import type { Chapter, Trial } from "./trial.ts"

export function describeFlowing(chapter: Chapter): void {
  describeReceiveMaximum(chapter)
  describeAliases(chapter)
  describePacketSize(chapter)
}

/** A subscriber with this receive maximum, to whom ten messages are on their way. */
async function narrow(trial: Trial, receiveMaximum: number, qos: number) {
  const topic = trial.name()
  const client = await trial.client({ properties: { receiveMaximum } })
  await client.subscribe({ filter: topic, qos: 2 })
  const publisher = await trial.client()
  for (let turn = 0; turn < 10; turn++) await publisher.publish({ topic, payload: `${turn}`, qos })
  return { topic, client, publisher }
}

function describeReceiveMaximum({ v5 }: Chapter): void {
  v5("3.3.4-9 4.9.0-1 4.9.0-2", "no more QoS 1 messages in flight than the client's receive maximum", async (trial) => {
    const { client } = await narrow(trial, 3, 1)
    const inFlight: number[] = []
    for (let turn = 0; turn < 3; turn++) inFlight.push((await client.expect("publish")).id)
    await client.silence()
    for (let turn = 3; turn < 10; turn++) {
      client.acknowledge("puback", inFlight.shift()!)
      const next = await client.expect("publish")
      expect(next.payload.toString()).toBe(`${turn}`)
      inFlight.push(next.id)
      await client.ping()
    }
  })

  v5("3.3.4-9 4.9.0-2", "a QoS 2 message counts until its PUBCOMP", async (trial) => {
    const { client } = await narrow(trial, 1, 2)
    for (let turn = 0; turn < 4; turn++) {
      const { id, payload } = await client.expect("publish")
      expect(payload.toString()).toBe(`${turn}`)
      await client.ping()
      client.acknowledge("pubrec", id)
      await client.acknowledgement("pubrel", id)
      await client.silence(50)
      client.acknowledge("pubcomp", id)
    }
  })

  v5("4.9.0-2", "a PUBREC that refuses frees its place", async (trial) => {
    const { client } = await narrow(trial, 1, 2)
    const { id } = await client.expect("publish")
    client.acknowledge("pubrec", id, 0x80)
    expect((await client.expect("publish")).payload.toString()).toBe("1")
  })

  v5("3.3.4-10 4.9.0-3", "a full window delays PUBLISH of QoS 1 and 2 alone", async (trial) => {
    const { topic, client, publisher } = await narrow(trial, 1, 1)
    await client.expect("publish")
    expect((await client.subscribe(trial.name("/other"))).codes).toEqual([0])
    expect((await client.publish({ topic: trial.name("/third"), qos: 1 }))?.type).toBe("puback")
    await client.unsubscribe(trial.name("/other"))
    await client.ping()
    await publisher.publish({ topic, payload: "zero" })
    const [zero] = await client.payloads(1)
    expect(zero).toBe("zero")
  })

  v5("3.3.4-9", "the receive maximum holds for what waited in a session", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1 })
    await first.disconnect()
    const publisher = await trial.client()
    for (let turn = 0; turn < 5; turn++) await publisher.publish({ topic, payload: `${turn}`, qos: 1 })
    const again = await trial.client(trial.lasting(clientId, { receiveMaximum: 2 }))
    const held = [await again.expect("publish"), await again.expect("publish")]
    await again.silence()
    for (const { id } of held) again.acknowledge("puback", id)
    expect(await again.payloads(3)).toEqual(["2", "3", "4"])
  })

  v5("4.9.0-1", "a client that exceeds the broker's receive maximum is disconnected", async (trial) => {
    const client = await trial.client()
    const { receiveMaximum } = client.connack.properties
    if (receiveMaximum === undefined || receiveMaximum > 1_000)
      trial.context.skip("the broker's window is too wide to exceed")
    const topic = trial.name()
    const packets = Array.from({ length: receiveMaximum! + 1 }, (_, index) =>
      encodePublish(5, { topic, qos: 2, id: index + 1 }),
    )
    client.write(...packets)
    // Some of the answers may come before the end.
    const end = await client.take(({ type }) => type !== "pubrec").catch(() => undefined)
    if (end === undefined) expect(client.isEnded).toBe(true)
    else expect(end).toMatchObject({ type: "disconnect", code: 0x93 })
  })

  v5("4.9.0-1", "a client that fills the broker's receive maximum is served", async (trial) => {
    const client = await trial.client()
    const window = Math.min(client.connack.properties.receiveMaximum ?? 65_535, 500)
    const topic = trial.name()
    const ids = Array.from({ length: window }, (_, index) => index + 1)
    client.write(...ids.map((id) => encodePublish(5, { topic, qos: 2, id })))
    for (const id of ids) await client.acknowledgement("pubrec", id)
    for (const id of ids) client.acknowledge("pubrel", id)
    for (const id of ids) await client.acknowledgement("pubcomp", id)
    await client.ping()
  })
}

function describeAliases({ v5 }: Chapter): void {
  v5("3.3.2-12", "a client's topic alias stands for the topic that it named first", async (trial) => {
    const publisher = await trial.client()
    const { topicAliasMaximum = 0 } = publisher.connack.properties
    if (topicAliasMaximum === 0) trial.context.skip("the broker takes no aliases")
    const subscriber = await trial.client()
    await subscriber.subscribe({ filter: trial.name("/+"), qos: 1 })
    for (const topicAlias of [1, topicAliasMaximum]) {
      const topic = trial.name(`/${topicAlias}`)
      await publisher.publish({ topic, payload: "named", qos: 1, properties: { topicAlias } })
      await publisher.publish({ topic: "", payload: "alias", qos: 1, properties: { topicAlias } })
      for (const payload of ["named", "alias"]) {
        const message = await subscriber.message()
        expect(message.topic).toBe(topic)
        expect(message.payload.toString()).toBe(payload)
        // The subscriber asked for no aliases.
        expect(message.properties).toEqual({})
      }
    }
  })

  v5("3.3.2-12", "an alias may be given to another topic", async (trial) => {
    const client = await trial.client()
    if ((client.connack.properties.topicAliasMaximum ?? 0) === 0) trial.context.skip("the broker takes no aliases")
    await client.subscribe({ filter: trial.name("/+"), qos: 0 })
    for (const suffix of ["/a", "/b"]) {
      await client.publish({ topic: trial.name(suffix), properties: { topicAlias: 1 } })
      await client.publish({ topic: "", properties: { topicAlias: 1 } })
      expect((await client.message()).topic).toBe(trial.name(suffix))
      expect((await client.message()).topic).toBe(trial.name(suffix))
    }
  })

  v5("3.3.2-8", "topic alias 0 is refused", async (trial) => {
    const client = await trial.client()
    client.write(encodePublish(5, { topic: trial.name(), properties: { topicAlias: 0 } }))
    await dropped(client)
  })

  v5("3.3.2-9", "a topic alias above the broker's maximum is refused", async (trial) => {
    const client = await trial.client()
    const { topicAliasMaximum = 0 } = client.connack.properties
    if (topicAliasMaximum === 65_535) trial.context.skip("no alias is above the broker's maximum")
    client.write(encodePublish(5, { topic: trial.name(), properties: { topicAlias: topicAliasMaximum + 1 } }))
    await dropped(client, 0x94, 0x82)
  })

  v5("3.3.2-7", "aliases do not outlive their connection", async (trial) => {
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    if ((first.connack.properties.topicAliasMaximum ?? 0) === 0) trial.context.skip("the broker takes no aliases")
    await first.publish({ topic: trial.name(), qos: 1, properties: { topicAlias: 1 } })
    await first.disconnect()
    const again = await trial.client(trial.lasting(clientId))
    again.write(encodePublish(5, { topic: "", properties: { topicAlias: 1 } }))
    await dropped(again, 0x82, 0x94)
  })

  v5(
    "3.1.2-26 3.3.2-11",
    "the broker's aliases keep within the client's maximum, and stand for their topics",
    async (trial) => {
      const subscriber = await trial.client({ properties: { topicAliasMaximum: 2 } })
      await subscriber.subscribe({ filter: trial.name("/+"), qos: 1 })
      const publisher = await trial.client()
      const named = new Map<number, string>()
      for (let turn = 0; turn < 12; turn++) {
        const topic = trial.name(`/${turn % 4}`)
        await publisher.publish({ topic, qos: 1 })
        const message = await subscriber.message()
        const { topicAlias } = message.properties
        if (topicAlias !== undefined) {
          expect(topicAlias).toBeGreaterThan(0)
          expect(topicAlias).toBeLessThanOrEqual(2)
          if (message.topic !== "") named.set(topicAlias, message.topic)
        }
        expect(message.topic === "" ? named.get(topicAlias ?? 0) : message.topic).toBe(topic)
      }
    },
  )

  v5("3.1.2-27", "without the client's maximum the broker sends no aliases", async (trial) => {
    const client = await trial.client()
    const topic = trial.name()
    await client.subscribe(topic)
    for (let turn = 0; turn < 5; turn++) {
      await client.publish({ topic })
      expect(await client.message()).toMatchObject({ topic, properties: {} })
    }
  })
}

function describePacketSize({ v5 }: Chapter): void {
  v5("3.1.2-24 3.1.2-25", "a message too large for the client is left out, the next one comes", async (trial) => {
    const topic = trial.name()
    for (const qos of [0, 1, 2]) {
      const client = await trial.client({ properties: { maximumPacketSize: 100 } })
      await client.subscribe({ filter: topic, qos: 2 })
      const publisher = await trial.client()
      await publisher.publish({ topic, payload: Buffer.alloc(200), qos })
      await publisher.publish({ topic, payload: "small", qos })
      expect(await client.payloads(1)).toEqual(["small"])
      await client.disconnect()
    }
  })

  v5("3.1.2-25", "a message too large does not stay in the session", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId, { maximumPacketSize: 100 }))
    await first.subscribe({ filter: topic, qos: 1 })
    await (await trial.client()).publish({ topic, payload: Buffer.alloc(200), qos: 1 })
    await first.silence()
    await first.disconnect()
    await (await trial.client(trial.lasting(clientId))).silence()
  })

  v5("3.1.2-24", "the whole packet counts, to the byte", async (trial) => {
    const topic = trial.name()
    const maximumPacketSize = 120
    const client = await trial.client({ properties: { maximumPacketSize } })
    await client.subscribe(topic)
    const publisher = await trial.client()
    const head = 2 + 2 + topic.length + 1
    await publisher.publish({ topic, payload: Buffer.alloc(maximumPacketSize - head + 1, "x") })
    await publisher.publish({ topic, payload: Buffer.alloc(maximumPacketSize - head, "y") })
    expect((await client.message()).payload.length).toBe(maximumPacketSize - head)
  })

  v5("3.2.2-15", "a packet above the broker's maximum is refused", async (trial) => {
    const client = await trial.client()
    const { maximumPacketSize } = client.connack.properties
    if (maximumPacketSize === undefined) trial.context.skip("the broker names no maximum packet size")
    // The header says enough: no need to send it all.
    const packet = encodePublish(5, { topic: trial.name(), payload: Buffer.alloc(maximumPacketSize!) })
    client.write(packet.subarray(0, 1_000))
    await dropped(client, 0x95)
  })
}
