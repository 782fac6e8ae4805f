import type { Random } from "@brume/core"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { topicHash } from "./topic-hash.ts"
import { TopicTable } from "./topic-table.ts"

const random: Random = { unit: () => 0.5, bytes: (count) => Uint8Array.from({ length: count }, (_, index) => index) }

interface Made {
  readonly table: TopicTable<number>
  readonly made: string[]
  /** The value of a topic. */
  find(topic: string): number
}

/** Values are the numbers of the calls that made them. */
function open(limit: number, maxBytes?: number): Made {
  const made: string[] = []
  const create = (name: string): number => made.push(name)
  const table = new TopicTable({ limit, random, create, ...(maxBytes === undefined ? {} : { maxBytes }) })
  const find = (topic: string): number => {
    const bytes = Buffer.from(`<${topic}>`)
    const entry = table.find(bytes, 1, bytes.length - 1)
    expect(entry.name).toBe(topic)
    expect(entry.bytes.toString()).toBe(topic)
    return entry.value
  }
  return { table, made, find }
}

describe("a topic table", () => {
  test("keeps nothing of a topic that is for one message alone", () => {
    const made: string[] = []
    const isBrief = (name: string): boolean => name.startsWith("once/")
    const table = new TopicTable({ limit: 10, random, isBrief, create: (name) => made.push(name) })
    const find = (topic: string): string => table.find(Buffer.from(topic), 0, topic.length).name
    expect(["once/1", "often", "once/1", "often"].map(find)).toEqual(["once/1", "often", "once/1", "often"])
    expect([made, table.size, table.bytes]).toEqual([["once/1", "often", "once/1"], 1, 5])
  })

  test("makes a value once for each topic, and knows topics by all their bytes", () => {
    const { table, made, find } = open(1_000, 100_000)
    const topics = ["", "a", "b", "ab", "abc", "abcd", "abcde", "é", "€/😀", "x".repeat(65_535)]
    const values = topics.map(find)
    expect(topics.map(find)).toEqual(values)
    expect(made).toEqual(topics)
    expect(table.size).toBe(topics.length)
  })

  test("keeps its own copy of the bytes", () => {
    const { table } = open(10)
    const bytes = Buffer.from("a/b")
    const entry = table.find(bytes, 0, 3)
    bytes.fill(0)
    expect(entry.bytes.toString()).toBe("a/b")
    expect(table.find(Buffer.from("a/b"), 0, 3)).toBe(entry)
  })

  test("finds thousands of topics after it grew", () => {
    const { table, made, find } = open(5_000)
    for (let round = 0; round < 2; round++) for (let topic = 0; topic < 5_000; topic++) find(`site/${topic}/t`)
    expect([made.length, table.size]).toEqual([5_000, 5_000])
  })

  test("a flood of topics that are seen once does not drive out those in use", () => {
    const { table, made, find } = open(100)
    const used = Array.from({ length: 50 }, (_, index) => `used/${index}`)
    for (let round = 0; round < 40; round++) {
      for (const topic of used) find(topic)
      for (let topic = 0; topic < 40; topic++) find(`flood/${round}/${topic}`)
      expect(table.size).toBeLessThanOrEqual(100)
    }
    expect(made.filter((name) => name.startsWith("used/"))).toEqual(used)
  })

  test("names take no more bytes than the limit", () => {
    const { table, find } = open(1_000, 1_000)
    for (let topic = 0; topic < 500; topic++) {
      find(`${topic}`.padStart(100, "x"))
      expect(table.bytes).toBeLessThanOrEqual(1_000)
    }
    expect([table.size, table.bytes]).toEqual([10, 1_000])
    find("y".repeat(1_001))
    expect(table.size).toBe(10)
  })

  test("any sequence of topics is found as a map would, and the sizes are true", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 })), fc.integer({ min: 1, max: 12 }), (topics, limit) => {
        const { table, made, find } = open(limit)
        for (const topic of topics) {
          const before = made.length
          const value = find(`t${topic}`)
          // Either known, with the newest value made for it, or made just now.
          expect(made[value - 1]).toBe(`t${topic}`)
          expect(value === made.length || made.length === before).toBe(true)
          expect(made.lastIndexOf(`t${topic}`)).toBe(value - 1)
          expect(find(`t${topic}`)).toBe(value)
          expect(table.size).toBe(Math.min(new Set(made).size, limit))
        }
      }),
    )
  })
})

describe("the hash", () => {
  const key = (low: number, high: number): Int32Array => Int32Array.of(low, high)
  const hashOf = (text: string, with_ = key(1, 2)): number =>
    topicHash(Buffer.from(text), 0, Buffer.byteLength(text), with_)

  test("depends on the key, the length and every byte, not on where the bytes lie", () => {
    const text = "site/device-17/temperature"
    const hashes = [
      hashOf(text),
      hashOf(text, key(1, 3)),
      hashOf(text, key(2, 2)),
      hashOf(`${text}\0`),
      ...Array.from(text, (_, index) => hashOf(`${text.slice(0, index)}~${text.slice(index + 1)}`)),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
    const moved = Buffer.from(`xyz${text}xyz`)
    expect(topicHash(moved, 3, 3 + text.length, key(1, 2))).toBe(hashes[0])
  })

  test("topics that collide under one key do not collide under another", () => {
    const byHash = new Map<number, string[]>()
    for (let topic = 0; topic < 20_000; topic++) {
      const name = `t/${topic}`
      const bucket = hashOf(name) & 0xfff
      byHash.set(bucket, [...(byHash.get(bucket) ?? []), name])
    }
    // Chosen by somebody who knew the first key: more than eight in one of 4,096 buckets.
    const chosen = [...byHash.values()].flatMap((names) => (names.length > 8 ? names : [])).slice(0, 2_000)
    const spread = new Map<number, number>()
    for (const name of chosen) {
      const bucket = hashOf(name, key(77, -5)) & 0xfff
      spread.set(bucket, (spread.get(bucket) ?? 0) + 1)
    }
    expect(Math.max(...spread.values())).toBeLessThan(8)
  })
})
