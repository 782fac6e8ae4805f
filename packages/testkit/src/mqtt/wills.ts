/** Wills: chapters 3.1.2.5 to 3.1.2.7, 3.1.3.2 and 3.14.4. */
import { expect } from "vitest"
import { byte, frame, sized } from "./bytes.ts"
import { dropped, rawProperties, sendsParts } from "./endings.ts"
import { encodeConnect, type Will } from "./packets.ts"
import { encodeProperty } from "./properties.ts"
import type { Chapter, Client, ConnectChanges, Trial } from "./trial.ts"

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Scene {
  readonly topic: string
  readonly watcher: Client
  readonly dying: Client
}

/** Somebody with a will, and somebody who hears it. */
async function scene(trial: Trial, will: Partial<Will> = {}, changes: ConnectChanges = {}): Promise<Scene> {
  const topic = trial.name()
  const watcher = await trial.client()
  await watcher.subscribe({ filter: topic, qos: 2 })
  const dying = await trial.client({ will: { topic, payload: "will", ...will }, ...changes })
  return { topic, watcher, dying }
}

/** No will comes: what is published after it comes first. */
async function noWill({ topic, watcher }: Scene): Promise<void> {
  await pause(100)
  await watcher.publish({ topic, payload: "sentinel" })
  expect(await watcher.payloads(1)).toEqual(["sentinel"])
}

export function describeWills({ both, v5 }: Chapter): void {
  both(["3.1.2-8", "3.1.2-7 3.1.2-8"], "a broken connection publishes the will, at each QoS", async (trial) => {
    for (const qos of [0, 1, 2]) {
      const { topic, watcher, dying } = await scene(trial, { qos, payload: `will ${qos}` })
      await dying.vanish()
      expect(await watcher.message()).toMatchObject({ topic, qos, retain: false })
    }
  })

  both(["3.1.2-8", "3.1.2-8"], "closing without DISCONNECT publishes the will", async (trial) => {
    const { watcher, dying } = await scene(trial)
    dying.socket.end()
    expect(await watcher.payloads(1)).toEqual(["will"])
  })

  both(["3.1.2-8 4.8.0-1", "3.1.2-8 4.13.1-1"], "a protocol violation publishes the will", async (trial) => {
    const { watcher, dying } = await scene(trial)
    dying.write(frame(0x00))
    await dropped(dying)
    expect(await watcher.payloads(1)).toEqual(["will"])
  })

  both(["3.1.2-10 3.14.4-3", "3.1.2-8 3.1.2-10 3.14.4-3"], "DISCONNECT deletes the will", async (trial) => {
    const set = await scene(trial)
    await set.dying.disconnect()
    await noWill(set)
  })

  both(["3.14.4-3", "3.14.4-3"], "DISCONNECT and the end in one piece delete the will", async (trial) => {
    const set = await scene(trial)
    set.dying.socket.end(Buffer.from([0xe0, 0]))
    await noWill(set)
  })

  v5("3.1.2-8", "DISCONNECT with reason 0x04 publishes the will", async (trial) => {
    const { watcher, dying } = await scene(trial)
    await dying.disconnect(0x04)
    expect(await watcher.payloads(1)).toEqual(["will"])
  })

  both(["3.14.1-1", "3.14.1-1"], "a malformed DISCONNECT does not delete the will", async (trial) => {
    const { watcher, dying } = await scene(trial)
    dying.write(frame(0xe1))
    await dropped(dying, 0x81)
    expect(await watcher.payloads(1)).toEqual(["will"])
  })

  both(["3.1.2-12", "3.1.2-7"], "without a will nothing is published", async (trial) => {
    const topic = trial.name()
    const watcher = await trial.client()
    await watcher.subscribe(topic)
    const dying = await trial.client()
    await dying.vanish()
    await noWill({ topic, watcher, dying })
  })

  both(["3.1.2-10", "3.1.2-10"], "a will is published once", async (trial) => {
    const clientId = trial.name("w")
    const set = await scene(trial, {}, trial.lasting(clientId))
    await set.dying.vanish()
    expect(await set.watcher.payloads(1)).toEqual(["will"])
    // The session goes on, without the will.
    const again = await trial.client(trial.lasting(clientId))
    await again.vanish()
    await noWill(set)
  })

  both(["3.1.2-16", "3.1.2-14"], "without will retain the will is not retained", async (trial) => {
    const { topic, watcher, dying } = await scene(trial)
    await dying.vanish()
    await watcher.message()
    const late = await trial.client()
    await late.subscribe(topic)
    await late.silence()
  })

  both(["3.1.2-17", "3.1.2-15"], "with will retain the will is retained", async (trial) => {
    const { topic, watcher, dying } = await scene(trial, { retain: true, qos: 1 })
    await dying.vanish()
    expect(await watcher.message()).toMatchObject({ retain: false })
    const late = await trial.client()
    await late.subscribe({ filter: topic, qos: 1 })
    const message = await late.message()
    expect(message).toMatchObject({ retain: true, qos: 1 })
    expect(message.payload.toString()).toBe("will")
    await late.publish({ topic, retain: true, qos: 1 })
  })

  both("3.1.2-9", "a will may be empty, and binary", async (trial) => {
    const empty = await scene(trial, { payload: "" })
    await empty.dying.vanish()
    expect((await empty.watcher.message()).payload.length).toBe(0)
    const bytes = Buffer.from([0, 255, 0, 128])
    const binary = await scene(trial, { payload: bytes })
    await binary.dying.vanish()
    expect((await binary.watcher.message()).payload).toEqual(bytes)
  })

  both(["3.1.4-2 3.1.2-8", "3.1.4-3 3.1.2-8"], "a take-over by a clean start publishes the will", async (trial) => {
    const { watcher, dying } = await scene(trial)
    await trial.client({ clientId: dying.clientId, clean: true })
    expect(await watcher.payloads(1)).toEqual(["will"])
  })

  both(["3.1.2-24 3.1.2-8", "3.1.2-22 3.1.2-8"], "silence beyond the keep alive publishes the will", async (trial) => {
    const { watcher } = await scene(trial, {}, { keepAlive: 1 })
    expect((await watcher.message(8_000)).payload.toString()).toBe("will")
  })

  both(["3.3.2-2", "3.3.2-2"], "a will topic with wildcards is refused", async (trial) => {
    for (const topic of ["a/#", "+/a", ""]) {
      const client = await trial.open()
      client.write(encodeConnect(trial.version, trial.connectPacket({ will: { topic, payload: "x" } })))
      await dropped(client)
    }
  })

  describeWillProperties(v5)
}

function describeWillProperties(v5: Chapter["v5"]): void {
  v5("3.1.2-9 3.3.2-4 3.3.2-15 3.3.2-16 3.3.2-18 3.3.2-20", "a will carries its properties", async (trial) => {
    const properties = {
      payloadFormat: 1,
      contentType: "text/plain",
      responseTopic: "answers",
      correlation: Buffer.from([1, 0, 255]),
      user: [
        ["b", "1"],
        ["a", "2"],
        ["b", "3"],
      ] as const,
    }
    const { watcher, dying } = await scene(trial, { properties, qos: 1 })
    await dying.vanish()
    expect((await watcher.message()).properties).toEqual(properties)
  })

  v5("3.3.2-6", "a will carries its message expiry, not its delay", async (trial) => {
    const { watcher, dying } = await scene(trial, { properties: { messageExpiry: 100, willDelay: 0 } })
    await dying.vanish()
    const { properties } = await watcher.message()
    expect(properties.messageExpiry).toBeGreaterThan(90)
    expect(properties.messageExpiry).toBeLessThanOrEqual(100)
  })

  v5("3.1.2-8", "a delayed will comes after its delay", async (trial) => {
    const set = await scene(trial, { properties: { willDelay: 1 } }, trial.lasting(trial.name("w")))
    await set.dying.vanish()
    await set.watcher.silence(400)
    expect((await set.watcher.message(5_000)).payload.toString()).toBe("will")
  })

  v5("3.1.3-9", "a connection before the delay has passed cancels the will", async (trial) => {
    const clientId = trial.name("w")
    const set = await scene(trial, { properties: { willDelay: 1 } }, trial.lasting(clientId))
    await set.dying.vanish()
    await trial.client(trial.lasting(clientId))
    await pause(2_300)
    await noWill(set)
  })

  v5("3.1.2-8", "the end of the session publishes the will before its delay has passed", async (trial) => {
    const { watcher, dying } = await scene(trial, { properties: { willDelay: 600 } })
    await dying.vanish()
    expect(await watcher.payloads(1)).toEqual(["will"])
    const clientId = trial.name("w")
    const changes = trial.lasting(clientId, { sessionExpiry: 1 })
    const expiring = await scene(trial, { properties: { willDelay: 600 } }, changes)
    await expiring.dying.vanish()
    expect((await expiring.watcher.message(6_000)).payload.toString()).toBe("will")
  })

  v5("3.1.2-8", "a clean start ends the session and publishes a delayed will", async (trial) => {
    const clientId = trial.name("w")
    const { watcher, dying } = await scene(trial, { properties: { willDelay: 600 } }, trial.lasting(clientId))
    await dying.vanish()
    await trial.client({ clientId, clean: true })
    expect(await watcher.payloads(1)).toEqual(["will"])
  })

  v5("3.1.2-8", "an expiry of 0 in a DISCONNECT with will ends the session and its delay", async (trial) => {
    const clientId = trial.name("w")
    const { watcher, dying } = await scene(trial, { properties: { willDelay: 600 } }, trial.lasting(clientId))
    await dying.disconnect(0x04, { sessionExpiry: 0 })
    expect(await watcher.payloads(1)).toEqual(["will"])
  })

  v5("3.1.4-1", "properties that no will has are refused", async (trial) => {
    const wrong = [
      rawProperties(encodeProperty("topicAlias", 1)),
      rawProperties(encodeProperty("willDelay", 1), encodeProperty("willDelay", 1)),
      rawProperties(encodeProperty("payloadFormat", 2)),
      rawProperties(byte(0x7f)),
    ]
    for (const properties of wrong) {
      const client = await sendsParts(trial, { flags: 4, will: [properties, sized(trial.name()), sized("x")] })
      await dropped(client, 0x81, 0x82, 0x99)
    }
  })
}
