import type { DocumentChange, DocumentKind, KeyedRecord } from "@brume/core"
import { SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { lamp, lampKind } from "../../../../test/rig/document-kind.ts"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { type DocumentsOptions, openDocuments } from "./documents.ts"

function rig(options: Partial<DocumentsOptions> = {}) {
  const store = new MemoryStore()
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const open = (further: Partial<DocumentsOptions> = {}) =>
    openDocuments({ store, clock, logger, kinds: [lampKind], ...options, ...further })
  return { store, clock, logger, open, documents: open() }
}

const rejection = (work: Promise<unknown>) =>
  work.then(
    () => {
      throw new Error("it was not refused")
    },
    (error: { code: string; message: string; details: { mistakes: readonly object[]; more?: number } }) => error,
  )

test("a document is created, changed and recognised as unchanged, whatever the order of its keys", async () => {
  const { documents, clock } = rig()
  const [first] = await documents.apply([lamp("hall", { for: "5m", colour: "red" }, { floor: "1" })])
  expect(first).toMatchObject({
    change: "created",
    document: { metadata: { name: "hall" }, status: { generation: 1 } },
  })
  clock.advance(1_000)
  const reordered = { spec: { colour: "red", for: "5m", on: { topic: "hall/light" } }, kind: "Lamp" }
  const again = { ...lamp("hall", {}, { floor: "1" }), ...reordered, status: { generation: 7 } }
  expect(await documents.apply([again])).toEqual([{ ...first, change: "unchanged" }])
  const [changed] = await documents.apply([lamp("hall", { for: "6m" })])
  const { status } = documents.get("Lamp", "hall")!
  expect(changed).toEqual({ change: "changed", document: documents.get("Lamp", "hall") })
  expect(status).toMatchObject({ generation: 2, created: first!.document.status.created })
  expect(status.changed - status.created).toBe(1_000_000)
  expect(documents.get("Lamp", "hall")).not.toHaveProperty("metadata.labels")
})

test("documents outlive the node, in the order of their names", async () => {
  const { documents, open } = rig()
  await documents.apply([lamp("b"), lamp("a", { for: "1h" })])
  await documents.delete("Lamp", "b")
  await documents.apply([lamp("c")])
  const after = open()
  expect(after.list("Lamp")).toEqual(documents.list("Lamp"))
  expect(after.list("Lamp").map(({ metadata }) => metadata.name)).toEqual(["a", "c"])
})

test("one mistake, and nothing of what was applied together is there", async () => {
  const { documents, store } = rig()
  const before = store.nextSeq
  const error = await rejection(documents.apply([lamp("a"), lamp("b", { colour: "rde" }), lamp("a"), 7]))
  expect(error.code).toBe("document_invalid")
  expect(error.details.mistakes).toEqual([
    {
      ...{ document: 1, kind: "Lamp", name: "b" },
      ...{ path: "spec.colour", problem: "must be one of red, green; did you mean red?" },
    },
    { document: 2, kind: "Lamp", name: "a", path: "metadata.name", problem: "stands twice: Lamp a" },
    { document: 3, path: "", problem: "must be an object with apiVersion, kind, metadata and spec" },
  ])
  expect(error.message).toContain("Lamp b: spec.colour must be one of red, green; did you mean red?; Lamp a: ")
  expect([documents.list("Lamp"), store.nextSeq]).toEqual([[], before])
})

test("the message lists ten mistakes, the details more, and both say how many they leave out", async () => {
  const { documents } = rig()
  const error = await rejection(documents.apply(Array.from({ length: 300 }, (_, at) => lamp(`n${at}`, { odd: 1 }))))
  expect(error.message.match(/spec\.odd is unknown here/g)).toHaveLength(10)
  expect(error.message).toMatch(/; and 290 more$/)
  expect(error.details.mistakes).toHaveLength(200)
  expect(error.details.more).toBe(100)
})

test("what is applied together is one commit", async () => {
  const puts: KeyedRecord[][] = []
  const store = new MemoryStore()
  const put = (records: readonly KeyedRecord[]) => {
    puts.push([...records])
    return store.put(records)
  }
  const { documents } = rig({ store: { entries: (kind) => store.entries(kind), put } })
  await documents.apply([lamp("a"), lamp("b")])
  await documents.apply([lamp("a"), lamp("b", { for: "1s" })])
  await documents.apply([lamp("a")])
  expect(puts.map((records) => records.map(({ key }) => key))).toEqual([["doc/Lamp/a", "doc/Lamp/b"], ["doc/Lamp/b"]])
})

test("owners hear of changes when they are durable, in order; one that fails harms nobody", async () => {
  const { documents, store, logger } = rig()
  const heard: string[] = []
  const note = ({ name, document }: DocumentChange) => heard.push(`${name} ${document?.status.generation ?? "gone"}`)
  documents.onChange("Lamp", () => {
    throw new Error("an owner fails")
  })
  const end = documents.onChange("Lamp", note)
  documents.onChange("Other", () => heard.push("not meant"))
  const release = store.hold()
  const work = [
    documents.apply([lamp("a"), lamp("b")]),
    documents.apply([lamp("a", { for: "2m" }), lamp("b")]),
    documents.delete("Lamp", "b"),
  ]
  await new Promise((resolve) => setImmediate(resolve))
  expect([heard, documents.list("Lamp")]).toEqual([[], []])
  release()
  await Promise.all(work)
  expect(heard).toEqual(["a 1", "b 1", "a 2", "b gone"])
  expect(logger.entries.some(({ message }) => message === "The owner of a document failed at its change")).toBe(true)
  end()
  await documents.delete("Lamp", "a")
  expect(heard).toHaveLength(4)
})

test("what never became durable is not in force, and the next change goes on from what is", async () => {
  const { documents, store } = rig()
  await documents.apply([lamp("a")])
  const release = store.hold()
  const failing = rejection(documents.apply([lamp("a", { for: "1m" })]))
  await new Promise((resolve) => setImmediate(resolve))
  release(new Error("the disk is gone"))
  await failing
  expect(documents.get("Lamp", "a")).toMatchObject({ spec: { on: {} }, status: { generation: 1 } })
  const [next] = await documents.apply([lamp("a", { for: "2m" })])
  expect(next).toMatchObject({ change: "changed", document: { status: { generation: 2 } } })
})

test("a plan says what would change, and changes nothing", async () => {
  const { documents, store } = rig()
  await documents.apply([lamp("a"), lamp("b")])
  const before = store.nextSeq
  const plan = documents.plan([lamp("a"), lamp("b", { for: "1m" }), lamp("c")])
  expect(plan.map(({ change }) => change)).toEqual(["unchanged", "changed", "created"])
  expect(() => documents.plan([lamp("d", { x: 1 })])).toThrow(/spec\.x is unknown here/)
  expect([store.nextSeq, documents.list("Lamp").length]).toEqual([before, 2])
})

test("a document that is not there cannot be deleted", async () => {
  const { documents } = rig()
  expect(await rejection(documents.delete("Lamp", "nothing"))).toMatchObject({ code: "document_not_found" })
})

test("a stored document that its kind no longer takes stops nothing: it is listed with its mistakes until it fits", async () => {
  const { documents, open, logger, store } = rig()
  await documents.apply([lamp("old", { colour: "red" }), lamp("good")])
  store.put([{ kind: "document", key: "doc/Lamp/torn", value: Buffer.from("{") }])
  store.put([{ kind: "document", key: "doc/Newer/thing", value: Buffer.from('{"v":1,"generation":1}') }])
  store.put([{ kind: "document", key: "token/k1", value: Buffer.from("{}") }])
  const stricter: DocumentKind = {
    ...lampKind,
    specSchema: { ...lampKind.specSchema, properties: { on: {} } },
  }
  const after = open({ kinds: [stricter] })
  expect(after.list("Lamp").map(({ metadata }) => metadata.name)).toEqual(["good"])
  expect(after.get("Lamp", "old")).toBeUndefined()
  expect(after.allHeld().map(({ name, mistakes }) => [name, mistakes.map(({ path }) => path)])).toEqual([
    ["good", []],
    ["old", ["spec.colour"]],
    ["torn", [""]],
    ["thing", [""]],
  ])
  expect(logger.entries.filter(({ level }) => level === "error")).toHaveLength(3)
  expect(await after.apply([lamp("old")])).toMatchObject([
    { change: "changed", document: { status: { generation: 2 } } },
  ])
  await after.delete("Newer", "thing")
  expect(after.allHeld().map(({ name }) => name)).toEqual(["good", "old", "torn"])
})

test("a clock that is set back never makes a document older", async () => {
  const { documents, clock, open } = rig()
  clock.advance(60_000)
  await documents.apply([lamp("a")])
  const { changed } = documents.get("Lamp", "a")!.status
  const earlier = open({ clock: new VirtualClock() })
  await earlier.apply([lamp("a", { for: "1m" })])
  expect(earlier.get("Lamp", "a")!.status.changed).toBe(changed)
})

test("documents are limited in number, together and in bytes", async () => {
  const few = rig({ limits: { maxDocuments: 2, maxTogether: 3 } }).documents
  await few.apply([lamp("a")])
  expect((await rejection(few.apply([lamp("b"), lamp("c")]))).message).toContain("would be document 3 of this node")
  await few.apply([lamp("a", { for: "1m" }), lamp("b")])
  expect((await rejection(few.apply(["a", "b", "c", "d"].map((name) => lamp(name))))).message).toContain("is one of 4")
  await few.delete("Lamp", "a")
  await few.apply([lamp("c")])
  const small = rig({ limits: { maxTotalBytes: 500 } }).documents
  await small.apply([lamp("a")])
  expect((await rejection(small.apply([lamp("b", { on: { topic: "x".repeat(300) } })]))).message).toContain(
    "would make",
  )
})
