/** The dashboard in Flask, as its README starts it: a real server, a real node, webhooks that come twice. */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { startNode, temporaryFolder, until } from "../rig/node-process.ts"
import { freePort, startPythonServer, withoutPython } from "../rig/python.ts"

const example = fileURLToPath(new URL("../../examples/flask-dashboard/", import.meta.url))
const reason = withoutPython("flask", "python3-flask")

async function opened() {
  const folder = await temporaryFolder()
  const port = await freePort()
  const node = await startNode(folder.path, ["--set", `effects.webhooks.allow=127.0.0.1:${port}`])
  const env = {
    BRUME_URL: node.url,
    BRUME_TOKEN: node.token,
    WEBHOOK_SECRET: "agreed",
    EVENTS_DATABASE: `${folder.path}/events.sqlite3`,
  }
  let server = await startPythonServer(() => ["app.py"], { cwd: example, env, port })
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
    write: (readings: unknown) =>
      node.request("/v1/readings", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(readings),
      }),
    /** Applies the example's rule, as far as this server's address and secret differ. */
    async applyRule() {
      const rule = (await readFile(`${example}rule.yaml`, "utf8"))
        .replaceAll("127.0.0.1:5000", `127.0.0.1:${port}`)
        .replaceAll("Bearer change-me", "Bearer agreed")
      const headers = { "content-type": "application/yaml" }
      return await node.request("/v1/documents", { method: "POST", headers, body: rule })
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
  expect((await at.write(readings)).status).toBe(200)
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

test("a rule of the node tells the dashboard once when it is too warm, and once when it is over", {
  timeout: 120_000,
}, async ({ skip }) => {
  if (reason !== undefined) skip(reason)
  await using at = await opened()
  expect((await at.applyRule()).status).toBe(200)
  for (const value of [4, 9, 10, 11, 7, 5]) {
    await at.write({ device: "cold/room-1", property: "temperature", value })
  }
  await until("both events are there", async () => /is cold again/.test(await at.page()))
  const page = await at.page()
  expect(page.match(/<span>.*<\/span>/g)).toEqual([
    "<span>cold/room-1 is cold again: 5 °C</span>",
    "<span>cold/room-1 is too warm: 9 °C</span>",
  ])
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
