/** What holds for all answers of a server: their reasons, their sizes, what refusals say. Chapters 3.2, 3.4 to 3.14. */
import { expect } from "vitest"
import { dropped } from "./endings.ts"
import { encodePublish } from "./packets.ts"
import type { Chapter } from "./trial.ts"

export function describeAnswering({ both, v4, v5 }: Chapter): void {
  both("3.1.3-2", "the client id names the session: another id has another one", async (trial) => {
    const [one, two] = [trial.name("a"), trial.name("b")]
    const first = await trial.client(trial.lasting(one))
    await first.subscribe({ filter: trial.name(), qos: 1 })
    await first.disconnect()
    expect((await trial.client(trial.lasting(two))).connack.sessionPresent).toBe(false)
    expect((await trial.client(trial.lasting(one))).connack.sessionPresent).toBe(true)
  })

  both("3.1.3-2", "client ids are compared by characters", async (trial) => {
    const first = await trial.client(trial.lasting(trial.name("É")))
    await first.disconnect()
    for (const other of ["é", "E", "E\u0301", "É "]) {
      expect((await trial.client(trial.lasting(trial.name(other)))).connack.sessionPresent).toBe(false)
    }
  })

  both(["4.1.0-2", "4.1.0-1"], "the session lasts at least as long as the connection", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe({ filter: topic, qos: 1 })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await client.publish({ topic, payload: "still", qos: 1 })
    expect(await client.payloads(1)).toEqual(["still"])
  })

  v4("3.2.2-4 3.2.2-5", "a refusal says that no session is present, and closes", async (trial) => {
    // `refused` looks at both.
    expect((await trial.refused({ clientId: "", clean: false }))?.code).toBe(2)
  })

  v5(
    "3.2.2-6 3.2.2-7 4.13.2-1",
    "a refusal says that no session is present, even where one is, and closes",
    async (trial) => {
      const clientId = trial.name("s")
      await (await trial.client(trial.lasting(clientId))).disconnect()
      const refusal = await trial.refused(trial.lasting(clientId, { authMethod: "no-such-method" }))
      if (refusal !== undefined) expect(refusal.sessionPresent).toBe(false)
      // And leaves it as it was.
      expect((await trial.client(trial.lasting(clientId))).connack.sessionPresent).toBe(true)
    },
  )

  v5("3.2.2-12 3.2.2-13", "a will above the server's abilities is refused", async (trial) => {
    const { maximumQos, retainAvailable } = (await trial.client()).connack.properties
    if (maximumQos === undefined && retainAvailable !== 0) trial.context.skip("the broker can do everything")
    const will = { topic: trial.name(), payload: "x", qos: (maximumQos ?? 1) + 1, retain: retainAvailable === 0 }
    const refusal = await trial.refused({ will })
    if (refusal !== undefined) expect([0x9a, 0x9b]).toContain(refusal.code)
  })

  v5("4.12.0-6", "no authentication method comes without one in CONNECT", async (trial) => {
    const { properties } = (await trial.client()).connack
    expect(properties.authMethod).toBeUndefined()
    expect(properties.authData).toBeUndefined()
  })

  v5(
    "3.4.2-2 3.4.2-3 3.5.2-2 3.5.2-3 3.6.2-2 3.6.2-3 3.7.2-2 3.7.2-3 3.9.2-1 3.9.2-2 3.11.2-1 3.11.2-2",
    "no acknowledgement exceeds the client's maximum packet size",
    async (trial) => {
      // Every packet is weighed as it arrives. 24 bytes have room for the shortest answers alone.
      const client = await trial.client({ clientId: trial.name().slice(0, 4), properties: { maximumPacketSize: 24 } })
      await client.subscribe([{ filter: trial.name("/a") }, { filter: "#/bad" }]).catch(() => undefined)
      const other = await trial.client({ properties: { maximumPacketSize: 24 } })
      await other.unsubscribe(trial.name("/never"))
      await other.publish({ topic: trial.name("/none"), qos: 1 })
      await other.publish({ topic: trial.name("/none"), qos: 2 })
      other.acknowledge("pubrel", 999)
      await other.acknowledgement("pubcomp", 999)
      other.acknowledge("pubrec", 998)
      await other.ping().catch(async () => {
        // A PUBREL with its reason may come before the answer.
        await other.expect("pingresp")
      })
    },
  )

  v5("3.14.2-3 3.14.2-4", "no DISCONNECT exceeds the client's maximum packet size", async (trial) => {
    const client = await trial.client({ properties: { maximumPacketSize: 24 } })
    client.write(encodePublish(5, { topic: "a/#" }))
    await dropped(client)
  })

  v5("4.8.2-6", "a refused message of a shared subscription goes to nobody else", async (trial) => {
    const topic = trial.name()
    const filter = `$share/${trial.name("g")}/${topic}`
    const members = [await trial.client(), await trial.client()]
    if (members[0]!.connack.properties.sharedAvailable === 0)
      trial.context.skip("the broker has no shared subscriptions")
    for (const member of members) await member.subscribe({ filter, qos: 1 })
    await (await trial.client()).publish({ topic, payload: "refused", qos: 1 })
    const chosen = await Promise.any(
      members.map((member) => member.expect("publish", 3_000).then(({ id }) => ({ member, id }))),
    )
    chosen.member.acknowledge("puback", chosen.id, 0x80)
    const other = members.find((member) => member !== chosen.member)!
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(other.waiting).toEqual([])
    await chosen.member.silence()
  })

  v5("4.8.2-5", "a QoS 2 message in flight ends with its member's session and goes to nobody else", async (trial) => {
    const topic = trial.name()
    const filter = `$share/${trial.name("g")}/${topic}`
    const clientId = trial.name("m")
    const first = await trial.client(trial.lasting(clientId))
    if (first.connack.properties.sharedAvailable === 0) trial.context.skip("the broker has no shared subscriptions")
    await first.subscribe({ filter, qos: 2 })
    await (await trial.client()).publish({ topic, payload: "once", qos: 2 })
    const { id } = await first.expect("publish")
    first.acknowledge("pubrec", id)
    await first.acknowledgement("pubrel", id)
    const other = await trial.client()
    await other.subscribe({ filter, qos: 2 })
    await first.vanish()
    await trial.client({ clientId, clean: true })
    await other.silence(300)
  })
}
