import { expect, test } from "vitest"
import { joinSubscribers } from "./local-subscribers.ts"
import type { Message } from "./mqtt/message.ts"
import type { LocalSubscriber, LocalTaker } from "./mqtt/own-messages.ts"

const message = { topic: "bell", payload: Buffer.from("1") } as unknown as Message

function subscriber(topic: string, taker: LocalTaker, version = 0): LocalSubscriber {
  return { version, on: (name) => (name === topic ? taker : undefined) }
}

/** Takes a record of its own, and notes how its commit ended. */
function taking(key: string, ends: string[]): LocalTaker {
  return () => ({
    records: [{ kind: "state", key, value: undefined }],
    end: (error) => void ends.push(`${key} ${error === undefined ? "durable" : "refused"}`),
  })
}

test("all who want a topic take its message, in one commit, and hear how that ended", () => {
  const ends: string[] = []
  const joined = joinSubscribers([
    subscriber("bell", taking("rules", ends)),
    subscriber("bell", () => undefined),
    subscriber("door", taking("twins", ends)),
    subscriber("bell", taking("functions", ends)),
  ])
  const taken = joined.on("bell")?.(message)
  expect(taken?.records.map(({ key }) => key)).toEqual(["rules", "functions"])
  taken?.end(undefined)
  expect(ends).toEqual(["rules durable", "functions durable"])
  expect(
    joined
      .on("door")?.(message)
      ?.records.map(({ key }) => key),
  ).toEqual(["twins"])
  expect(joined.on("window")).toBeUndefined()
})

test("its version grows when that of any of them does", () => {
  const changing = { version: 1, on: () => undefined }
  const joined = joinSubscribers([subscriber("bell", () => undefined, 3), changing])
  const before = joined.version
  changing.version++
  expect(joined.version).toBeGreaterThan(before)
})
