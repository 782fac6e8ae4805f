/** SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, overlap, no local and identifiers: chapters 3.8 to 3.11 and 3.3.4. */
import { expect } from "vitest"
import { encodePublish, encodeSubscribe, encodeUnsubscribe } from "./packets.ts"
import type { Chapter } from "./trial.ts"

export function describeSubscribing(chapter: Chapter): void {
  describeAnswers(chapter)
  describeReplacing(chapter)
  describeUnsubscribing(chapter)
  describeOptions(chapter)
}

function describeAnswers({ both, v5 }: Chapter): void {
  both(
    ["3.8.4-1 3.8.4-2 2.3.1-7", "3.8.4-1 3.8.4-2 2.2.1-6"],
    "SUBACK carries the packet id of its SUBSCRIBE",
    async (trial) => {
      const client = await trial.client()
      for (const id of [1, 300, 65_535]) {
        client.write(encodeSubscribe(trial.version, id, [{ filter: trial.name() }]))
        expect(await client.expect("suback")).toMatchObject({ id, codes: [0] })
      }
    },
  )

  both(
    ["3.8.4-4 3.8.4-5 3.9.3-1 3.9.3-2", "3.8.4-5 3.8.4-6 3.8.4-7 3.9.3-1 3.9.3-2"],
    "SUBACK has a code for each filter, in order",
    async (trial) => {
      const client = await trial.client()
      const qos = [2, 0, 1, 1, 2]
      const { codes } = await client.subscribe(qos.map((one, index) => ({ filter: trial.name(`/${index}`), qos: one })))
      expect(codes).toEqual(qos)
      for (const index of qos.keys()) await client.publish({ topic: trial.name(`/${index}`), payload: `${index}` })
      expect(await client.payloads(5)).toEqual(["0", "1", "2", "3", "4"])
    },
  )

  both("3.8.4-4", "a hundred filters in one SUBSCRIBE all hold", async (trial) => {
    const client = await trial.client()
    const filters = Array.from({ length: 100 }, (_, index) => ({ filter: trial.name(`/${index}/+`), qos: 1 }))
    expect((await client.subscribe(filters)).codes).toEqual(filters.map(() => 1))
    await client.publish({ topic: trial.name("/99/a"), payload: "last" })
    expect(await client.payloads(1)).toEqual(["last"])
  })

  both(["3.3.2-3", "3.3.2-3"], "what is delivered fits the filter", async (trial) => {
    const client = await trial.client()
    await client.subscribe(trial.name("/a"))
    for (const suffix of ["/b", "/a/b", "", "/A", "/a"]) await client.publish({ topic: trial.name(suffix) })
    expect((await client.message()).topic).toBe(trial.name("/a"))
    await client.ping()
  })

  both(["3.3.5-1", "3.3.4-2"], "overlapping subscriptions deliver at the highest QoS", async (trial) => {
    const client = await trial.client()
    const topic = trial.name("/a")
    await client.subscribe([
      { filter: topic, qos: 0 },
      { filter: trial.name("/+"), qos: 2 },
      { filter: trial.name("/#"), qos: 1 },
    ])
    await (await trial.client()).publish({ topic, qos: 2 })
    // One copy at QoS 2, or one for each subscription.
    const found = [(await client.message()).qos]
    const sentinel = trial.name("/+/sentinel").replace("+", "s")
    await client.subscribe(sentinel)
    await client.publish({ topic: sentinel, payload: "sentinel" })
    for (let next = await client.message(); next.payload.toString() !== "sentinel"; next = await client.message()) {
      found.push(next.qos)
    }
    if (found.length === 1) expect(found).toEqual([2])
    else expect(found.sort()).toEqual([0, 1, 2])
  })

  v5("", "user properties in SUBSCRIBE and UNSUBSCRIBE are accepted", async (trial) => {
    const client = await trial.client()
    const { codes } = await client.subscribe(trial.name(), {
      user: [
        ["a", "b"],
        ["a", "c"],
      ],
    })
    expect(codes).toEqual([0])
  })
}

function describeReplacing({ both, v5 }: Chapter): void {
  both("3.8.4-3", "the same filter again replaces the subscription", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe({ filter: topic, qos: 0 })
    await client.subscribe({ filter: topic, qos: 2 })
    const publisher = await trial.client()
    await publisher.publish({ topic, payload: "once", qos: 2 })
    expect((await client.message()).qos).toBe(2)
    await client.subscribe({ filter: topic, qos: 0 })
    await publisher.publish({ topic, payload: "sentinel", qos: 2 })
    expect(await client.message()).toMatchObject({ qos: 0 })
    await client.ping()
  })

  both(
    ["3.8.4-3 3.3.1-6", "3.8.4-4 3.3.1-9"],
    "the same filter again brings retained messages again",
    async (trial) => {
      const topic = trial.name()
      const client = await trial.client()
      await client.publish({ topic, payload: "kept", retain: true, qos: 1 })
      for (let turn = 0; turn < 2; turn++) {
        await client.subscribe(topic)
        expect(await client.message()).toMatchObject({ retain: true })
      }
      await client.publish({ topic, retain: true, qos: 1 })
    },
  )

  both(["3.8.4-3", "3.8.4-4"], "replacing a subscription under load loses nothing", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe({ filter: topic, qos: 1 })
    const publisher = await trial.client()
    const total = 15
    for (let turn = 0; turn < total; turn++) {
      publisher.write(encodePublish(trial.version, { topic, payload: `${turn}`, qos: 1, id: turn + 1 }))
      client.write(encodeSubscribe(trial.version, 1_000 + turn, [{ filter: topic, qos: 1 }]))
    }
    const found: string[] = []
    while (found.length < total) {
      const packet = await client.take(({ type }) => type === "publish")
      if (packet.type !== "publish") continue
      found.push(packet.payload.toString())
      client.acknowledge("puback", packet.id)
    }
    expect(found).toEqual(Array.from({ length: total }, (_, turn) => `${turn}`))
  })

  v5("3.8.4-3", "a replaced subscription has the new identifier and options", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe(topic, { subscriptionIds: [1] })
    await client.subscribe({ filter: topic, retainAsPublished: true }, { subscriptionIds: [2] })
    await client.publish({ topic, retain: true, payload: "x" })
    expect(await client.message()).toMatchObject({ retain: true, properties: { subscriptionIds: [2] } })
    await client.subscribe({ filter: topic, retainHandling: 2 })
    await client.publish({ topic })
    expect((await client.message()).properties.subscriptionIds).toBeUndefined()
  })
}

function describeUnsubscribing({ both, v4, v5 }: Chapter): void {
  both(
    ["3.10.4-4 2.3.1-7", "3.10.4-4 3.10.4-5"],
    "UNSUBACK carries the packet id of its UNSUBSCRIBE",
    async (trial) => {
      const client = await trial.client()
      const filter = trial.name()
      await client.subscribe(filter)
      client.write(encodeUnsubscribe(trial.version, 4_711, [filter]))
      expect(await client.expect("unsuback")).toMatchObject({ id: 4_711 })
    },
  )

  both(["3.10.4-1 3.10.4-2", "3.10.4-1 3.10.4-2"], "after UNSUBSCRIBE nothing more comes", async (trial) => {
    const client = await trial.client()
    const [gone, kept] = [trial.name("/gone"), trial.name("/kept")]
    await client.subscribe([
      { filter: gone, qos: 1 },
      { filter: kept, qos: 1 },
    ])
    await client.unsubscribe(gone)
    await client.publish({ topic: gone, payload: "gone", qos: 1 })
    await client.publish({ topic: kept, payload: "kept", qos: 1 })
    expect(await client.payloads(1)).toEqual(["kept"])
  })

  both("3.10.4-1", "filters are compared by characters, not by what they match", async (trial) => {
    const client = await trial.client()
    await client.subscribe(trial.name("/+"))
    await client.unsubscribe(trial.name("/#"), trial.name("/a"), trial.name("/+/"))
    await client.publish({ topic: trial.name("/a"), payload: "still" })
    expect(await client.payloads(1)).toEqual(["still"])
    await client.unsubscribe(trial.name("/+"))
    await client.publish({ topic: trial.name("/a"), payload: "gone" })
    await client.silence()
  })

  v4("3.10.4-5", "UNSUBACK comes also for what was never subscribed", async (trial) => {
    const client = await trial.client()
    expect((await client.unsubscribe(trial.name())).type).toBe("unsuback")
  })

  v5("3.10.4-5 3.10.4-6 3.11.3-1 3.11.3-2", "UNSUBACK has a reason for each filter, in order", async (trial) => {
    const client = await trial.client()
    await client.subscribe([{ filter: trial.name("/a") }, { filter: trial.name("/c") }])
    const { codes } = await client.unsubscribe(trial.name("/a"), trial.name("/b"), trial.name("/c"))
    expect(codes).toEqual([0, 0x11, 0])
  })

  both("3.10.4-6", "several filters in one UNSUBSCRIBE all go", async (trial) => {
    const client = await trial.client()
    const filters = ["/a", "/b", "/c"].map((suffix) => trial.name(suffix))
    await client.subscribe(filters.map((filter) => ({ filter })))
    await client.unsubscribe(...filters)
    for (const topic of filters) await client.publish({ topic })
    await client.silence()
  })

  both("3.10.4-3", "a QoS 2 delivery that began is completed after UNSUBSCRIBE", async (trial) => {
    const client = await trial.client()
    const topic = trial.name()
    await client.subscribe({ filter: topic, qos: 2 })
    await client.publish({ topic, qos: 2 })
    const { id } = await client.expect("publish")
    await client.unsubscribe(topic)
    client.acknowledge("pubrec", id)
    expect(await client.expect("pubrel")).toMatchObject({ id, code: 0 })
    client.acknowledge("pubcomp", id)
    await client.ping()
  })

  both(["3.10.4-2", "3.10.4-2"], "an unsubscribed session finds nothing when it comes back", async (trial) => {
    const clientId = trial.name("s")
    const topic = trial.name()
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1 })
    await first.unsubscribe(topic)
    await first.disconnect()
    await (await trial.client()).publish({ topic, qos: 1 })
    await (await trial.client(trial.lasting(clientId))).silence()
  })
}

function describeOptions({ v5 }: Chapter): void {
  v5("3.8.3-3", "no local: a client does not hear itself, others hear it", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe({ filter: topic, noLocal: true, qos: 1 })
    const other = await trial.client()
    await other.subscribe(topic)
    await client.publish({ topic, payload: "own", qos: 1 })
    expect(await other.payloads(1)).toEqual(["own"])
    await other.publish({ topic, payload: "other", qos: 1 })
    expect(await client.payloads(1)).toEqual(["other"])
  })

  v5("3.8.3-3", "no local goes by client id, also over a reconnect", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, noLocal: true, qos: 1 })
    await first.disconnect()
    const again = await trial.client(trial.lasting(clientId))
    await again.publish({ topic, payload: "own", qos: 1 })
    await (await trial.client()).publish({ topic, payload: "other", qos: 1 })
    expect(await again.payloads(1)).toEqual(["other"])
  })

  v5("3.3.4-3", "a subscription identifier comes with its messages", async (trial) => {
    const client = await trial.client()
    if (client.connack.properties.subscriptionIdsAvailable === 0) trial.context.skip("the broker has no identifiers")
    for (const id of [1, 127, 128, 268_435_455]) {
      const topic = trial.name(`/${id}`)
      await client.subscribe({ filter: topic, qos: 1 }, { subscriptionIds: [id] })
      await client.publish({ topic, qos: 1 })
      expect((await client.message()).properties.subscriptionIds).toEqual([id])
    }
  })

  v5("3.3.4-3 3.3.4-4 3.3.4-5", "overlapping subscriptions bring all their identifiers", async (trial) => {
    const client = await trial.client()
    if (client.connack.properties.subscriptionIdsAvailable === 0) trial.context.skip("the broker has no identifiers")
    const topic = trial.name("/a")
    await client.subscribe({ filter: topic, qos: 1 }, { subscriptionIds: [3] })
    await client.subscribe({ filter: trial.name("/+"), qos: 1 }, { subscriptionIds: [4] })
    await client.subscribe({ filter: trial.name("/#"), qos: 1 })
    await client.publish({ topic, qos: 1 })
    const ids: number[] = []
    // In one copy, or in one for each subscription.
    for (let message = await client.message(); ; message = await client.message()) {
      ids.push(...(message.properties.subscriptionIds ?? []))
      if (ids.length >= 2) break
    }
    expect(ids.sort()).toEqual([3, 4])
  })

  v5("3.3.4-3", "retained messages and messages that waited carry the identifier", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    if (first.connack.properties.subscriptionIdsAvailable === 0) trial.context.skip("the broker has no identifiers")
    await first.publish({ topic, payload: "kept", retain: true, qos: 1 })
    await first.subscribe({ filter: topic, qos: 1 }, { subscriptionIds: [9] })
    expect((await first.message()).properties.subscriptionIds).toEqual([9])
    await first.ping()
    await first.disconnect()
    await (await trial.client()).publish({ topic, payload: "waited", qos: 1 })
    const again = await trial.client(trial.lasting(clientId))
    expect((await again.message()).properties.subscriptionIds).toEqual([9])
    await again.publish({ topic, retain: true, qos: 1 })
  })

  v5("3.3.4-6", "each subscriber gets its own identifiers alone", async (trial) => {
    const topic = trial.name()
    const [one, two, none] = [await trial.client(), await trial.client(), await trial.client()]
    if (one.connack.properties.subscriptionIdsAvailable === 0) trial.context.skip("the broker has no identifiers")
    await one.subscribe(topic, { subscriptionIds: [1] })
    await two.subscribe(topic, { subscriptionIds: [2] })
    await none.subscribe(topic)
    await none.publish({ topic })
    expect((await one.message()).properties.subscriptionIds).toEqual([1])
    expect((await two.message()).properties.subscriptionIds).toEqual([2])
    expect((await none.message()).properties.subscriptionIds).toBeUndefined()
  })
}
