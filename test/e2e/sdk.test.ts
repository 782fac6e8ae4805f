/** The SDK against a real node: over its death and return, in a browser, and as its guide shows it. */
import { execFile } from "node:child_process"
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { createClient, type LiveGap, openFolderStorage } from "@brume/sdk"
import { expect, onTestFinished, test, vi } from "vitest"
import { findChromium, openBrowser } from "../rig/browser.ts"
import { type NodeProcess, startNode, temporaryFolder, until } from "../rig/node-process.ts"

// Nodes, a compiler and a browser are processes: on a small, busy machine they take their time.
vi.setConfig({ testTimeout: 120_000 })

const root = fileURLToPath(new URL("../..", import.meta.url))
const quick = { firstDelayMs: 20, maxDelayMs: 200 }

/** The same node again, at the address where it was. */
const restart = (folder: string, node: NodeProcess): Promise<NodeProcess> =>
  startNode(folder, ["--http", new URL(node.url).host])

const ids = (length: number, from = 0): number[] => Array.from({ length }, (_, index) => from + index)

test("a writer brings every reading once over kill -9 of the node and an end of the application", async () => {
  await using folder = await temporaryFolder()
  await using unsent = await temporaryFolder()
  const first = await startNode(folder.path)
  const storage = await openFolderStorage(join(unsent.path, "batches"))
  const client = createClient({ url: first.url, token: first.token })
  const writer = client.writer({ maxBatch: 50, maxDelayMs: 5, retry: quick, storage })
  const add = async (id: number): Promise<void> => {
    await writer.add({ device: "d", property: "id", value: id })
  }
  for (const id of ids(1_000)) {
    await add(id)
    // The node dies while batches are on their way.
    if (id === 500) await first.end("SIGKILL")
  }
  await writer.close({ timeoutMs: 100 })

  await using second = await restart(folder.path, first)
  const again = client.writer({ retry: quick, storage })
  for (const id of ids(100, 1_000)) await again.add({ device: "d", property: "id", value: id })
  await again.flush({ timeoutMs: 20_000 })
  await again.close()
  const count = "SELECT count(*) AS n, count(DISTINCT value) AS different FROM readings"
  await until("SQL sees them", async () => (await second.sql<{ n: number }>(count))[0]?.n === 1_100)
  expect(await second.sql(count)).toEqual([{ n: 1_100, different: 1_100 }])
})

test("a live stream goes on over a restart of the node, and what it missed can be asked for", async () => {
  await using folder = await temporaryFolder()
  const first = await startNode(folder.path)
  const client = createClient({ url: first.url, token: first.token })
  const seen: number[] = []
  const gaps: LiveGap[] = []
  await using live = client.live(
    { devices: ["cold/+"] },
    {
      retry: quick,
      onReadings: (readings) => seen.push(...readings.map(({ value }) => value ?? -1)),
      onGap: (gap) => gaps.push(gap),
    },
  )
  const write = (value: number, device = "cold/a") => client.writeReadings({ device, property: "id", value })
  await until("it is open", () => live.state.state === "open")
  await write(1)
  await write(99, "warm/a")
  await until("the first reading", () => seen.length === 1)
  await first.end("SIGTERM")
  await until("it noticed", () => live.state.state !== "open")
  await using second = await restart(folder.path, first)
  // Written before the stream is back, as far as the test can tell.
  await write(2)
  await until("it is open again", () => live.state.state === "open")
  await write(3)
  await until("the last reading", () => seen.includes(3))
  expect(seen[0]).toBe(1)
  expect(seen).not.toContain(99)
  const [gap] = gaps
  expect(gap).toMatchObject({ reason: "disconnected", after: { value: 1 } })
  const missed = "SELECT value FROM readings WHERE epoch = $1 AND seq > $2 AND device LIKE 'cold/%' ORDER BY seq"
  const parameters = [gap?.after?.epoch ?? "", gap?.after?.seq ?? 0]
  await until("SQL sees them", async () => (await client.query(missed, { parameters })).length === 2)
  expect(await client.query(missed, { parameters })).toEqual([{ value: 2 }, { value: 3 }])
  expect(second.url).toBe(first.url)
})

test("a stream whose token is revoked ends with that reason", async () => {
  await using folder = await temporaryFolder()
  await using node = await startNode(folder.path)
  const admin = createClient({ url: node.url, token: node.token })
  const { id, secret } = await admin.tokens.create({ name: "t", scopes: ["read"] })
  const live = createClient({ url: node.url, token: secret }).live({}, { retry: quick })
  await until("it is open", () => live.state.state === "open")
  await admin.tokens.revoke(id)
  await expect(
    (async () => {
      for await (const _reading of live);
    })(),
  ).rejects.toMatchObject({ code: "unauthenticated" })
})

test("a big result streams in constant memory, and leaving it stops the statement", async () => {
  await using folder = await temporaryFolder()
  await using node = await startNode(folder.path)
  const client = createClient({ url: node.url, token: node.token })
  let rows = 0
  let last: { n: number; text: string } | undefined
  const select = "SELECT range AS n, 'é\"]}' || range AS text FROM range(90000)"
  for await (const row of await client.queryStream<{ n: number; text: string }>(select)) {
    rows++
    last = row
  }
  expect({ rows, last }).toEqual({ rows: 90_000, last: { n: 89_999, text: 'é"]}89999' } })
  const tooMany = client.query("SELECT * FROM range(300000)")
  await expect(tooMany).rejects.toMatchObject({ code: "query_too_many_rows", hint: expect.any(String) })
  for await (const _row of await client.queryStream("SELECT * FROM range(900000)")) break
  await until("it is stopped", async () => (await client.queries.list()).length === 0)
})

/** All TypeScript of the guide, in its order, as one module. */
async function guideModule(node: NodeProcess): Promise<string> {
  const guide = await readFile(join(root, "docs/guide/sdk.md"), "utf8")
  const blocks = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? "")
  expect(blocks.length).toBeGreaterThan(6)
  const text = blocks.join("\n").replaceAll("http://127.0.0.1:7777", node.url)
  return `${text}\nconsole.log(JSON.stringify({ rows, secret, store, missed: typeof missed, live: live.state }))\n`
}

test("every example of the guide compiles and runs", async () => {
  await using folder = await temporaryFolder()
  await using node = await startNode(folder.path)
  // Inside of the project, so that its packages are found.
  const place = join(root, "node_modules/.cache/brume", `guide-${process.pid}`)
  onTestFinished(() => rm(place, { recursive: true, force: true }))
  await mkdir(place, { recursive: true })
  await writeFile(join(place, "package.json"), '{"type":"module"}')
  await writeFile(join(place, "guide.ts"), await guideModule(node))
  const run = promisify(execFile)
  const flags =
    "--strict --target es2022 --module nodenext --lib es2023,dom,esnext.disposable --types node --skipLibCheck --ignoreConfig"
  const compiler = join(root, "node_modules/typescript/bin/tsc")
  const compiled = await run(process.execPath, [compiler, "guide.ts", ...flags.split(" ")], { cwd: place }).catch(
    ({ stdout }: { stdout: string }) => ({ stdout }),
  )
  expect(compiled.stdout).toBe("")
  const environment = { ...process.env, BRUME_TOKEN: node.token }
  const { stdout } = await run(process.execPath, ["guide.js"], { cwd: place, env: environment })
  const last = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>
  expect(last).toMatchObject({ rows: expect.any(Array), secret: expect.stringMatching(/^brume_/), missed: "function" })
})

/** The SDK as a browser gets it, by file; `/sdk.js` is the entry. */
async function browserBundle(): Promise<Map<string, string>> {
  const { build } = (await import("vite")) as typeof import("vite")
  const answer = await build({
    configFile: false,
    logLevel: "silent",
    root,
    resolve: { conditions: ["brume-source", "module", "browser", "development|production"] },
    build: {
      write: false,
      minify: false,
      target: "es2022",
      lib: { entry: join(root, "packages/sdk/src/index.ts"), formats: ["es"] },
    },
  })
  const [output] = Array.isArray(answer) ? answer : []
  const chunks = output?.output.filter((chunk) => chunk.type === "chunk") ?? []
  return new Map(chunks.map((chunk) => [chunk.isEntry ? "/sdk.js" : `/${chunk.fileName}`, chunk.code]))
}

test("a browser on another origin writes, asks and listens with the same code", async (ctx) => {
  const executable = findChromium()
  if (executable === undefined) ctx.skip("chromium is not installed: apt-get install chromium")
  const modules = await browserBundle()
  for (const code of modules.values()) expect(code).not.toMatch(/(from|import\(|require\() ?["'](node:|fs|net|http)/)
  const page = '<!doctype html><script type="module">import * as sdk from "./sdk.js"; globalThis.sdk = sdk</script>'
  const server = createServer((request, response) => {
    const code = modules.get(request.url ?? "")
    response.writeHead(200, { "content-type": code === undefined ? "text/html" : "text/javascript" })
    response.end(code ?? page)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await using folder = await temporaryFolder()
  await using node = await startNode(folder.path, ["--set", `api.allowedOrigins=${origin}`])
  const browser = await openBrowser(executable as string)
  onTestFinished(() => browser.close())
  const tab = await browser.newPage()
  await tab.goto(origin)
  await tab.waitForFunction(() => "sdk" in globalThis)
  const seen = await tab.evaluate(inBrowser, { url: node.url, token: node.token })
  expect(seen).toEqual({ values: [1, 2], rows: [{ n: 2 }], code: "query_invalid", refused: "unauthenticated" })
})

interface PageArguments {
  readonly url: string
  readonly token: string
}

/** Runs in the page. */
async function inBrowser({ url, token }: PageArguments): Promise<unknown> {
  const { sdk } = globalThis as unknown as { sdk: typeof import("@brume/sdk") }
  const client = sdk.createClient({ url, token })
  const values: (number | null)[] = []
  const live = client.live({ devices: ["d"] })
  const heard = (async () => {
    for await (const { value } of live) if (values.push(value) === 2) return
  })()
  while (live.state.state !== "open") await new Promise((resolve) => setTimeout(resolve, 10))
  const writer = client.writer({ maxDelayMs: 5 })
  await writer.add({ device: "d", property: "p", value: 1 })
  await writer.add({ device: "d", property: "p", value: 2 })
  await writer.close()
  await heard
  let rows: unknown[] = []
  while (rows.length === 0) rows = await client.query("SELECT count(*) AS n FROM readings HAVING count(*) = 2")
  const code = await client.query("SELEC 1").catch((error: { code?: string }) => error.code)
  const stranger = sdk.createClient({ url, token: "brume_x_wrong" }).live()
  const refused = await (async () => {
    for await (const _reading of stranger);
  })().catch((error: { code?: string }) => error.code)
  return { values, rows, code, refused }
}
