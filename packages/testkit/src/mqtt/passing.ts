/** What a 5.0 broker passes on unaltered, and for how long: chapter 3.3.2.3. */
import { expect } from "vitest"
import type { Properties } from "./properties.ts"
import type { Chapter } from "./trial.ts"

const cases: readonly (readonly [clause: string, what: string, properties: Properties])[] = [
  ["3.3.2-4", "payload format 0", { payloadFormat: 0 }],
  ["3.3.2-4", "payload format 1", { payloadFormat: 1 }],
  ["3.3.2-20", "a content type", { contentType: "application/json; charset=utf-8" }],
  ["3.3.2-20", "an empty content type", { contentType: "" }],
  ["3.3.2-15", "a response topic", { responseTopic: "answers/é/1" }],
  ["3.3.2-16", "correlation data of any bytes", { correlation: Buffer.from([0, 255, 10, 0]) }],
  ["3.3.2-16", "empty correlation data", { correlation: Buffer.alloc(0) }],
  [
    "3.3.2-17 3.3.2-18",
    "user properties in order, doubled names and empty values too",
    {
      user: [
        ["z", "1"],
        ["a", "2"],
        ["z", "3"],
        ["", ""],
        ["a", "2"],
        ["\u00e9", "\u{1f600}"],
      ],
    },
  ],
]

export function describePassing({ v5 }: Chapter): void {
  for (const [clause, what, properties] of cases) {
    v5(clause, `${what}: passed on unaltered, at once and to who comes back`, async (trial) => {
      const topic = trial.name()
      const clientId = trial.name("s")
      const away = await trial.client(trial.lasting(clientId))
      await away.subscribe({ filter: topic, qos: 2 })
      await away.disconnect()
      const here = await trial.client()
      await here.subscribe({ filter: topic, qos: 2 })
      const publisher = await trial.client()
      for (const qos of [0, 1, 2]) {
        await publisher.publish({ topic, payload: "text", qos, properties })
        // An absent property and one with its default mean the same for the payload format alone.
        const { properties: found } = await here.message()
        expect({ ...(properties.payloadFormat === 0 ? { payloadFormat: 0 } : {}), ...found }).toEqual(properties)
      }
      const back = await trial.client(trial.lasting(clientId))
      for (;;) {
        const { qos, properties: found } = await back.message()
        expect({ ...(properties.payloadFormat === 0 ? { payloadFormat: 0 } : {}), ...found }).toEqual(properties)
        if (qos === 2) break
      }
    })
  }

  v5("3.3.2-17 3.3.2-18", "a hundred user properties arrive in order", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe(topic)
    const user = Array.from({ length: 100 }, (_, index) => [`name ${index % 7}`, `${index}`] as const)
    await client.publish({ topic, qos: 1, properties: { user } })
    await client.acknowledgement("puback", 0, 1).catch(() => {})
    expect((await client.message()).properties).toEqual({ user })
  })

  v5("3.3.2-6", "the expiry interval shrinks by the time that the message waited", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 1 })
    await first.disconnect()
    await (await trial.client()).publish({ topic, qos: 1, properties: { messageExpiry: 100 } })
    await new Promise((resolve) => setTimeout(resolve, 2_100))
    const { properties } = await (await trial.client(trial.lasting(clientId))).message()
    expect(properties.messageExpiry).toBeGreaterThanOrEqual(95)
    expect(properties.messageExpiry).toBeLessThanOrEqual(98)
  })

  v5("3.3.2-6", "the expiry interval of a message that did not wait is the publisher's", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe(topic)
    await client.publish({ topic, properties: { messageExpiry: 100 } })
    const { messageExpiry = 0 } = (await client.message()).properties
    expect([99, 100]).toContain(messageExpiry)
  })

  v5("3.3.2-5", "a message that expired while it waited is not delivered", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("s")
    const first = await trial.client(trial.lasting(clientId))
    await first.subscribe({ filter: topic, qos: 2 })
    await first.disconnect()
    const publisher = await trial.client()
    await publisher.publish({ topic, payload: "brief", qos: 1, properties: { messageExpiry: 1 } })
    await publisher.publish({ topic, payload: "brief", qos: 2, properties: { messageExpiry: 1 } })
    await publisher.publish({ topic, payload: "lasting", qos: 1 })
    await new Promise((resolve) => setTimeout(resolve, 2_300))
    const again = await trial.client(trial.lasting(clientId))
    expect(await again.payloads(1)).toEqual(["lasting"])
    await again.silence()
  })

  v5("4.3.3-13", "a QoS 2 flow that began is completed after the message's expiry", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe({ filter: topic, qos: 2 })
    await client.publish({ topic, qos: 2, properties: { messageExpiry: 1 } })
    const { id } = await client.expect("publish")
    await new Promise((resolve) => setTimeout(resolve, 1_600))
    client.acknowledge("pubrec", id)
    expect(await client.expect("pubrel")).toMatchObject({ id, code: 0 })
    client.acknowledge("pubcomp", id)
    await client.ping()
  })

  v5(
    "3.1.2-29",
    "without problem information, acknowledgements have neither reason string nor user properties",
    async (trial) => {
      const client = await trial.client({ properties: { requestProblem: 0 } })
      const subscribed = await client.subscribe(trial.name())
      const published = await client.publish({ topic: trial.name("/none"), qos: 1 })
      const completed = await client.publish({ topic: trial.name("/none"), qos: 2 })
      const unsubscribed = await client.unsubscribe(trial.name("/never"))
      for (const { properties } of [subscribed, published!, completed!, unsubscribed]) expect(properties).toEqual({})
    },
  )

  v5("", "request and response: the answer finds its way by response topic and correlation", async (trial) => {
    const [asking, answering] = [await trial.client(), await trial.client()]
    const [questions, answers] = [trial.name("/questions"), trial.name("/answers")]
    await answering.subscribe({ filter: questions, qos: 1 })
    await asking.subscribe({ filter: answers, qos: 1 })
    const correlation = Buffer.from("42")
    await asking.publish({ topic: questions, qos: 1, properties: { responseTopic: answers, correlation } })
    const question = await answering.message()
    await answering.publish({
      topic: question.properties.responseTopic!,
      payload: "yes",
      qos: 1,
      properties: { correlation: question.properties.correlation! },
    })
    expect((await asking.message()).properties.correlation).toEqual(correlation)
  })
}
