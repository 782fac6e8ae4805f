/** Shared subscriptions: chapter 4.8.2. */
import { expect } from "vitest"
import { dropped } from "./endings.ts"
import { encodeSubscribe } from "./packets.ts"
import type { RawClient } from "./raw-client.ts"
import type { Chapter, Client, Trial } from "./trial.ts"

interface Group {
  readonly topic: string
  readonly shared: string
  readonly members: readonly Client[]
}

async function group(trial: Trial, size: number, qos = 1): Promise<Group> {
  const topic = trial.name()
  const shared = `$share/${trial.name("g")}/${topic}`
  const members: Client[] = []
  for (let turn = 0; turn < size; turn++) {
    const member = await trial.client()
    if (member.connack.properties.sharedAvailable === 0) trial.context.skip("the broker has no shared subscriptions")
    expect((await member.subscribe({ filter: shared, qos })).codes).toEqual([qos])
    members.push(member)
  }
  return { topic, shared, members }
}

/** Payloads that wait at each client, after everything has come to rest. */
async function settled(clients: readonly RawClient[], total: number): Promise<string[][]> {
  const found: string[][] = clients.map(() => [])
  const end = performance.now() + 5_000
  while (found.flat().length < total && performance.now() < end) {
    for (const [index, client] of clients.entries()) {
      if (client.waiting.length > 0) found[index]!.push(...(await client.payloads(1)))
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  for (const client of clients) await client.ping()
  return found
}

export function describeSharing({ v5 }: Chapter): void {
  v5("4.8.2-1", "each message goes to one member of the group", async (trial) => {
    const { topic, members } = await group(trial, 3)
    const publisher = await trial.client()
    const wanted = Array.from({ length: 30 }, (_, turn) => `${turn}`)
    for (const payload of wanted) await publisher.publish({ topic, payload, qos: 1 })
    const found = await settled(members, 30)
    expect(found.flat().sort()).toEqual(wanted.sort())
    // How they are dealt is the broker's choice, but one member alone is no sharing.
    expect(found.filter((payloads) => payloads.length > 0).length).toBeGreaterThan(1)
  })

  v5("4.8.2-1", "groups and plain subscriptions each get their copy", async (trial) => {
    const { topic, members } = await group(trial, 2)
    const plain = await trial.client()
    await plain.subscribe({ filter: topic, qos: 1 })
    const other = await trial.client()
    await other.subscribe({ filter: `$share/${trial.name("h")}/${topic}`, qos: 1 })
    const publisher = await trial.client()
    for (const payload of ["a", "b", "c", "d"]) await publisher.publish({ topic, payload, qos: 1 })
    expect(await plain.payloads(4)).toEqual(["a", "b", "c", "d"])
    expect(await other.payloads(4)).toEqual(["a", "b", "c", "d"])
    expect((await settled(members, 4)).flat().sort()).toEqual(["a", "b", "c", "d"])
  })

  v5("4.8.2-1", "a member with a plain subscription too gets both copies", async (trial) => {
    const { topic, members } = await group(trial, 1)
    await members[0]!.subscribe({ filter: topic, qos: 1 })
    await (await trial.client()).publish({ topic, payload: "x", qos: 1 })
    expect(await members[0]!.payloads(2)).toEqual(["x", "x"])
  })

  v5("4.8.2-3", "a member gets at most the QoS that it was granted", async (trial) => {
    const { topic, members } = await group(trial, 1, 1)
    const publisher = await trial.client()
    for (const qos of [0, 1, 2]) {
      await publisher.publish({ topic, qos })
      expect((await members[0]!.message()).qos).toBe(Math.min(qos, 1))
    }
  })

  v5("4.8.2-2", "wildcards work within a shared filter", async (trial) => {
    const client = await trial.client()
    if (client.connack.properties.sharedAvailable === 0) trial.context.skip("the broker has no shared subscriptions")
    await client.subscribe({ filter: `$share/${trial.name("g")}/${trial.name("/+/b/#")}`, qos: 0 })
    for (const suffix of ["/a/c", "/a/b", "/a/b/c"])
      await client.publish({ topic: trial.name(suffix), payload: suffix })
    expect(await client.payloads(2)).toEqual(["/a/b", "/a/b/c"])
  })

  v5("", "a shared subscription gets no retained messages when it is made", async (trial) => {
    const topic = trial.name()
    const publisher = await trial.client()
    await publisher.publish({ topic, payload: "kept", retain: true, qos: 1 })
    const member = await trial.client()
    if (member.connack.properties.sharedAvailable === 0) trial.context.skip("the broker has no shared subscriptions")
    await member.subscribe({ filter: `$share/${trial.name("g")}/${topic}`, qos: 1 })
    await member.silence()
    await publisher.publish({ topic, retain: true, qos: 1 })
  })

  v5("3.8.3-4", "no local with a shared subscription is refused", async (trial) => {
    const client = await trial.client()
    if (client.connack.properties.sharedAvailable === 0) trial.context.skip("the broker has no shared subscriptions")
    client.write(encodeSubscribe(5, 1, [{ filter: `$share/g/${trial.name()}`, noLocal: true }]))
    await dropped(client, 0x82)
  })

  v5("4.8.2-1 4.8.2-2", "share names that are empty or have wildcards are refused", async (trial) => {
    for (const filter of ["$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/g#/a", "$share/#"]) {
      const client = await trial.client()
      client.write(encodeSubscribe(5, 1, [{ filter }]))
      // A reason for the filter alone is as good as the end of the connection.
      const answer = await client.take((packet) => packet.type !== "publish").catch(() => undefined)
      if (answer?.type === "suback") expect(answer.codes[0], filter).toBeGreaterThanOrEqual(0x80)
      else await dropped(client)
    }
  })

  v5("3.10.4-1", "after UNSUBSCRIBE a member gets nothing, the others everything", async (trial) => {
    const { topic, shared, members } = await group(trial, 2)
    const [leaving, staying] = members
    expect((await leaving!.unsubscribe(shared)).codes).toEqual([0])
    const publisher = await trial.client()
    for (const payload of ["a", "b", "c", "d"]) await publisher.publish({ topic, payload, qos: 1 })
    expect(await staying!.payloads(4)).toEqual(["a", "b", "c", "d"])
    await leaving!.silence()
  })

  v5("4.8.2-4", "a member that goes away leaves the messages to the others", async (trial) => {
    const { topic, members } = await group(trial, 2)
    await members[0]!.disconnect()
    const publisher = await trial.client()
    for (const payload of ["a", "b", "c", "d"]) await publisher.publish({ topic, payload, qos: 1 })
    expect(await members[1]!.payloads(4)).toEqual(["a", "b", "c", "d"])
  })

  v5("4.8.2-4", "a QoS 2 delivery that began is completed with the same member", async (trial) => {
    const topic = trial.name()
    const shared = `$share/${trial.name("g")}/${topic}`
    const clientId = trial.name("m")
    const first = await trial.client(trial.lasting(clientId))
    if (first.connack.properties.sharedAvailable === 0) trial.context.skip("the broker has no shared subscriptions")
    await first.subscribe({ filter: shared, qos: 2 })
    await (await trial.client()).publish({ topic, payload: "once", qos: 2 })
    const { id } = await first.expect("publish")
    first.acknowledge("pubrec", id)
    await first.acknowledgement("pubrel", id)
    await first.vanish()
    const other = await trial.client()
    await other.subscribe({ filter: shared, qos: 2 })
    const again = await trial.client(trial.lasting(clientId))
    expect(await again.expect("pubrel")).toMatchObject({ id })
    again.acknowledge("pubcomp", id)
    await other.silence()
  })

  v5("4.8.2-1", "a group of one absent session keeps its messages", async (trial) => {
    const topic = trial.name()
    const clientId = trial.name("m")
    const first = await trial.client(trial.lasting(clientId))
    if (first.connack.properties.sharedAvailable === 0) trial.context.skip("the broker has no shared subscriptions")
    await first.subscribe({ filter: `$share/${trial.name("g")}/${topic}`, qos: 1 })
    await first.disconnect()
    await (await trial.client()).publish({ topic, payload: "waited", qos: 1 })
    expect(await (await trial.client(trial.lasting(clientId))).payloads(1)).toEqual(["waited"])
  })

  v5("3.3.4-3", "a shared subscription has its identifier", async (trial) => {
    const topic = trial.name()
    const client = await trial.client()
    const { sharedAvailable, subscriptionIdsAvailable } = client.connack.properties
    if (sharedAvailable === 0 || subscriptionIdsAvailable === 0) trial.context.skip("the broker has not both")
    await client.subscribe({ filter: `$share/${trial.name("g")}/${topic}`, qos: 1 }, { subscriptionIds: [7] })
    await client.publish({ topic, qos: 1 })
    expect((await client.message()).properties.subscriptionIds).toEqual([7])
  })
}
