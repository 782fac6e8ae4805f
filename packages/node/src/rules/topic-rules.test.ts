import { expect, test } from "vitest"
import { openRuled, type Ruled, saying } from "../../../../test/rig/ruled.ts"

/** As the MQTT front does: what rules make of a message is in the commit of its turn. */
async function publish(ruled: Ruled, topic: string, payload: string | Uint8Array): Promise<void> {
  const taken = ruled.rules.messages.on(topic)?.({ payload: Buffer.from(payload) })
  if (taken === undefined) return
  await ruled.store.put(taken.records).durable
  taken.end(undefined)
}

test("a message on a topic fires, with its payload as JSON or as text", async () => {
  await using ruled = await openRuled()
  ruled.apply("door", {
    on: { topic: "door/+" },
    when: "payload.open == true",
    ...saying("{{ topic }} {{ payload.by }}"),
  })
  ruled.apply("word", { on: { topic: "word" }, when: "text == 'stop' || payload == 5", ...saying("{{ payload }}") })
  await publish(ruled, "door/1", '{"open": true, "by": "cat"}')
  await publish(ruled, "door/2", '{"open": false}')
  await publish(ruled, "door", '{"open": true}')
  await publish(ruled, "word", "stop")
  await publish(ruled, "word", "5")
  await publish(ruled, "word", new Uint8Array([0xff, 0xfe]))
  expect(ruled.said()).toEqual(["door/1 cat", "stop", "5"])
})

test("two messages with the same text are two causes", async () => {
  await using ruled = await openRuled()
  ruled.apply("bell", { on: { topic: "bell" }, ...saying("ding") })
  const [a, b] = [1, 2].map(() => ruled.rules.messages.on("bell")!({ payload: Buffer.from("x") })!)
  await ruled.store.put([...a!.records, ...b!.records]).durable
  a!.end(undefined)
  b!.end(undefined)
  expect(ruled.said()).toEqual(["ding", "ding"])
})

test("a message that is refused leaves no trace", async () => {
  await using ruled = await openRuled()
  ruled.apply("bell", { on: { topic: "bell" }, for: "1m", ...saying("ding") })
  ruled.rules.messages.on("bell")!({ payload: Buffer.from("x") })!.end(new Error("full"))
  await ruled.clock.run(120_000)
  expect([ruled.said(), ruled.rules.status("bell")?.pending]).toEqual([[], 0])
})

test("topics have for, hysteresis, change and cooldown as readings do", async () => {
  await using ruled = await openRuled()
  ruled.apply("state", { on: { topic: "state/+" }, onChange: true, ...saying("{{ previous }} {{ text }}") })
  await publish(ruled, "state/1", "a")
  await publish(ruled, "state/1", "a")
  await publish(ruled, "state/2", "a")
  ruled.clock.advance(1_000)
  await publish(ruled, "state/1", "b")
  expect(ruled.said()).toEqual(["null a", "null a", '{"text":"a","payload":"a","time":"2025-01-01T00:00:00.000Z"} b'])
  ruled.apply("alarm", {
    on: { topic: "level" },
    when: "payload > 5",
    clearWhen: "payload < 3",
    ...saying("on", "off"),
  })
  for (const level of ["6", "4", "7", "2", "8"]) await publish(ruled, "level", level)
  expect(ruled.said()).toEqual(["on", "off", "on"])
})

test("who asks again after a change gets the rules of now", async () => {
  await using ruled = await openRuled()
  const { messages } = ruled.rules
  const before = messages.version
  expect(messages.on("bell")).toBeUndefined()
  ruled.apply("bell", { on: { topic: "#" }, ...saying("ding") })
  expect(messages.version).toBeGreaterThan(before)
  expect(messages.on("bell")).toBeDefined()
  expect(messages.on("$SYS/x")).toBeUndefined()
})
