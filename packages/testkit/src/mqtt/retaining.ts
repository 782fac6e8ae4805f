/** Retained messages: chapters 3.3.1.3 and 3.8.3.1. */
import { expect } from "vitest"
import type { Chapter, Trial } from "./trial.ts"

/** A topic with a retained message, which is gone when the test ends well. */
async function retained(trial: Trial, more: { qos?: number; payload?: string } = {}) {
  const topic = trial.name()
  const publisher = await trial.client()
  await publisher.publish({ topic, payload: "kept", qos: 1, retain: true, ...more })
  return { topic, publisher, forget: () => publisher.publish({ topic, retain: true, qos: 1 }) }
}

export function describeRetaining({ both, v5 }: Chapter): void {
  both(
    ["3.3.1-5 3.3.1-6 3.3.1-8", "3.3.1-5 3.3.1-9"],
    "a new subscription gets the retained message, marked as such",
    async (trial) => {
      for (const qos of [0, 1, 2]) {
        const topic = trial.name(`/${qos}`)
        const publisher = await trial.client()
        await publisher.publish({ topic, payload: "kept", qos, retain: true })
        // QoS 0 has no answer that says it is there.
        await publisher.ping()
        const reader = await trial.client()
        await reader.subscribe({ filter: topic, qos: 2 })
        expect(await reader.message()).toMatchObject({ topic, qos, retain: true, dup: false })
        await publisher.publish({ topic, retain: true, qos: 1 })
      }
    },
  )

  both(["3.3.1-5", "3.3.1-5"], "the last retained message of a topic counts", async (trial) => {
    const { topic, publisher, forget } = await retained(trial)
    await publisher.publish({ topic, payload: "newer", qos: 1, retain: true })
    const reader = await trial.client()
    await reader.subscribe(topic)
    expect(await reader.payloads(1)).toEqual(["newer"])
    await reader.silence()
    await forget()
  })

  both(["3.3.1-6", "3.3.1-9"], "a wildcard gets all retained messages that fit, each once", async (trial) => {
    const publisher = await trial.client()
    const topics = ["/a", "/b", "/c/d"].map((suffix) => trial.name(suffix))
    for (const topic of topics) await publisher.publish({ topic, payload: "kept", retain: true, qos: 1 })
    const reader = await trial.client()
    await reader.subscribe(trial.name("/#"))
    const found = []
    for (let turn = 0; turn < 3; turn++) found.push((await reader.message()).topic)
    expect(found.sort()).toEqual(topics)
    await reader.silence()
    for (const topic of topics) await publisher.publish({ topic, retain: true, qos: 1 })
  })

  both(["3.3.1-9", "3.3.1-12"], "who is subscribed already gets it without the mark", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe(topic)
    await client.publish({ topic, payload: "live", retain: true, qos: 1 })
    expect(await client.message()).toMatchObject({ retain: false })
    await client.publish({ topic, retain: true, qos: 1 })
    expect(await client.message()).toMatchObject({ retain: false })
  })

  both(
    ["3.3.1-10 3.3.1-11", "3.3.1-6 3.3.1-7"],
    "an empty payload deletes, is delivered, and is not kept",
    async (trial) => {
      const { topic, publisher } = await retained(trial)
      const listener = await trial.client()
      await listener.subscribe({ filter: topic, qos: 1 })
      await listener.message()
      await publisher.publish({ topic, payload: "", qos: 1, retain: true })
      expect((await listener.message()).payload.length).toBe(0)
      const reader = await trial.client()
      await reader.subscribe(topic)
      await reader.silence()
    },
  )

  both(["3.3.1-12", "3.3.1-8"], "a message without the mark is not kept and replaces nothing", async (trial) => {
    const { topic, publisher, forget } = await retained(trial)
    await publisher.publish({ topic, payload: "passing", qos: 1 })
    await publisher.publish({ topic, payload: "", qos: 1 })
    const reader = await trial.client()
    await reader.subscribe(topic)
    expect(await reader.payloads(1)).toEqual(["kept"])
    await reader.silence()
    await forget()
  })

  both(["3.3.1-6", "3.3.1-9"], "a session that comes back is not a new subscription", async (trial) => {
    const { topic, forget } = await retained(trial)
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1 })
    await first.message()
    await first.ping()
    await first.disconnect()
    const again = await trial.client(trial.lasting(clientId))
    await again.silence()
    await forget()
  })

  both(["3.3.1-7", "3.3.1-5"], "a QoS 0 message replaces a retained one of QoS 2", async (trial) => {
    const { topic, publisher, forget } = await retained(trial, { qos: 2 })
    await publisher.publish({ topic, payload: "zero", retain: true })
    await publisher.ping()
    const reader = await trial.client()
    await reader.subscribe({ filter: topic, qos: 2 })
    expect((await reader.message()).payload.toString()).toBe("zero")
    await forget()
  })

  both(["3.8.4-6", "3.8.4-8"], "a retained message comes at the lower QoS of both", async (trial) => {
    const { topic, forget } = await retained(trial, { qos: 2 })
    for (const qos of [0, 1, 2]) {
      const reader = await trial.client()
      await reader.subscribe({ filter: topic, qos })
      expect((await reader.message()).qos).toBe(qos)
    }
    await forget()
  })

  describeHandling(v5)
}

function describeHandling(v5: Chapter["v5"]): void {
  v5("3.3.1-10", "retain handling 1 sends to a new subscription only", async (trial) => {
    const { topic, forget } = await retained(trial)
    const reader = await trial.client()
    await reader.subscribe({ filter: topic, retainHandling: 1 })
    await reader.message()
    await reader.subscribe({ filter: topic, retainHandling: 1 })
    await reader.silence()
    await reader.unsubscribe(topic)
    await reader.subscribe({ filter: topic, retainHandling: 1 })
    expect(await reader.payloads(1)).toEqual(["kept"])
    await forget()
  })

  v5("3.3.1-11", "retain handling 2 never sends", async (trial) => {
    const { topic, publisher, forget } = await retained(trial)
    const reader = await trial.client()
    await reader.subscribe({ filter: topic, retainHandling: 2 })
    await reader.silence()
    await publisher.publish({ topic, payload: "live" })
    expect(await reader.payloads(1)).toEqual(["live"])
    await forget()
  })

  v5("3.3.1-12 3.3.1-13", "retain as published keeps the publisher's mark, for each subscriber", async (trial) => {
    const topic = trial.name()
    const [plain, asPublished] = [await trial.client(), await trial.client()]
    await plain.subscribe({ filter: topic })
    await asPublished.subscribe({ filter: topic, retainAsPublished: true })
    const publisher = await trial.client()
    for (const retain of [true, false]) {
      await publisher.publish({ topic, payload: "x", retain, qos: 1 })
      expect(await plain.message()).toMatchObject({ retain: false })
      expect(await asPublished.message()).toMatchObject({ retain })
    }
    await publisher.publish({ topic, retain: true, qos: 1 })
  })

  v5("3.3.1-13", "retain as published holds for messages that waited", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1, retainAsPublished: true })
    await first.disconnect()
    const publisher = await trial.client()
    for (const retain of [true, false]) await publisher.publish({ topic, payload: "x", retain, qos: 1 })
    const again = await trial.client(trial.lasting(clientId))
    expect(await again.message()).toMatchObject({ retain: true })
    expect(await again.message()).toMatchObject({ retain: false })
    await publisher.publish({ topic, retain: true, qos: 1 })
  })

  v5("3.3.2-4 3.3.2-17 3.3.2-20", "a retained message keeps its properties", async (trial) => {
    const topic = trial.name()
    const publisher = await trial.client()
    const properties = {
      payloadFormat: 1,
      contentType: "a/b",
      user: [
        ["x", "1"],
        ["x", "2"],
      ] as const,
    }
    await publisher.publish({ topic, payload: "kept", retain: true, qos: 1, properties })
    const reader = await trial.client()
    await reader.subscribe(topic)
    expect((await reader.message()).properties).toEqual(properties)
    await publisher.publish({ topic, retain: true, qos: 1 })
  })

  v5("3.3.2-5", "a retained message goes when its expiry has passed", async (trial) => {
    const topic = trial.name()
    const publisher = await trial.client()
    await publisher.publish({ topic, payload: "brief", retain: true, qos: 1, properties: { messageExpiry: 1 } })
    await new Promise((resolve) => setTimeout(resolve, 2_300))
    const reader = await trial.client()
    await reader.subscribe(topic)
    await reader.silence()
  })
}
