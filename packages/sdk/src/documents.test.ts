import { expect, test } from "vitest"
import { apiRig } from "../../../test/rig/api.ts"
import { lamp, lampKind } from "../../../test/rig/document-kind.ts"
import { createClient } from "./client.ts"

async function agreed() {
  const rig = await apiRig({ kinds: [lampKind] })
  const api = await rig.listen()
  const client = createClient({ url: api.url, token: rig.admin, retry: { maxAttempts: 1 } })
  return { documents: client.documents, [Symbol.asyncDispose]: () => api.close() }
}

test("documents are applied, shown, listed and deleted", async () => {
  await using at = await agreed()
  const { documents } = at
  const dry = await documents.apply([lamp("a"), lamp("b")], { dryRun: true })
  expect(dry.map(({ change }) => change)).toEqual(["created", "created"])
  await expect(documents.get("Lamp", "a")).rejects.toMatchObject({ code: "document_not_found" })
  const applied = await documents.apply([lamp("a"), lamp("b")])
  expect(applied[0]?.document).toEqual(await documents.get("lamps", "a"))
  expect(await documents.apply(lamp("a"))).toEqual([{ change: "unchanged", document: applied[0]?.document }])
  expect(applied[0]?.document.status).toMatchObject({ generation: 1, created: "2025-01-01T00:00:00.000000Z" })
  await documents.delete("Lamp", "a")
  await expect(documents.delete("Lamp", "a")).rejects.toMatchObject({ code: "document_not_found" })
  const left = []
  for await (const document of documents.list()) left.push(document)
  expect(left).toEqual([applied[1]?.document])
})

test("a list goes over all its pages", async () => {
  await using at = await agreed()
  const names = Array.from({ length: 250 }, (_, index) => `n${String(index).padStart(3, "0")}`)
  await at.documents.apply(names.map((name) => lamp(name)))
  const listed: string[] = []
  for await (const { metadata } of at.documents.list({ kind: "lamps" })) listed.push(metadata.name)
  expect(listed).toEqual(names)
})

test("mistakes come with their document and path", async () => {
  await using at = await agreed()
  await expect(at.documents.apply([lamp("a"), lamp("b", { colour: 1 })])).rejects.toMatchObject({
    code: "document_invalid",
    details: { mistakes: [{ document: 1, kind: "Lamp", name: "b", path: "spec.colour" }] },
  })
  expect(await at.documents.schema("Lamp")).toMatchObject({ title: "Lamp", properties: { kind: { const: "Lamp" } } })
  await expect(at.documents.schema("Lump")).rejects.toMatchObject({ code: "document_not_found" })
})
