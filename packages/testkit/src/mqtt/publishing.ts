/** PUBLISH and the flows of its three QoS: chapters 3.3 to 3.7, 4.3 and 4.6. */
import { expect } from "vitest"
import { encodePublish } from "./packets.ts"
import type { Chapter, Trial } from "./trial.ts"

/** A subscriber at QoS 2 and a publisher. */
async function pair(trial: Trial, qos = 2) {
  const topic = trial.name()
  const subscriber = await trial.client()
  await subscriber.subscribe({ filter: topic, qos })
  return { topic, subscriber, publisher: await trial.client() }
}

export function describePublishing({ both, v4, v5 }: Chapter): void {
  both(["4.3.1-1 4.5.0-1", "4.3.1-1 4.5.0-1"], "QoS 0 is delivered without an answer", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    await publisher.publish({ topic, payload: "zero" })
    expect(await subscriber.message()).toMatchObject({ topic, qos: 0, dup: false, retain: false })
    await publisher.ping()
  })

  both(
    ["4.3.2-2 2.3.1-6 3.3.4-1", "4.3.2-4 2.2.1-5 3.3.4-1"],
    "QoS 1 is answered by PUBACK with its packet id",
    async (trial) => {
      const { topic, subscriber, publisher } = await pair(trial)
      for (const id of [1, 2, 1000, 65_535]) {
        const answer = await publisher.publish({ topic, payload: `${id}`, qos: 1, id })
        expect(answer).toMatchObject({ type: "puback", id, code: 0 })
        expect(await subscriber.message()).toMatchObject({ qos: 1, dup: false })
      }
    },
  )

  both(
    ["4.3.3-2 2.3.1-6", "4.3.3-8 4.3.3-11 2.2.1-5"],
    "QoS 2 is answered by PUBREC and PUBCOMP with its packet id",
    async (trial) => {
      const { topic, subscriber, publisher } = await pair(trial)
      for (const id of [1, 65_535]) {
        publisher.write(encodePublish(trial.version, { topic, payload: "two", qos: 2, id }))
        expect(await publisher.expect("pubrec")).toMatchObject({ id, code: 0 })
        publisher.acknowledge("pubrel", id)
        expect(await publisher.expect("pubcomp")).toMatchObject({ id, code: 0 })
        expect(await subscriber.message()).toMatchObject({ qos: 2, dup: false })
      }
    },
  )

  v5("3.4.2-1 3.5.2-1", "without subscribers the reason is success or no matching subscribers", async (trial) => {
    const publisher = await trial.client()
    expect([0, 0x10]).toContain((await publisher.publish({ topic: trial.name(), qos: 1 }))?.code)
    const id = publisher.nextId()
    publisher.write(encodePublish(5, { topic: trial.name(), qos: 2, id }))
    expect([0, 0x10]).toContain((await publisher.acknowledgement("pubrec", id)).code)
  })

  both(
    ["4.3.2-2", "4.3.2-5"],
    "a QoS 1 packet id that was acknowledged is a new message, DUP or not",
    async (trial) => {
      const { topic, subscriber, publisher } = await pair(trial)
      await publisher.publish({ topic, payload: "a", qos: 1, id: 9 })
      await publisher.publish({ topic, payload: "b", qos: 1, id: 9 })
      await publisher.publish({ topic, payload: "c", qos: 1, id: 9, dup: true })
      expect(await subscriber.payloads(3)).toEqual(["a", "b", "c"])
    },
  )

  for (const [times, title] of [
    [1, "a QoS 2 message sent again before PUBREL is delivered once"],
    [3, "a QoS 2 message sent again and again before PUBREL is delivered once"],
  ] as const) {
    both(["4.3.3-2", "4.3.3-10"], title, async (trial) => {
      const { topic, subscriber, publisher } = await pair(trial)
      const packet = (dup: boolean) => encodePublish(trial.version, { topic, payload: "once", qos: 2, id: 3, dup })
      publisher.write(packet(false))
      await publisher.acknowledgement("pubrec", 3)
      for (let turn = 0; turn < times; turn++) {
        publisher.write(packet(true))
        expect((await publisher.acknowledgement("pubrec", 3)).code).toBeLessThan(0x80)
      }
      publisher.acknowledge("pubrel", 3)
      await publisher.acknowledgement("pubcomp", 3)
      await publisher.publish({ topic, payload: "sentinel", qos: 2 })
      expect(await subscriber.payloads(2)).toEqual(["once", "sentinel"])
    })
  }

  both(["4.3.3-2", "4.3.3-12"], "after PUBCOMP the packet id is a new message", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    await publisher.publish({ topic, payload: "a", qos: 2, id: 3 })
    await publisher.publish({ topic, payload: "b", qos: 2, id: 3 })
    expect(await subscriber.payloads(2)).toEqual(["a", "b"])
  })

  both(["4.3.3-2", "4.3.3-11"], "a PUBREL that comes again is completed again", async (trial) => {
    const { topic, publisher } = await pair(trial)
    await publisher.publish({ topic, qos: 2, id: 8 })
    publisher.acknowledge("pubrel", 8)
    const { code } = await publisher.acknowledgement("pubcomp", 8)
    expect(trial.version === 4 ? [0] : [0, 0x92]).toContain(code)
  })

  both(["4.3.3-2", "4.3.3-11"], "a PUBREL for nothing is answered, and harmless", async (trial) => {
    const client = await trial.client()
    client.acknowledge("pubrel", 4_321)
    const { code } = await client.acknowledgement("pubcomp", 4_321)
    expect(trial.version === 4 ? [0] : [0x92, 0]).toContain(code)
    await client.ping()
  })

  both(["4.3.3-1", "4.3.3-4 4.3.3-5"], "the broker answers PUBREC with PUBREL", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    await publisher.publish({ topic, qos: 2 })
    const { id } = await subscriber.expect("publish")
    subscriber.acknowledge("pubrec", id)
    expect(await subscriber.expect("pubrel")).toMatchObject({ id, code: 0 })
    // Once more: the first answer may have been lost.
    subscriber.acknowledge("pubrec", id)
    const again = await subscriber.expect("pubrel")
    expect(again.id).toBe(id)
    subscriber.acknowledge("pubcomp", id)
    await subscriber.ping()
  })

  v5("4.4.0-2", "a PUBREC that refuses ends the flow without PUBREL", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    await publisher.publish({ topic, payload: "refused", qos: 2 })
    const { id } = await subscriber.expect("publish")
    subscriber.acknowledge("pubrec", id, 0x83)
    await subscriber.ping()
    await publisher.publish({ topic, payload: "next", qos: 2 })
    expect(await subscriber.payloads(1)).toEqual(["next"])
  })

  v5("4.4.0-2", "a PUBACK that refuses counts as an acknowledgement", async (trial) => {
    const clientId = trial.name("s")
    const topic = trial.name()
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1 })
    await (await trial.client()).publish({ topic, payload: "refused", qos: 1 })
    const { id } = await first.expect("publish")
    first.acknowledge("puback", id, 0x97)
    await first.ping()
    await first.disconnect()
    await (await trial.client(trial.lasting(clientId))).silence()
  })

  both(["2.3.1-4 4.3.2-1", "2.2.1-4 4.3.2-1"], "messages in flight have different packet ids", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    for (let turn = 0; turn < 20; turn++) await publisher.publish({ topic, qos: 1 + (turn % 2) })
    const ids = new Set<number>()
    for (let turn = 0; turn < 20; turn++) ids.add((await subscriber.expect("publish")).id)
    expect(ids.size).toBe(20)
  })

  both(["3.3.1-3", "3.3.1-3"], "DUP of the publisher is not passed on", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    for (const qos of [1, 2]) await publisher.publish({ topic, qos, dup: true })
    expect(await subscriber.message()).toMatchObject({ qos: 1, dup: false })
    expect(await subscriber.message()).toMatchObject({ qos: 2, dup: false })
  })

  both(["3.8.4-6", "3.8.4-8"], "the QoS is the lower of publication and subscription", async (trial) => {
    const publisher = await trial.client()
    for (const granted of [0, 1, 2]) {
      const topic = trial.name(`q${granted}`)
      const subscriber = await trial.client()
      await subscriber.subscribe({ filter: topic, qos: granted })
      for (const qos of [0, 1, 2]) await publisher.publish({ topic, qos })
      for (const qos of [0, 1, 2]) expect((await subscriber.message()).qos).toBe(Math.min(qos, granted))
    }
  })

  both(
    ["4.6.0-6", "4.6.0-5 4.6.0-6"],
    "messages of one topic and QoS come in the order they were sent",
    async (trial) => {
      for (const qos of [0, 1, 2]) {
        const topic = trial.name(`o${qos}`)
        const subscriber = await trial.client()
        await subscriber.subscribe({ filter: topic, qos })
        const publisher = await trial.client()
        const wanted = Array.from({ length: 15 }, (_, turn) => `${turn}`)
        const packets = wanted.map((payload, turn) =>
          encodePublish(trial.version, { topic, payload, qos, id: turn + 1 }),
        )
        publisher.write(...packets)
        if (qos === 2) {
          for (let id = 1; id <= 15; id++) await publisher.acknowledgement("pubrec", id)
          for (let id = 1; id <= 15; id++) publisher.acknowledge("pubrel", id)
        }
        expect(await subscriber.payloads(15)).toEqual(wanted)
      }
    },
  )

  both(["4.6.0-2", "4.6.0-2"], "PUBACKs come in the order of their PUBLISHes", async (trial) => {
    const { topic, publisher } = await pair(trial, 0)
    const ids = [5, 3, 9, 1, 7]
    publisher.write(...ids.map((id) => encodePublish(trial.version, { topic, qos: 1, id })))
    for (const id of ids) expect((await publisher.expect("puback")).id).toBe(id)
  })

  both(["4.6.0-3", "4.6.0-3"], "PUBRECs come in the order of their PUBLISHes", async (trial) => {
    const { topic, publisher } = await pair(trial, 0)
    const ids = [5, 3, 9, 1, 7]
    publisher.write(...ids.map((id) => encodePublish(trial.version, { topic, qos: 2, id })))
    for (const id of ids) expect((await publisher.expect("pubrec")).id).toBe(id)
  })

  both(["4.6.0-4", "4.6.0-4"], "PUBRELs come in the order of the PUBRECs", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    for (let turn = 0; turn < 4; turn++) await publisher.publish({ topic, qos: 2 })
    const ids: number[] = []
    for (let turn = 0; turn < 4; turn++) ids.push((await subscriber.expect("publish")).id)
    ids.reverse()
    for (const id of ids) subscriber.acknowledge("pubrec", id)
    for (const id of ids) expect((await subscriber.expect("pubrel")).id).toBe(id)
  })

  both(["4.3.2-1", "4.3.2-3"], "acknowledgements for nothing do no harm", async (trial) => {
    const client = await trial.client()
    client.acknowledge("puback", 1_234)
    client.acknowledge("pubcomp", 1_234)
    await client.ping()
  })

  both(["4.5.0-1", "4.5.0-1"], "a publisher hears itself when it is subscribed", async (trial) => {
    const client = await trial.client()
    const topic = trial.name()
    await client.subscribe({ filter: topic, qos: 2 })
    for (const qos of [0, 1, 2]) {
      await client.publish({ topic, payload: `${qos}`, qos })
      expect(await client.payloads(1)).toEqual([`${qos}`])
    }
  })

  both("", "payloads arrive as they were sent: empty, every byte, 100 kB", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    const every = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
    const large = Buffer.alloc(100_000, "brume")
    for (const payload of [Buffer.alloc(0), every, large]) {
      await publisher.publish({ topic, payload, qos: 1 })
      expect((await subscriber.message()).payload.equals(payload)).toBe(true)
    }
  })

  both("", "remaining lengths around the borders of their encoding arrive", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    const head = 2 + topic.length + 2 + (trial.version === 5 ? 1 : 0)
    for (const border of [127, 128, 16_383, 16_384]) {
      const payload = Buffer.alloc(border - head, border)
      await publisher.publish({ topic, payload, qos: 1 })
      expect((await subscriber.message()).payload.equals(payload)).toBe(true)
    }
  })

  both("", "packets split and joined in any way are the same packets", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    const bytes = Buffer.concat(
      Array.from({ length: 12 }, (_, turn) =>
        encodePublish(trial.version, { topic, payload: `${turn}`.repeat(20), qos: 1, id: turn + 1 }),
      ),
    )
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size % 17) + 1) {
      publisher.write(bytes.subarray(at, at + size))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await subscriber.payloads(12)).toEqual(Array.from({ length: 12 }, (_, turn) => `${turn}`.repeat(20)))
  })

  v5("4.3.3-10", "a packet id in use by another flow does not disturb a QoS 2 flow", async (trial) => {
    const { topic, subscriber, publisher } = await pair(trial)
    // Client's and server's ids are independent: chapter 2.2.1.
    await publisher.subscribe({ filter: topic, qos: 2 })
    publisher.write(encodePublish(5, { topic, payload: "both ways", qos: 2, id: 1 }))
    await publisher.acknowledgement("pubrec", 1)
    publisher.acknowledge("pubrel", 1)
    await publisher.acknowledgement("pubcomp", 1)
    expect((await publisher.message()).payload.toString()).toBe("both ways")
    expect(await subscriber.payloads(1)).toEqual(["both ways"])
  })

  v4("", "a client of 5.0 hears a client of 3.1.1, and the reverse", async (trial) => {
    const topic = trial.name()
    const [four, five] = [await trial.client({ version: 4 }), await trial.client({ version: 5 })]
    await four.subscribe({ filter: topic, qos: 2 })
    await five.subscribe({ filter: topic, qos: 2 })
    await four.publish({ topic, payload: "from 4", qos: 2 })
    await five.publish({ topic, payload: "from 5", qos: 2, properties: { user: [["a", "b"]], contentType: "x" } })
    expect(await four.payloads(2)).toEqual(["from 4", "from 5"])
    const [first, second] = [await five.message(), await five.message()]
    expect(first!.properties).toEqual({})
    expect(second!.properties).toEqual({ user: [["a", "b"]], contentType: "x" })
  })
}
