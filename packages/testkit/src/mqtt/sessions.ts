/** Sessions: clean start, expiry, session present, offline queues, and what is sent again after a reconnect. */
import { expect } from "vitest"
import { encodeDisconnect, encodePublish } from "./packets.ts"
import type { Chapter, Trial } from "./trial.ts"

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Leaves a session with one subscription behind; returns its client id. */
async function leaveSession(trial: Trial, filter: string, qos = 1): Promise<string> {
  const clientId = trial.name("s")
  const client = await trial.client(trial.lasting(clientId))
  await client.subscribe({ filter, qos })
  await client.disconnect()
  return clientId
}

export function describeSessions({ both, v4, v5 }: Chapter): void {
  both(
    ["3.2.2-1 3.2.2-3 3.1.2-4", "3.2.2-2 3.2.2-3 3.1.2-6"],
    "a new session is not present, clean or not",
    async (trial) => {
      expect((await trial.client()).connack.sessionPresent).toBe(false)
      expect((await trial.client(trial.lasting(trial.name()))).connack.sessionPresent).toBe(false)
    },
  )

  both(
    ["3.2.2-2 3.1.2-4", "3.2.2-3 3.1.2-5"],
    "a session that was left is present again, with its subscriptions",
    async (trial) => {
      const topic = trial.name()
      const clientId = await leaveSession(trial, topic)
      const again = await trial.client(trial.lasting(clientId))
      expect(again.connack.sessionPresent).toBe(true)
      await again.publish({ topic, payload: "back" })
      expect(await again.payloads(1)).toEqual(["back"])
    },
  )

  both(
    ["3.1.2-6 3.2.2-1", "3.1.2-4 3.2.2-2"],
    "a clean start discards the session and its subscriptions",
    async (trial) => {
      const topic = trial.name()
      const clientId = await leaveSession(trial, topic)
      const clean = await trial.client({ clientId, clean: true })
      expect(clean.connack.sessionPresent).toBe(false)
      await clean.publish({ topic, qos: 1, payload: "lost" })
      await clean.silence()
      await clean.disconnect()
      expect((await trial.client(trial.lasting(clientId))).connack.sessionPresent).toBe(false)
    },
  )

  both(
    ["3.1.2-5", "3.1.2-23 4.5.0-1"],
    "messages of QoS 1 and 2 wait for an absent session, in order",
    async (trial) => {
      const topic = trial.name()
      const clientId = await leaveSession(trial, topic, 2)
      const publisher = await trial.client()
      for (let turn = 0; turn < 10; turn++) await publisher.publish({ topic, payload: `${turn}`, qos: 1 + (turn % 2) })
      const again = await trial.client(trial.lasting(clientId))
      const messages = []
      for (let turn = 0; turn < 10; turn++) messages.push(await again.message())
      expect(messages.map(({ payload }) => payload.toString())).toEqual([..."0123456789"])
      expect(messages.map(({ qos }) => qos)).toEqual([1, 2, 1, 2, 1, 2, 1, 2, 1, 2])
      // Never sent before, so nothing is sent again.
      expect(messages.some(({ dup }) => dup)).toBe(false)
    },
  )

  both(["4.5.0-1", "4.5.0-1"], "messages that reached nobody's connection are delivered once", async (trial) => {
    const topic = trial.name()
    const clientId = await leaveSession(trial, topic, 2)
    await (await trial.client()).publish({ topic, payload: "once", qos: 2 })
    const first = await trial.client(trial.lasting(clientId))
    expect(await first.payloads(1)).toEqual(["once"])
    await first.ping()
    await first.disconnect()
    const second = await trial.client(trial.lasting(clientId))
    await second.silence()
  })

  both("4.4.0-1 3.3.1-1", "an unacknowledged QoS 1 message comes again with DUP and its packet id", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1 })
    await first.publish({ topic, payload: "again", qos: 1 })
    const sent = await first.expect("publish")
    expect(sent).toMatchObject({ dup: false, qos: 1 })
    await first.vanish()
    const second = await trial.client(trial.lasting(clientId))
    const resent = await second.expect("publish")
    expect(resent).toMatchObject({ dup: true, qos: 1, id: sent.id, topic })
    expect(resent.payload.toString()).toBe("again")
    second.acknowledge("puback", resent.id)
    await second.ping()
    await second.disconnect()
    await (await trial.client(trial.lasting(clientId))).silence()
  })

  both(
    ["4.4.0-1 3.3.1-1 4.3.3-1", "4.4.0-1 3.3.1-1 4.3.3-3"],
    "a QoS 2 message without PUBREC comes again with DUP and its packet id",
    async (trial) => {
      const topic = trial.name()
      const clientId = trial.name("s")
      const first = await trial.client(trial.lasting(clientId))
      await first.subscribe({ filter: topic, qos: 2 })
      await first.publish({ topic, payload: "again", qos: 2 })
      const sent = await first.expect("publish")
      expect(sent).toMatchObject({ dup: false, qos: 2 })
      await first.vanish()
      const second = await trial.client(trial.lasting(clientId))
      const resent = await second.message()
      expect(resent).toMatchObject({ dup: true, qos: 2, id: sent.id })
      await second.ping()
    },
  )

  both(
    ["4.4.0-1 4.3.3-1", "4.4.0-1 4.3.3-5 4.3.3-6"],
    "after PUBREC the PUBREL comes again, never the PUBLISH",
    async (trial) => {
      const topic = trial.name()
      const clientId = trial.name("s")
      const first = await trial.client(trial.lasting(clientId))
      await first.subscribe({ filter: topic, qos: 2 })
      await first.publish({ topic, payload: "once", qos: 2 })
      const { id } = await first.expect("publish")
      first.acknowledge("pubrec", id)
      await first.acknowledgement("pubrel", id)
      await first.vanish()
      const second = await trial.client(trial.lasting(clientId))
      expect(await second.expect("pubrel")).toMatchObject({ id, code: 0 })
      second.acknowledge("pubcomp", id)
      await second.ping()
      await second.disconnect()
      await (await trial.client(trial.lasting(clientId))).silence()
    },
  )

  both("4.6.0-1", "what is sent again comes in the order in which it was sent first", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 2 })
    const publisher = await trial.client()
    for (let turn = 0; turn < 8; turn++) await publisher.publish({ topic, payload: `${turn}`, qos: 1 })
    const ids: number[] = []
    for (let turn = 0; turn < 8; turn++) ids.push((await first.expect("publish")).id)
    await first.vanish()
    const second = await trial.client(trial.lasting(clientId))
    for (let turn = 0; turn < 8; turn++) {
      const message = await second.message()
      expect(message).toMatchObject({ id: ids[turn], dup: true })
      expect(message.payload.toString()).toBe(`${turn}`)
    }
  })

  both(["4.4.0-1", "4.4.0-1"], "nothing is sent again while the connection lasts", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe({ filter: topic, qos: 1 })
    await client.publish({ topic, payload: "a", qos: 1 })
    await client.expect("publish")
    await client.silence(1_500)
  })

  both(
    ["3.1.2-4 4.3.3-2", "3.1.2-5 4.3.3-10"],
    "the broker remembers a QoS 2 packet id over a reconnect",
    async (trial) => {
      const topic = trial.name()
      const watcher = await trial.client()
      await watcher.subscribe({ filter: topic, qos: 2 })
      const clientId = trial.name("p")
      const packet = (dup: boolean) => encodePublish(trial.version, { topic, payload: "once", qos: 2, id: 77, dup })
      const first = await trial.client(trial.lasting(clientId))
      first.write(packet(false))
      await first.acknowledgement("pubrec", 77)
      await first.vanish()
      const second = await trial.client(trial.lasting(clientId))
      expect(second.connack.sessionPresent).toBe(true)
      second.write(packet(true))
      await second.acknowledgement("pubrec", 77)
      second.acknowledge("pubrel", 77)
      await second.acknowledgement("pubcomp", 77)
      await watcher.publish({ topic, payload: "sentinel", qos: 2 })
      expect(await watcher.payloads(2)).toEqual(["once", "sentinel"])
    },
  )

  both("4.3.3-2", "a PUBREL after a reconnect is completed", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("p")
    const first = await trial.client(trial.lasting(clientId))
    first.write(encodePublish(trial.version, { topic, payload: "once", qos: 2, id: 5 }))
    await first.acknowledgement("pubrec", 5)
    await first.vanish()
    const second = await trial.client(trial.lasting(clientId))
    second.acknowledge("pubrel", 5)
    expect(await second.acknowledgement("pubcomp", 5)).toMatchObject({ code: 0 })
  })

  both(["3.1.2-4", "3.1.2-5"], "a taken over session goes on where it was", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1 })
    await first.publish({ topic, payload: "held", qos: 1 })
    const { id } = await first.expect("publish")
    const second = await trial.client(trial.lasting(clientId))
    expect(second.connack.sessionPresent).toBe(true)
    expect(await second.message()).toMatchObject({ id, dup: true })
  })

  v4("3.1.2-6", "a clean session ends with its connection", async (trial) => {
    const clientId = trial.name("s")
    const first = await trial.client({ clientId, clean: true })
    await first.subscribe({ filter: trial.name(), qos: 1 })
    await first.disconnect()
    expect((await trial.client({ clientId, clean: false })).connack.sessionPresent).toBe(false)
  })

  v5("3.1.2-23 4.1.0-2", "without an expiry interval the session ends with its connection", async (trial) => {
    const clientId = trial.name("s")
    const first = await trial.client({ clientId, clean: false })
    await first.subscribe({ filter: trial.name(), qos: 1 })
    await first.disconnect()
    expect((await trial.client({ clientId, clean: false })).connack.sessionPresent).toBe(false)
  })

  v5("4.1.0-2", "a session ends when its expiry interval has passed", async (trial) => {
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId, { sessionExpiry: 1 }))
    await first.disconnect()
    await pause(2_600)
    expect((await trial.client(trial.lasting(clientId))).connack.sessionPresent).toBe(false)
  })

  v5("3.1.2-23", "an expiry interval of 0xFFFFFFFF does not pass", async (trial) => {
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId, { sessionExpiry: 0xffff_ffff }))
    await first.disconnect()
    await pause(1_200)
    const second = await trial.client(trial.lasting(clientId, { sessionExpiry: 0 }))
    expect(second.connack.sessionPresent).toBe(true)
  })

  v5("3.14.2-2", "DISCONNECT may change the expiry interval, also to the end of the session", async (trial) => {
    const longer = trial.name("l")
    await (await trial.client(trial.lasting(longer, { sessionExpiry: 1 }))).disconnect(0, { sessionExpiry: 60 })
    const shorter = trial.name("k")
    await (await trial.client(trial.lasting(shorter))).disconnect(0, { sessionExpiry: 0 })
    expect((await trial.client(trial.lasting(shorter))).connack.sessionPresent).toBe(false)
    await pause(2_100)
    expect((await trial.client(trial.lasting(longer))).connack.sessionPresent).toBe(true)
  })

  v5("", "an expiry interval of 0 in CONNECT cannot be raised by DISCONNECT", async (trial) => {
    const client = await trial.client()
    client.write(encodeDisconnect(5, 0, { sessionExpiry: 60 }))
    const last = await client.closed()
    if (last !== undefined) expect(last.code).toBe(0x82)
  })

  both(
    ["3.1.2-5", "4.5.0-1"],
    "QoS 0 messages while away are not required, and never disturb the others",
    async (trial) => {
      const topic = trial.name()
      const clientId = await leaveSession(trial, topic)
      const publisher = await trial.client()
      await publisher.publish({ topic, payload: "zero" })
      await publisher.publish({ topic, payload: "one", qos: 1 })
      const again = await trial.client(trial.lasting(clientId))
      const [first = ""] = await again.payloads(1)
      if (first === "zero") expect(await again.payloads(1)).toEqual(["one"])
      else expect(first).toBe("one")
    },
  )

  both(["3.1.2-7", ""], "retained messages outlive the session that published them", async (trial) => {
    const topic = trial.name()
    const publisher = await trial.client()
    await publisher.publish({ topic, payload: "kept", retain: true, qos: 1 })
    await publisher.disconnect()
    const reader = await trial.client()
    await reader.subscribe(topic)
    expect(await reader.payloads(1)).toEqual(["kept"])
    await reader.publish({ topic, retain: true, qos: 1 })
  })
}
