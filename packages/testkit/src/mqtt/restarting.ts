/** What a broker that was killed (-9) still knows: everything that it acknowledged. Chapter 4.1, and Brume's I1. */
import { expect } from "vitest"
import { encodePublish } from "./packets.ts"
import type { Chapter, Client, Trial } from "./trial.ts"

const restart = (trial: Trial): Promise<void> => trial.broker.restart!()

/** Before anything is done in vain. */
function needsRestart(trial: Trial): void {
  const { restart, whyNoRestart } = trial.broker
  if (restart === undefined) trial.context.skip(whyNoRestart ?? "the broker does not keep its state over a kill")
}

async function subscribed(trial: Trial, clientId: string, filter: string, qos: number): Promise<Client> {
  const client = await trial.client(trial.lasting(clientId))
  expect((await client.subscribe({ filter, qos })).codes).toEqual([qos])
  return client
}

export function describeRestarting({ both, v5 }: Chapter): void {
  const limitMs = 60_000

  both(
    ["4.1.0-1 3.1.2-4", "4.1.0-1 3.1.2-5"],
    "sessions and subscriptions survive a kill",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const clientId = trial.name("s")
      await subscribed(trial, clientId, topic, 1)
      await restart(trial)
      const again = await trial.client(trial.lasting(clientId))
      expect(again.connack.sessionPresent).toBe(true)
      await again.publish({ topic, payload: "back", qos: 1 })
      expect(await again.payloads(1)).toEqual(["back"])
    },
    limitMs,
  )

  both(
    ["4.1.0-1 3.1.2-5", "4.1.0-1 3.1.2-23"],
    "acknowledged messages for an absent session survive a kill, in order",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const clientId = trial.name("s")
      await (await subscribed(trial, clientId, topic, 2)).disconnect()
      const publisher = await trial.client()
      for (let turn = 0; turn < 10; turn++) await publisher.publish({ topic, payload: `${turn}`, qos: 1 + (turn % 2) })
      await restart(trial)
      const again = await trial.client(trial.lasting(clientId))
      expect(again.connack.sessionPresent).toBe(true)
      expect(await again.payloads(10)).toEqual([..."0123456789"])
    },
    limitMs,
  )

  both(
    "4.4.0-1",
    "a QoS 1 message in flight comes again after a kill",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const clientId = trial.name("s")
      const first = await subscribed(trial, clientId, topic, 1)
      await (await trial.client()).publish({ topic, payload: "held", qos: 1 })
      const { id } = await first.expect("publish")
      await restart(trial)
      const again = await trial.client(trial.lasting(clientId))
      const resent = await again.message()
      expect(resent).toMatchObject({ id, dup: true, qos: 1 })
      expect(resent.payload.toString()).toBe("held")
    },
    limitMs,
  )

  both(
    ["4.4.0-1 4.3.3-1", "4.4.0-1 4.3.3-5 4.3.3-6"],
    "after PUBREC, the PUBREL comes again after a kill, not the PUBLISH",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const clientId = trial.name("s")
      const first = await subscribed(trial, clientId, topic, 2)
      await (await trial.client()).publish({ topic, payload: "once", qos: 2 })
      const { id } = await first.expect("publish")
      first.acknowledge("pubrec", id)
      // The PUBREL says that the broker has the PUBREC.
      await first.acknowledgement("pubrel", id)
      await restart(trial)
      const again = await trial.client(trial.lasting(clientId))
      expect(await again.expect("pubrel")).toMatchObject({ id })
      again.acknowledge("pubcomp", id)
      await again.silence()
    },
    limitMs,
  )

  both(
    ["4.3.3-2", "4.3.3-10"],
    "a QoS 2 packet id that was answered by PUBREC is remembered over a kill",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const watcherId = trial.name("w")
      const watcher = await subscribed(trial, watcherId, topic, 2)
      const clientId = trial.name("p")
      const packet = (dup: boolean) => encodePublish(trial.version, { topic, payload: "once", qos: 2, id: 77, dup })
      const first = await trial.client(trial.lasting(clientId))
      first.write(packet(false))
      await first.acknowledgement("pubrec", 77)
      await restart(trial)
      expect(watcher.isEnded).toBe(true)
      const again = await trial.client(trial.lasting(clientId))
      expect(again.connack.sessionPresent).toBe(true)
      again.write(packet(true))
      await again.acknowledgement("pubrec", 77)
      again.acknowledge("pubrel", 77)
      await again.acknowledgement("pubcomp", 77)
      const reader = await trial.client(trial.lasting(watcherId))
      await again.publish({ topic, payload: "sentinel", qos: 2 })
      expect(await reader.payloads(2)).toEqual(["once", "sentinel"])
    },
    limitMs,
  )

  both(
    ["3.3.1-5", "3.3.1-5"],
    "retained messages, and their deletion, survive a kill",
    async (trial) => {
      needsRestart(trial)
      const publisher = await trial.client()
      const [kept, gone] = [trial.name("/kept"), trial.name("/gone")]
      for (const topic of [kept, gone]) await publisher.publish({ topic, payload: "kept", retain: true, qos: 1 })
      await publisher.publish({ topic: gone, retain: true, qos: 1 })
      await restart(trial)
      const reader = await trial.client()
      await reader.subscribe({ filter: trial.name("/#"), qos: 1 })
      expect(await reader.message()).toMatchObject({ topic: kept, retain: true, qos: 1 })
      await reader.silence()
      await reader.publish({ topic: kept, retain: true, qos: 1 })
    },
    limitMs,
  )

  both(
    ["3.1.2-6", "3.1.2-4"],
    "what was unsubscribed or cleaned before a kill stays gone",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const [left, cleaned] = [trial.name("l"), trial.name("c")]
      const first = await subscribed(trial, left, topic, 1)
      await first.unsubscribe(topic)
      await (await subscribed(trial, cleaned, topic, 1)).disconnect()
      await trial.client({ clientId: cleaned, clean: true })
      await restart(trial)
      await (await trial.client()).publish({ topic, payload: "x", qos: 1 })
      await (await trial.client(trial.lasting(left))).silence()
      expect((await trial.client(trial.lasting(cleaned))).connack.sessionPresent).toBe(false)
    },
    limitMs,
  )

  v5(
    "3.3.2-17 3.3.4-3 3.8.3-3",
    "properties, identifiers and options survive a kill",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const clientId = trial.name("s")
      const first = await trial.client(trial.lasting(clientId))
      await first.subscribe({ filter: topic, qos: 1, noLocal: true, retainAsPublished: true }, { subscriptionIds: [5] })
      await first.disconnect()
      const properties = {
        contentType: "a/b",
        messageExpiry: 1_000,
        user: [
          ["x", "1"],
          ["x", "2"],
        ] as const,
      }
      await (await trial.client()).publish({ topic, payload: "x", qos: 1, retain: true, properties })
      await restart(trial)
      const again = await trial.client(trial.lasting(clientId))
      await again.publish({ topic, payload: "own", qos: 1 })
      const message = await again.message()
      expect(message).toMatchObject({ retain: true })
      const { messageExpiry = 0, ...rest } = message.properties
      expect(rest).toEqual({ contentType: "a/b", user: properties.user, subscriptionIds: [5] })
      expect(messageExpiry).toBeGreaterThan(900)
      await again.silence()
      await again.publish({ topic, retain: true, qos: 1 })
    },
    limitMs,
  )

  v5(
    "4.1.0-2",
    "the expiry of a session goes on while the broker is down",
    async (trial) => {
      needsRestart(trial)
      const clientId = trial.name("s")
      await (await trial.client(trial.lasting(clientId, { sessionExpiry: 1 }))).disconnect()
      await restart(trial)
      await new Promise((resolve) => setTimeout(resolve, 2_200))
      expect((await trial.client(trial.lasting(clientId))).connack.sessionPresent).toBe(false)
    },
    limitMs,
  )

  both(
    ["3.1.2-8", "3.1.2-8"],
    "the will of a client that was connected is published after a kill",
    async (trial) => {
      needsRestart(trial)
      const topic = trial.name()
      const watcherId = trial.name("w")
      await (await subscribed(trial, watcherId, topic, 1)).disconnect()
      await trial.client({ will: { topic, payload: "will", qos: 1 }, ...trial.lasting(trial.name("d")) })
      await restart(trial)
      expect(await (await trial.client(trial.lasting(watcherId))).payloads(1, 10_000)).toEqual(["will"])
    },
    limitMs,
  )
}
