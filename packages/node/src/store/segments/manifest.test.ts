import type { KeyedRecord } from "@brume/core"
import { expect, test } from "vitest"
import { Manifest, type ManifestLog, type SegmentEntry } from "./manifest.ts"

/** The keyed records of a log, in memory. */
function memoryLog(): ManifestLog & { readonly kept: Map<string, Uint8Array>; commits: number; refuses: boolean } {
  const kept = new Map<string, Uint8Array>()
  return {
    kept,
    commits: 0,
    refuses: false,
    put(records: readonly KeyedRecord[]) {
      if (this.refuses) return { seq: 0, durable: Promise.reject(new Error("refused")) }
      this.commits++
      for (const { key, value } of records) {
        if (value === undefined) kept.delete(key)
        else kept.set(key, value)
      }
      return { seq: 0, durable: Promise.resolve() }
    },
    entries: () => kept.entries(),
  }
}

const entryOf = (name: string, ranges: [number, number][], epoch = "e"): SegmentEntry => ({
  name,
  node: "n",
  epoch,
  ranges,
  rows: 1,
  bytes: 2,
  sha256: "ab",
  minTime: -5,
  maxTime: 5,
  minReceived: 1,
  maxReceived: 2,
})
const lost = {
  epoch: "e",
  fromSeq: 30,
  toSeq: 40,
  file: "segments/c",
  quarantined: "",
  certainty: "acknowledged" as const,
}

test("a change is one commit, and another manifest over the same log says the same", async () => {
  const log = memoryLog()
  const manifest = new Manifest(log)
  const [a, b] = [entryOf("a", [[0, 10]]), entryOf("b", [[10, 20]])]
  await manifest.commit({ add: [a, b], latest: { name: "l", bytes: 1, sha256: "cd" } })
  const merged = entryOf("m", [[0, 20]])
  const before = log.commits
  await manifest.commit({
    add: [merged],
    remove: [a, b],
    dropped: [{ epoch: "e", ranges: [[20, 30]] }],
    damaged: [lost],
  })
  expect(log.commits).toBe(before + 1)
  for (const one of [manifest, new Manifest(log)]) {
    expect(one.segments).toEqual([merged])
    expect(one.latest).toEqual({ name: "l", bytes: 1, sha256: "cd" })
    expect(one.accounted("e")).toEqual([[0, 40]])
    expect(one.listed).toEqual([{ epoch: "e", ranges: [[0, 20]] }])
    expect(one.accounted("f")).toEqual([])
    expect(one.damaged).toEqual([lost])
  }
  const [range] = manifest.damaged
  await manifest.commit({ latest: "none", dropped: [{ epoch: "e", ranges: [[40, 50]] }], settled: [range!] })
  expect(new Manifest(log).damaged).toEqual([])
  expect(new Manifest(log).latest).toBeUndefined()
  expect(new Manifest(log).accounted("e")).toEqual([[0, 50]])
})

test("a commit that fails changes nothing", async () => {
  const log = memoryLog()
  const manifest = new Manifest(log)
  log.refuses = true
  await expect(manifest.commit({ add: [entryOf("a", [[0, 10]])] })).rejects.toThrow("refused")
  expect(manifest.segments).toEqual([])
})

test("segments within another one are superseded, whatever part of a merge was lost", async () => {
  const manifest = new Manifest(memoryLog())
  const inner = entryOf("a", [[0, 10]])
  const other = entryOf("b", [[0, 10]], "other epoch")
  const outer = entryOf("m", [
    [0, 20],
    [30, 40],
  ])
  const beyond = entryOf("z", [[15, 25]])
  await manifest.commit({ add: [inner, other, outer, beyond] })
  expect(manifest.superseded()).toEqual([inner])
})

test("records that make no sense are left out and named; unknown ones are of a newer version", async () => {
  const log = memoryLog()
  const manifest = new Manifest(log)
  await manifest.commit({
    add: [entryOf("a", [[0, 10]])],
    latest: { name: "l", bytes: 1, sha256: "cd" },
    damaged: [lost],
  })
  await manifest.commit({ dropped: [{ epoch: "e", ranges: [[10, 20]] }] })
  for (const [key, value] of log.kept) {
    for (const wrong of [
      "",
      "null",
      "[]",
      "{}",
      '{"name":"x"}',
      "\u0000",
      new TextDecoder().decode(value).slice(0, -1),
    ]) {
      const damaged = memoryLog()
      damaged.kept.set(key, new TextEncoder().encode(wrong))
      // An empty list of dropped ranges is one.
      if (key.startsWith("dropped/") && wrong === "[]") continue
      expect(new Manifest(damaged).unreadable, `${key} = ${wrong}`).toEqual([key])
    }
  }
  log.kept.set("bloom/e", new Uint8Array())
  expect(() => new Manifest(log)).toThrow(expect.objectContaining({ code: "store_version" }))
})
