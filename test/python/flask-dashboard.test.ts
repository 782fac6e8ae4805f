/** The dashboard in Flask, as its README starts it: a real server, a real node, webhooks that come twice. */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { startNode, temporaryFolder, until } from "../rig/node-process.ts"
import { startPythonServer, withoutPython } from "../rig/python.ts"

const example = fileURLToPath(new URL("../../examples/flask-dashboard/", import.meta.url))
const reason = withoutPython("flask", "python3-flask")

async function opened() {
  const folder = await temporaryFolder()
  const node = await startNode(folder.path)
  const env = {
    BRUME_URL: node.url,
    BRUME_TOKEN: node.token,
    WEBHOOK_SECRET: "agreed",
    EVENTS_DATABASE: `${folder.path}/events.sqlite3`,
  }
  let server = await startPythonServer(() => ["app.py"], { cwd: example, env })
  const port = Number(new URL(server.url).port)
  const hook = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/hooks/brume`, {
      method: "POST",
      body,
      headers: { authorization: "Bearer agreed", "idempotency-key": "k-1", ...headers },
    })
  return {
    node,
    hook,
    page: async () => await (await fetch(`${server.url}/`)).text(),
    get url() {
      return server.url
    },
    async restart() {
      await server[Symbol.asyncDispose]()
      server = await startPythonServer(() => ["app.py"], { cwd: example, env, port })
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await node[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test("the dashboard shows devices and keeps each event once", { timeout: 120_000 }, async ({ skip }) => {
  if (reason !== undefined) skip(reason)
  await using at = await opened()
  expect(await at.page()).toContain("No device has reported yet.")

  const now = Date.now()
  const readings = [0, 1, 2, 3].map((minute) => ({
    device: "cold/<b>",
    property: "temperature",
    value: minute * 1.5,
    time: now - minute * 60_000,
  }))
  const stored = await at.node.request("/v1/readings", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(readings),
  })
  expect(stored.status).toBe(200)
  await until("its curve is there", async () => (await at.page()).includes("<polyline"))
  expect(await at.page()).toMatch(/<h2>cold\/&lt;b&gt;<\/h2>.*<dt>temperature<\/dt>\s*<dd>0<\/dd>/s)

  const body = JSON.stringify({ text: "cold/<b> is too warm" })
  expect((await at.hook(body)).status).toBe(201)
  const again = await at.hook(body)
  expect([again.status, await again.json()]).toEqual([200, { new: false, received: "k-1" }])
  // Its memory is on disk: the dashboard died between the webhook and its answer, as far as the node can tell.
  await at.restart()
  expect((await at.hook(body)).status).toBe(200)
  expect((await at.hook("plain words", { "idempotency-key": "k-2" })).status).toBe(201)
  const page = await (await fetch(`${at.url}/data`)).text()
  expect(page.match(/cold\/&lt;b&gt; is too warm/g)).toHaveLength(1)
  expect(page).toContain("plain words")
})

test("the dashboard refuses webhooks of others", { timeout: 120_000 }, async ({ skip }) => {
  if (reason !== undefined) skip(reason)
  await using at = await opened()
  expect((await at.hook("x", { authorization: "Bearer other" })).status).toBe(401)
  expect((await at.hook("x", { authorization: "Bearer ägreed" })).status).toBe(401)
  expect((await at.hook("x", { "idempotency-key": "" })).status).toBe(400)
  expect((await at.hook("x", { "idempotency-key": "k".repeat(256) })).status).toBe(400)
  expect((await at.hook("x".repeat(70_000))).status).toBe(413)
  expect((await fetch(`${at.url}/hooks/brume`)).status).toBe(405)
  expect(await at.page()).toContain("No rule has sent anything yet.")
})

test("the dashboard says that its node is away, and goes on when it is back", { timeout: 120_000 }, async ({
  skip,
}) => {
  if (reason !== undefined) skip(reason)
  await using at = await opened()
  await at.node.end("SIGKILL")
  const page = await fetch(`${at.url}/`)
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("nothing listens there")])
  // A webhook that was on its way is kept all the same.
  expect((await at.hook("late", { "idempotency-key": "late" })).status).toBe(201)
})

test("the rule of the example speaks to the dashboard's address", async () => {
  const rule = await readFile(`${example}rule.yaml`, "utf8")
  expect(rule.match(/http:\/\/127\.0\.0\.1:5000\/hooks\/brume/g)).toHaveLength(2)
  expect(await readFile(`${example}README.md`, "utf8")).toContain("allow=127.0.0.1:5000")
})
