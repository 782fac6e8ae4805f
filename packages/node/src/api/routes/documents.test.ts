import { SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import { apiRig } from "../../../../../test/rig/api.ts"
import { lamp, lampKind } from "../../../../../test/rig/document-kind.ts"
import { openDocuments } from "../../documents/documents.ts"
import type { ApiOptions } from "../options.ts"

interface Request {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE"
  readonly body?: unknown
  readonly yaml?: string
  readonly token?: string
}

async function api(further: Pick<Partial<ApiOptions>, "documentStatus"> = {}) {
  const rig = await apiRig()
  const { store, clock } = rig
  const documents = openDocuments({ store, clock, logger: new SilentLogger(), kinds: [lampKind] })
  const { fastify } = await rig.app({ documents, ...further })
  const call = async (url: string, { method = "GET", body, yaml, token = rig.admin }: Request = {}) => {
    const payload = yaml ?? (body === undefined ? undefined : JSON.stringify(body))
    const type = yaml === undefined ? "application/json" : "application/yaml"
    const answer = await fastify.inject({
      ...{ method, url },
      headers: { authorization: `Bearer ${token}`, ...(payload === undefined ? {} : { "content-type": type }) },
      ...(payload === undefined ? {} : { payload }),
    })
    return { status: answer.statusCode, body: answer.body === "" ? undefined : answer.json(), headers: answer.headers }
  }
  return { rig, documents, call, fastify }
}

test("a document is put, shown with its times, changed and deleted", async () => {
  const { call, rig } = await api()
  const created = await call("/v1/documents/lamps/hall", { method: "PUT", body: lamp("hall") })
  expect([created.status, created.body.change]).toEqual([201, "created"])
  rig.clock.advance(1)
  const changed = await call("/v1/documents/Lamp/hall", { method: "PUT", body: lamp("hall", { for: "1m" }) })
  expect([changed.status, changed.body.change]).toEqual([200, "changed"])
  const shown = (await call("/v1/documents/lamp/hall")).body
  expect(shown).toEqual({
    ...lamp("hall", { for: "1m" }),
    status: { generation: 2, created: "2025-01-01T00:00:00.000000Z", changed: "2025-01-01T00:00:00.001000Z" },
  })
  // What is shown can be applied as it is.
  expect((await call("/v1/documents/lamp/hall", { method: "PUT", body: shown })).body).toEqual({
    change: "unchanged",
    document: shown,
  })
  expect((await call("/v1/documents/Lamp/hall", { method: "DELETE" })).status).toBe(204)
  const gone = await call("/v1/documents/Lamp/hall")
  expect([gone.status, gone.body.code]).toEqual([404, "document_not_found"])
  expect((await call("/v1/documents/Lamp/hall", { method: "DELETE" })).body.code).toBe("document_not_found")
})

test("several are applied together or not at all, and a dry run only says what would be", async () => {
  const { call, documents } = await api()
  const bad = await call("/v1/documents", { method: "POST", body: [lamp("a"), lamp("b", { onn: 1 })] })
  expect([bad.status, bad.body.code, bad.body.details.mistakes]).toEqual([
    400,
    "document_invalid",
    [{ document: 1, kind: "Lamp", name: "b", path: "spec.onn", problem: "is unknown here; did you mean on?" }],
  ])
  const dry = await call("/v1/documents?dry-run=true", { method: "POST", body: [lamp("a"), lamp("b")] })
  expect(dry.body.documents.map(({ change }: { change: string }) => change)).toEqual(["created", "created"])
  expect(documents.list("Lamp")).toEqual([])
  expect((await call("/v1/documents?dry-run=yes", { method: "POST", body: [lamp("a")] })).status).toBe(400)
  const good = await call("/v1/documents", { method: "POST", body: [lamp("a"), lamp("b")] })
  expect([good.status, documents.list("Lamp").length]).toEqual([200, 2])
  const single = await call("/v1/documents", { method: "POST", body: lamp("a") })
  expect(single.body.documents.map(({ change }: { change: string }) => change)).toEqual(["unchanged"])
})

test("YAML is taken as it is kept in files: several documents, comments, aliases", async () => {
  const { call, documents } = await api()
  const yaml = `# lamps of the hall
apiVersion: brume.dev/v1
kind: Lamp
metadata: {name: first}
spec:
  on: &topic {topic: hall/light}
---
apiVersion: brume.dev/v1
kind: Lamp
metadata: {name: second}
spec:
  on: {topic: hall/light}
  for: 5m
---
`
  expect((await call("/v1/documents", { method: "POST", yaml })).body.documents).toHaveLength(2)
  expect(documents.list("Lamp").map(({ metadata }) => metadata.name)).toEqual(["first", "second"])
  const one = yaml.split("---")[0]!
  expect((await call("/v1/documents/lamps/first", { method: "PUT", yaml: one })).body.change).toBe("unchanged")
})

test("YAML that is none, or that unfolds, or is too large, is refused", async () => {
  const { call } = await api()
  const post = async (yaml: string) => {
    const { status, body } = await call("/v1/documents", { method: "POST", yaml })
    return [status, body.code]
  }
  expect(await post("a: [")).toEqual([400, "request_invalid"])
  expect(await post("a: 1\na: 2")).toEqual([400, "request_invalid"])
  const bomb = [
    "a0: &a0 [x, x]",
    ...Array.from({ length: 30 }, (_, at) => `a${at + 1}: &a${at + 1} [*a${at}, *a${at}]`),
  ]
  expect(await post(bomb.join("\n"))).toEqual([400, "request_invalid"])
  expect(await post(`# ${"x".repeat(262_144)}`)).toEqual([413, "payload_too_large"])
  expect(await post("a: .inf\nkind: Lamp")).toEqual([400, "document_invalid"])
  expect(await post("")).toEqual([200, undefined])
})

test("what the address says and what the document says must agree", async () => {
  const { call } = await api()
  const answer = await call("/v1/documents/Lamp/other", { method: "PUT", body: { ...lamp("a"), kind: "Rule" } })
  expect(answer.body.details.mistakes).toEqual([
    { path: "kind", problem: 'must be "Lamp", as the address says' },
    { path: "metadata.name", problem: 'must be "other", as the address says' },
  ])
  const unknown = await call("/v1/documents/lmaps/a", { method: "PUT", body: lamp("a") })
  expect([unknown.status, unknown.body.hint]).toEqual([404, "Did you mean lamps?"])
  expect((await call("/v1/documents/Lamp/a", { method: "PUT", body: [] })).body.code).toBe("request_invalid")
})

test("lists go by kind and name, in pages, with what the owner of a kind says", async () => {
  const documentStatus = { Lamp: (name: string) => (name === "b" ? { isLit: true, generation: 99 } : undefined) }
  const { call, documents } = await api({ documentStatus })
  await documents.apply([lamp("c"), lamp("a"), lamp("b")])
  const first = (await call("/v1/lamps?limit=2")).body
  expect(first.documents.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual(["a", "b"])
  expect(first.documents[1].status).toMatchObject({ isLit: true, generation: 1 })
  const second = (await call(`/v1/documents?kind=lamps&limit=2&cursor=${first.cursor}`)).body
  expect(second.documents.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual(["c"])
  expect(second.cursor).toBeUndefined()
  expect((await call("/v1/documents")).body.documents).toHaveLength(3)
  expect((await call("/v1/documents?kind=toaster")).body.code).toBe("document_not_found")
  expect((await call("/v1/documents?cursor=%21")).body.code).toBe("request_invalid")
})

test("a page of large documents ends early, and the next goes on", async () => {
  const { call, documents } = await api()
  const large = (name: string) => lamp(name, { on: { topic: "x".repeat(250_000) } })
  for (const part of ["a", "b"]) await documents.apply(Array.from({ length: 10 }, (_, at) => large(`${part}${at}`)))
  const first = (await call("/v1/documents?limit=1000")).body
  expect(first.documents).toHaveLength(16)
  expect((await call(`/v1/documents?cursor=${first.cursor}`)).body.documents).toHaveLength(4)
})

test("what is stored and no longer fits is listed with its mistakes, and can be deleted", async () => {
  const { rig } = await api()
  rig.store.put([{ kind: "document", key: "doc/Lamp/torn", value: Buffer.from("{") }])
  rig.store.put([{ kind: "document", key: "doc/Toaster/old", value: Buffer.from("{}") }])
  const { store, clock } = rig
  const documents = openDocuments({ store, clock, logger: new SilentLogger(), kinds: [lampKind] })
  const { fastify } = await rig.app({ documents })
  const headers = { authorization: `Bearer ${rig.admin}` }
  const { documents: listed } = (await fastify.inject({ url: "/v1/documents", headers })).json()
  const mistakes = [{ path: "", problem: "cannot be read from the log" }]
  expect(listed).toMatchObject([
    { kind: "Lamp", metadata: { name: "torn" }, status: { mistakes } },
    { kind: "Toaster", metadata: { name: "old" }, status: { mistakes } },
  ])
  const gone = await fastify.inject({ method: "DELETE", url: "/v1/documents/Toaster/old", headers })
  expect(gone.statusCode).toBe(204)
})

test("reading takes the scope read, changing takes admin, schemas take nothing, and tokens of devices get none of it", async () => {
  const { call, rig, fastify } = await api()
  const reader = await rig.token({ scopes: ["read"] })
  const writer = await rig.token({ scopes: ["write"] })
  const limited = await rig.token({ scopes: ["read"], devices: ["a/#"] })
  const statuses = (url: string, request: Request, ...tokens: string[]) =>
    Promise.all(tokens.map(async (token) => (await call(url, { ...request, token })).status))
  expect(await statuses("/v1/documents", {}, reader, writer, limited)).toEqual([200, 403, 403])
  expect(
    await statuses(
      "/v1/documents?dry-run=true",
      { method: "POST", body: lamp("a") },
      reader,
      writer,
      limited,
      rig.admin,
    ),
  ).toEqual([403, 403, 403, 200])
  const schema = await fastify.inject("/v1/schemas/lamps")
  expect([schema.statusCode, schema.headers["content-type"], schema.json().title]).toEqual([
    200,
    "application/schema+json; charset=utf-8",
    "Lamp",
  ])
  expect((await fastify.inject("/v1/schemas/lapms")).json()).toMatchObject({ status: 404, hint: "Did you mean lamps?" })
})
