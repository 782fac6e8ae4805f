import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { brume, folder, recordedTerminal } from "../../../../test/rig/recorded-terminal.ts"
import { json, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { run } from "../main.ts"

const rows = {
  id: "q",
  columns: [
    { name: "device", type: "VARCHAR" },
    { name: "value", type: "DOUBLE" },
  ],
  rows: [
    { device: "a", value: 1.5 },
    { device: "b", value: null },
  ],
  rowCount: 2,
}

test("query shows a table for people and a JSON array of row objects for programs", async () => {
  await using node = await scriptedNode((_request, response) => json(response, rows))
  const table = await brume(["query", "--url", node.url, "SELECT 1"])
  expect(table).toMatchObject({ code: 0, stdout: "device  value\na         1.5\nb        null\n", stderr: "" })
  const list = await brume(["query", "--url", node.url, "--json", "SELECT 1"])
  expect(JSON.parse(list.stdout)).toEqual(rows.rows)
  expect((await brume(["query", "--url", node.url, "--format", "json", "SELECT 1"])).stdout).toBe(list.stdout)
})

test("integers beyond 2^53 are shown and passed on with every digit", async () => {
  const text =
    '{"json":9007199254740993,"list":[-12345678901234567890],"text":"12345678901234567890","x":1.2345678901234567e30}'
  await using node = await scriptedNode((_request, response) => {
    const columns = ["json", "list", "text", "x"].map((name) => ({ name, type: "JSON" }))
    response.end(`{"id":"q","columns":${JSON.stringify(columns)},"rows":[${text}],"rowCount":1}`)
  })
  expect((await brume(["query", "--url", node.url, "--json", "SELECT 1"])).stdout).toBe(`[\n${text}\n]\n`)
  const table = (await brume(["query", "--url", node.url, "SELECT 1"])).stdout
  expect(table).toContain('9007199254740993  ["-12345678901234567890"]  12345678901234567890  1.2345678901234567e+30')
})

test("an empty result is an empty array, and a table with titles alone", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { ...rows, rows: [], rowCount: 0 }))
  expect((await brume(["query", "--url", node.url, "--json", "SELECT 1"])).stdout).toBe("[]\n")
  expect((await brume(["query", "--url", node.url, "SELECT 1"])).stdout).toBe("device  value\n")
})

test("query passes the statement from stdin or a file, its parameters and limits", async () => {
  await using node = await scriptedNode((_request, response) => json(response, rows))
  const path = await folder()
  await writeFile(join(path, "ask.sql"), "SELECT 2")
  const at = ["query", "--url", node.url]
  await brume([...at, "-"], { input: "SELECT 1" })
  await brume(at, { input: "SELECT 3" })
  await brume([...at, "--file", "ask.sql"], { folder: path })
  await brume([
    ...at,
    "--param",
    "4.2",
    "--param",
    "text",
    "--param",
    '"7"',
    "--param",
    "2025-01-01",
    "--param",
    "9007199254740993",
    "--max-rows",
    "5",
    "--timeout",
    "2s",
    "SELECT $1",
  ])
  const bodies = node.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
  expect(bodies.slice(0, 3).map(({ sql }) => sql)).toEqual(["SELECT 1", "SELECT 3", "SELECT 2"])
  expect(bodies[3]).toEqual({
    sql: "SELECT $1",
    format: "json",
    parameters: [4.2, "text", "7", "2025-01-01", "9007199254740993"],
    maxRows: 5,
    timeoutMs: 2_000,
  })
})

test("csv and arrow go through as they come; arrow not onto a terminal", async () => {
  const bytes = Buffer.from([0xff, 0, 1, 2])
  await using node = await scriptedNode((_request, response) => void response.end(bytes))
  expect((await brume(["query", "--url", node.url, "--format", "arrow", "SELECT 1"])).bytes).toEqual(bytes)
  const refused = await brume(["query", "--url", node.url, "--format", "arrow", "SELECT 1"], { columns: 80 })
  expect(refused).toMatchObject({ code: 2, stdout: "" })
})

test("Ctrl-C stops a query and its request", async () => {
  const terminal = recordedTerminal()
  let closed: Promise<void> | undefined
  await using node = await scriptedNode((_request, response) => {
    closed = new Promise((resolve) => response.once("close", resolve))
    terminal.interrupt()
  })
  expect(await run(["query", "--url", node.url, "SELECT 1"], terminal)).toBe(130)
  await closed
  expect(terminal.stderr()).toBe("")
})
