import { FogError } from "@brume/core"
import { expect, test } from "vitest"
import { json, scriptedNode } from "../../../test/rig/scripted-node.ts"
import { createClient } from "./client.ts"

const answer = { id: "q-1", columns: [{ name: "a", type: "DOUBLE" }], rows: [{ a: 1 }, { a: 2 }], rowCount: 2 }

test("query gives the rows and sends everything that was asked for", async () => {
  await using node = await scriptedNode((_request, response) => json(response, answer))
  const rows = await createClient({ url: node.url }).query("SELECT $1", {
    parameters: ["x", 1, true, null, 2n ** 60n, new Date(0)],
    maxRows: 5,
    timeoutMs: 100,
  })
  expect(rows).toEqual(answer.rows)
  expect(JSON.parse(node.requests[0]?.body ?? "")).toEqual({
    sql: "SELECT $1",
    format: "json",
    parameters: ["x", 1, true, null, "1152921504606846976", "1970-01-01T00:00:00.000Z"],
    maxRows: 5,
    timeoutMs: 100,
  })
})

test("queryStream gives rows before the answer is complete", async () => {
  let goOn = (): void => {}
  await using node = await scriptedNode((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.write('{"id":"q-1","columns":[{"name":"a","type":"VARCHAR"}],"rows":[\n{"a":"é"},\n')
    goOn = () => response.end('{"a":"z"}\n],"rowCount":2}')
  })
  const stream = await createClient({ url: node.url }).queryStream("SELECT 1")
  expect(stream.id).toBe("q-1")
  expect(stream.columns).toEqual([{ name: "a", type: "VARCHAR" }])
  const rows: unknown[] = []
  for await (const row of stream) {
    rows.push(row)
    if (rows.length === 1) goOn()
  }
  expect(rows).toEqual([{ a: "é" }, { a: "z" }])
})

test("queryJson leaves each row's text as it is, so that long numbers stay exact", async () => {
  await using node = await scriptedNode((_request, response) => {
    response.end('{"id":"q","columns":[],"rows":[{"a":9007199254740993},\n{"a": 1.50}],"rowCount":2}')
  })
  const texts: string[] = []
  for await (const text of await createClient({ url: node.url }).queryJson("SELECT 1")) texts.push(text)
  expect(texts).toEqual(['{"a":9007199254740993}', '{"a": 1.50}'])
})

test("an empty result is a stream without rows", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { ...answer, rows: [], rowCount: 0 }))
  const rows: unknown[] = []
  for await (const row of await createClient({ url: node.url }).queryStream("SELECT 1")) rows.push(row)
  expect(rows).toEqual([])
})

test("an answer that breaks off after some rows throws, so that nobody takes it for complete", async () => {
  await using node = await scriptedNode((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.write('{"id":"q","columns":[],"rows":[{"a":1},{"a":2},')
    setTimeout(() => response.destroy(), 20)
  })
  const rows: unknown[] = []
  const stream = await createClient({ url: node.url }).queryStream("SELECT 1")
  await expect(
    (async () => {
      for await (const row of stream) rows.push(row)
    })(),
  ).rejects.toMatchObject({ code: "node_unreachable" })
  expect(rows).toEqual([{ a: 1 }, { a: 2 }])
})

test("an answer that the node breaks off throws the reason that it gave last", async () => {
  await using node = await scriptedNode((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.write('{"id":"q","columns":[],"rows":[{"a":1}')
    response.write('\n],"error":{"code":"query_too_many_rows","detail":"More than 1 row","hint":"Add LIMIT"}}')
    setTimeout(() => response.destroy(), 20)
  })
  const client = createClient({ url: node.url })
  const read = async (): Promise<void> => {
    for await (const _row of await client.queryStream("SELECT 1"));
  }
  const reason = { code: "query_too_many_rows", message: "More than 1 row", hint: "Add LIMIT" }
  await expect(read()).rejects.toMatchObject(reason)
  await expect(client.query("SELECT 1")).rejects.toMatchObject(reason)
})

test("an answer that ends too early without an error of the connection throws too", async () => {
  await using node = await scriptedNode((_request, response) => {
    response.end('{"id":"q","columns":[],"rows":[{"a":1},')
  })
  const stream = await createClient({ url: node.url }).queryStream("SELECT 1")
  await expect(
    (async () => {
      for await (const _row of stream);
    })(),
  ).rejects.toBeInstanceOf(FogError)
})

test("leaving the loop ends the request, which stops the statement", async () => {
  let ended: Promise<void> | undefined
  await using node = await scriptedNode((_request, response) => {
    ended = new Promise((resolve) => response.once("close", resolve))
    response.writeHead(200, { "content-type": "application/json" })
    response.write('{"id":"q","columns":[],"rows":[{"a":1},')
  })
  for await (const row of await createClient({ url: node.url }).queryStream("SELECT 1")) {
    expect(row).toEqual({ a: 1 })
    break
  }
  await ended
})

test("arrow and CSV come as bytes with their type", async () => {
  await using node = await scriptedNode(({ body }, response) => {
    const { format } = JSON.parse(body) as { format: string }
    response.writeHead(200, { "content-type": `kind/${format}` })
    response.write("ab")
    setTimeout(() => response.end("c"), 5)
  })
  const client = createClient({ url: node.url })
  expect(new TextDecoder().decode(await client.queryArrow("SELECT 1"))).toBe("abc")
  expect((await client.queryBytes("SELECT 1", { format: "csv" })).contentType).toBe("kind/csv")
  expect(node.requests[0]?.headers.accept).toContain("application/vnd.apache.arrow.stream")
})

test("running statements are listed and cancelled", async () => {
  const running = { id: "q 1", sql: "SELECT 1", started: "2025-01-01T00:00:00Z", state: "running" }
  await using node = await scriptedNode(({ method }, response) => {
    if (method === "GET") json(response, { queries: [running] })
    else response.writeHead(204).end()
  })
  const { queries } = createClient({ url: node.url })
  expect(await queries.list()).toEqual([running])
  await queries.cancel("q 1")
  expect(node.requests[1]?.url).toBe("/v1/queries/q%201")
})
