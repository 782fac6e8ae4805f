/** Topic names and filters: chapters 4.7 and 1.5.4. */
import { expect } from "vitest"
import type { Chapter } from "./trial.ts"

/** Below a name of the test: the filter, topics that fit, topics that do not. */
const matches: readonly (readonly [filter: string, fitting: readonly string[], others: readonly string[]])[] = [
  ["/#", ["", "/", "/a", "/a/b", "/a//b"], []],
  ["/a/#", ["/a", "/a/", "/a/b", "/a/b/c"], ["/ab", "/b", "/A"]],
  ["/+", ["/a", "/", "/a b"], ["", "/a/b", "/a/"]],
  ["/+/", ["/a/", "//"], ["/a", "/a/b"]],
  ["/+/+", ["/a/b", "//", "/a/"], ["/a", "/a/b/c"]],
  ["/a/+/c", ["/a/b/c", "/a//c"], ["/a/b", "/a/b/c/d", "/a/c"]],
  ["/+/b/#", ["/a/b", "/x/b/c/d", "//b"], ["/a/c", "/b"]],
  ["//", ["//"], ["/", "///", "/a/"]],
  ["/a", ["/a"], ["/a/", "//a", "/A", "/a "]],
  ["/é", ["/é"], ["/e\u0301", "/e"]],
  ["/日本/+", ["/日本/語"], ["/日/本"]],
]

export function describeTopics({ both }: Chapter): void {
  for (const [filter, fitting, others] of matches) {
    both(
      ["4.7.1-2 4.7.1-3 4.7.3-4", "4.7.1-1 4.7.1-2 4.7.3-4"],
      `…${filter} fits what it should, and no more`,
      async (trial) => {
        const client = await trial.client()
        await client.subscribe({ filter: trial.name(filter), qos: 0 })
        for (const suffix of [...others, ...fitting])
          await client.publish({ topic: trial.name(suffix), payload: suffix })
        expect(await client.payloads(fitting.length)).toEqual(fitting)
        await client.ping()
      },
    )
  }

  both(["4.7.1-2 4.7.1-3", "4.7.1-1 4.7.1-2"], "filters that begin with a wildcard or a slash", async (trial) => {
    const client = await trial.client()
    const name = trial.name()
    await client.subscribe([{ filter: `+/${name}` }, { filter: `/${name}/deep` }])
    for (const topic of [`a/${name}`, `/${name}`, `/${name}/deep`, name, `${name}/deep`])
      await client.publish({ topic })
    const topics = []
    for (let turn = 0; turn < 3; turn++) topics.push((await client.message()).topic)
    expect(topics).toEqual([`a/${name}`, `/${name}`, `/${name}/deep`])
    await client.ping()
  })

  both("4.7.2-1", "# and + do not fit topics that begin with $", async (trial) => {
    const client = await trial.client()
    const name = trial.name()
    await client.subscribe([{ filter: `+/${name}` }, { filter: `+/${name}/#` }])
    const publisher = await trial.client()
    // A broker may refuse such a publication, but not pass it on.
    if (trial.version === 4) await publisher.publish({ topic: `$other/${name}` })
    else await publisher.publish({ topic: `$other/${name}`, qos: 1 })
    const second = await trial.client()
    await second.publish({ topic: `a/${name}`, payload: "sentinel" })
    expect((await client.message()).topic).toBe(`a/${name}`)
  })

  both("4.7.2-1", "$SYS is not in #", async (trial) => {
    const client = await trial.client()
    await client.subscribe("#")
    const name = trial.name()
    await client.publish({ topic: name, payload: "sentinel" })
    // Other tests' retained messages may come as well.
    for (;;) {
      const message = await client.message()
      expect(message.topic).not.toMatch(/^\$/)
      if (message.topic === name) break
    }
    await client.unsubscribe("#")
  })

  both(["4.7.3-3", "4.7.3-3"], "a topic of many levels and one of many bytes", async (trial) => {
    const client = await trial.client()
    const many = trial.name("/x".repeat(60))
    const long = trial.name(`/${"y".repeat(900)}`)
    await client.subscribe([{ filter: trial.name("/#"), qos: 1 }])
    for (const topic of [many, long]) {
      await client.publish({ topic, qos: 1 })
      expect((await client.message()).topic).toBe(topic)
    }
  })

  both(["1.5.3-3", "1.5.4-3"], "U+FEFF is a character like others", async (trial) => {
    const client = await trial.client()
    const topic = trial.name("/\ufeffa\ufeff")
    await client.subscribe(topic)
    await client.publish({ topic: trial.name("/a"), payload: "without" })
    await client.publish({ topic, payload: "with" })
    expect((await client.message()).topic).toBe(topic)
  })

  both("4.7.3-4", "topics of spaces and of odd characters are topics", async (trial) => {
    const client = await trial.client()
    for (const suffix of [" ", "/ ", "/a b", '/"quoted"', "/back\\slash", "/😀", "/%2F", "/a$b"]) {
      const topic = trial.name(suffix)
      await client.subscribe(topic)
      await client.publish({ topic, payload: suffix })
      expect((await client.message()).topic).toBe(topic)
    }
  })
}
