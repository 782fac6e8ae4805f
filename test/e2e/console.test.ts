/** The console in a real browser against a real node. */
import { readFile } from "node:fs/promises"
import { connectAsync } from "mqtt"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest"
import { findChromium, openBrowser, openPage } from "../rig/browser.ts"
import { type NodeProcess, startNode, type TemporaryFolder, temporaryFolder } from "../rig/node-process.ts"

const executable = findChromium()
const patience = { timeout: 15_000 }

let folder: TemporaryFolder
let node: NodeProcess
let browser: Browser

beforeAll(async () => {
  if (executable === undefined) return
  folder = await temporaryFolder()
  node = await startNode(folder.path)
  browser = await openBrowser(executable)
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await node?.[Symbol.asyncDispose]()
  await folder?.[Symbol.asyncDispose]()
})

function needBrowser(ctx: TestContext): void {
  if (executable === undefined) ctx.skip("chromium is not installed: apt-get install chromium")
}

async function write(...readings: readonly object[]): Promise<void> {
  const answer = await node.request("/v1/readings", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(readings),
  })
  if (!answer.ok) throw new Error(await answer.text())
}

describe.sequential("console", () => {
  test("says how to send the first reading, and shows the device as soon as it came", async (ctx) => {
    needBrowser(ctx)
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    await page.getByText("No readings yet").waitFor(patience)
    expect(await page.locator("pre").textContent()).toContain(`${node.url}/v1/readings`)
    await write({ device: "hall-a/dairy", values: { temperature: 3.94, door: "closed" }, tags: { unit: "°C" } })
    await page.getByRole("button", { name: "temperature" }).waitFor(patience)
    expect(watched.errors).toEqual([])
    expect(watched.foreign).toEqual([])
  })

  test("takes the token out of the address, and shows values as they change", async (ctx) => {
    needBrowser(ctx)
    await write({ device: "hall-a/dairy", property: "temperature", value: 3.94, tags: { unit: "°C" } })
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    const row = page.getByRole("button", { name: "temperature" })
    await row.getByText("3.94").waitFor(patience)
    expect(page.url()).not.toContain(node.token)
    await page.getByText("live", { exact: true }).waitFor(patience)
    for (const value of [4.25, 4.31]) {
      await write({ device: "hall-a/dairy", property: "temperature", value, tags: { unit: "°C" } })
      await row.getByText(String(value)).waitFor(patience)
    }
    expect(await page.title()).toContain("Brume")
    await page.reload()
    await row.getByText("4.31").waitFor(patience)
    expect(watched.errors).toEqual([])
    expect(watched.foreign).toEqual([])
  })

  test("draws the history of numbers and of states, and keeps the place in the address", async (ctx) => {
    needBrowser(ctx)
    const now = Date.now()
    const series = { device: "hall-a/dairy", tags: { unit: "°C" } }
    await write(
      ...Array.from({ length: 60 }, (_, minute) => ({
        ...series,
        time: now - 4_000_000 + minute * 60_000,
        values: { temperature: 4 + Math.sin(minute / 5), door: minute % 10 === 0 ? "open" : "closed" },
      })),
    )
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    await page.getByRole("button", { name: "temperature" }).click(patience)
    await page.getByRole("button", { name: "24 h" }).click()
    await page.locator("footer").getByText("lowest").waitFor(patience)
    const footer = await page.locator("footer").textContent()
    expect(Number(/readings ([\d,]+)/.exec(footer ?? "")?.[1]?.replace(",", ""))).toBeGreaterThanOrEqual(60)
    expect(page.url()).toContain("range=24h")
    const chart = page.getByRole("img", { name: /temperature of hall-a\/dairy, last 24 h/ })
    await chart.focus()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await page
      .locator("footer")
      .getByText(/\d\d:\d\d:\d\d/)
      .waitFor(patience)

    await page.getByRole("button", { name: "door" }).click()
    const changes = async (): Promise<number> =>
      Number(/changes (\d+)/.exec((await page.locator("footer").textContent()) ?? "")?.[1] ?? 0)
    await expect.poll(changes, patience).toBeGreaterThan(8)
    expect(watched.errors).toEqual([])
  })

  test("answers SQL, explains a mistake, cancels a long statement and saves CSV", async (ctx) => {
    needBrowser(ctx)
    await using watched = await openPage(browser, node.url, { acceptDownloads: true })
    const { page, errors } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    const box = page.getByLabel("Statement")
    await box.fill("SELECT device, count(*) AS readings FROM readings GROUP BY device", patience)
    await box.press("Control+Enter")
    const result = page.getByRole("region", { name: "Result" })
    await result.getByText("hall-a/dairy").waitFor(patience)
    const download = page.waitForEvent("download")
    await page.getByRole("button", { name: "Download CSV" }).click()
    expect(await readFile(await (await download).path(), "utf8")).toMatch(/^device,readings\r?\nhall-a\/dairy,\d+/)
    expect(errors).toEqual([])

    await box.fill("SELECT devise FROM readings")
    await box.press("Control+Enter")
    await page.getByRole("alert").getByText("query_invalid").waitFor(patience)
    expect(await page.getByRole("alert").textContent()).toContain("devise")

    await box.fill(
      "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE a.range * b.range = c.range",
    )
    await box.press("Control+Enter")
    await page.getByRole("button", { name: "Cancel" }).click(patience)
    await page.getByText(/cancelled after/).waitFor(patience)
    // The one error on the console is the browser's own line about the refused statement.
    expect(errors.filter((error) => !error.includes("400"))).toEqual([])
    await expect
      .poll(
        async () => ((await (await node.request("/v1/queries")).json()) as { queries: unknown[] }).queries,
        patience,
      )
      .toEqual([])
  })

  test("offers examples that all work", async (ctx) => {
    needBrowser(ctx)
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    for (const example of [
      "Latest values",
      "By the hour",
      "Devices compared",
      "Readings per minute",
      "Silent devices",
    ]) {
      await page.getByRole("button", { name: example }).click(patience)
      await page.getByText(/\d+\s+rows?\s+in\s/).waitFor(patience)
      expect(await page.getByRole("alert").count()).toBe(0)
      // The next answer must be a new one.
      await page.getByLabel("Statement").fill("SELECT 1 FROM range(0)")
      await page.getByLabel("Statement").press("Control+Enter")
      await page.getByText("The statement found no rows.").waitFor(patience)
    }
    expect(watched.errors).toEqual([])
  })

  test("asks for a token, refuses a wrong one with a remedy, and opens with the right one", async (ctx) => {
    needBrowser(ctx)
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/`)
    await page.getByLabel("Token").fill("brume_wrong_token", patience)
    await page.keyboard.press("Enter")
    await page.getByRole("alert").getByText("unauthenticated").waitFor(patience)
    await page.getByLabel("Token").fill(node.token)
    await page.getByRole("button", { name: "Open console" }).click()
    await page.getByRole("button", { name: "temperature" }).waitFor(patience)
    await page.getByRole("button", { name: "Forget the token" }).click()
    await page.getByLabel("Token").waitFor(patience)
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).not.toContain(node.token)
  })

  test("shows a token for some devices what it may see, live, and why SQL is not for it", async (ctx) => {
    needBrowser(ctx)
    await write({ device: "hall-b/freezer", property: "temperature", value: -20 })
    const answer = await node.request("/v1/tokens", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "hall-a", scopes: ["read"], devices: ["hall-a/#"] }),
    })
    const { secret } = (await answer.json()) as { secret: string }
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${secret}`)
    await page.getByText("This token may not use SQL").waitFor(patience)
    expect(await page.locator("article").count()).toBe(1)
    await page.getByText("live", { exact: true }).waitFor(patience)
    await write({ device: "hall-a/dairy", property: "temperature", value: 5.55, tags: { unit: "°C" } })
    await page.getByRole("button", { name: "temperature" }).getByText("5.55").waitFor(patience)
    await page.getByRole("button", { name: "Latest values" }).click()
    await page.getByRole("alert").getByText("forbidden").waitFor(patience)
    expect(watched.foreign).toEqual([])
  })

  test("lists MQTT clients, and disconnects and forgets them", async (ctx) => {
    needBrowser(ctx)
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    const panel = page.getByRole("region", { name: "MQTT clients", exact: true })
    await panel.getByText("Nobody speaks MQTT").waitFor(patience)
    const client = await connectAsync(`${node.url.replace("http", "ws")}/mqtt`, {
      ...{ clientId: "hall-a/pump", username: "test", password: node.token, protocolVersion: 5, clean: false },
      ...{ properties: { sessionExpiryInterval: 3_600 }, reconnectPeriod: 0 },
    })
    const told = new Promise((resolve) => client.once("disconnect", ({ reasonCode }) => resolve(reasonCode)))
    const row = panel.getByRole("row", { name: "hall-a/pump" })
    await row.getByText("MQTT 5.0").waitFor(patience)
    expect(await panel.textContent()).toContain("1 connected")
    await row.getByRole("button", { name: "Disconnect hall-a/pump" }).click()
    await row.getByRole("button", { name: "Disconnect", exact: true }).click()
    expect(await told).toBe(0x98)
    await row.getByRole("button", { name: "Forget hall-a/pump" }).click(patience)
    await row.getByRole("button", { name: "Forget", exact: true }).click()
    await panel.getByText("Nobody speaks MQTT").waitFor(patience)
    expect(watched.errors).toEqual([])
    expect(watched.foreign).toEqual([])
  })

  test("shows alarms as they come, lets people see to them, and lists rules, functions with logs, and commands", async (ctx) => {
    needBrowser(ctx)
    const send = async (method: string, path: string, body?: object): Promise<void> => {
      const answer = await node.request(path, {
        method,
        headers: { "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (!answer.ok) throw new Error(await answer.text())
    }
    const document = (kind: string, name: string, spec: object): object => ({
      ...{ apiVersion: "brume.dev/v1", kind },
      ...{ metadata: { name }, spec },
    })
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    const alarms = page.getByRole("region", { name: "Alarms" })
    await alarms.getByText("nothing is raised").waitFor(patience)
    await page.getByText("No rules yet.").waitFor(patience)
    await send(
      "POST",
      "/v1/documents",
      document("Rule", "thawing", {
        on: { device: "hall-b/+", property: "temperature" },
        ...{ when: "value > -15", clearWhen: "value < -17", severity: "critical" },
        actions: [
          { alarm: { name: "thawing", message: "{{ device }} is at {{ value }}" } },
          { command: { device: "{{ device }}", name: "boost", input: { minutes: 5 } } },
        ],
      }),
    )
    await write({ device: "hall-b/freezer", property: "temperature", value: -9 })
    await alarms.getByText("hall-b/freezer is at -9").waitFor(patience)
    await page.getByRole("button", { name: "1 alarm" }).waitFor(patience)
    expect(await page.title()).toMatch(/^\(1\) /)
    await alarms.getByRole("button", { name: "Acknowledge" }).click()
    await alarms.getByText(/seen by/).waitFor(patience)
    const automation = page.getByRole("region", { name: "Automation" })
    await automation.getByRole("row", { name: /thawing.*holds for 1/ }).waitFor(patience)
    await automation.getByRole("tab", { name: "commands" }).click()
    // Nobody is there to take it.
    await automation.getByRole("row", { name: /hall-b\/freezer boost .*rule\/thawing failed/ }).waitFor(patience)
    await write({ device: "hall-b/freezer", property: "temperature", value: -19 })
    await alarms.getByText("1 over").waitFor(patience)

    await automation.getByRole("tab", { name: "functions" }).click()
    await automation.getByText("No functions yet.").waitFor(patience)
    const code = "exports.default = ({ what }, ctx) => { ctx.log.warn('was told ' + what); return what }"
    await send("POST", "/v1/functions/teller/deploy", {
      document: document("Function", "teller", { runtime: "javascript", entry: "teller.js" }),
      files: { "bundle.cjs": code },
      acceptUnsandboxed: true,
    })
    await automation.getByRole("row", { name: /teller javascript/ }).waitFor(patience)
    await send("POST", "/v1/functions/teller/invoke", { what: "something" })
    await automation.getByRole("log").getByText("was told something").waitFor(patience)
    expect(watched.errors).toEqual([])
    expect(watched.foreign).toEqual([])
  })

  test("fits a phone", async (ctx) => {
    needBrowser(ctx)
    await using watched = await openPage(browser, node.url, { viewport: { width: 360, height: 740 }, hasTouch: true })
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    await page.getByRole("button", { name: "temperature" }).first().tap(patience)
    await page.getByRole("button", { name: "Latest values" }).tap()
    await page.getByRole("region", { name: "Result" }).waitFor(patience)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    expect(watched.errors).toEqual([])
  })

  test("says that the node is away, and goes on by itself when it is back", async (ctx) => {
    needBrowser(ctx)
    await using watched = await openPage(browser, node.url)
    const { page } = watched
    await page.goto(`${node.url}/#token=${node.token}`)
    await page.getByText("live", { exact: true }).waitFor(patience)
    const address = new URL(node.url).host
    await node.end("SIGTERM")
    await page.getByText("The node does not answer.").waitFor(patience)
    node = await startNode(folder.path, ["--http", address])
    await page.getByText("live", { exact: true }).waitFor({ timeout: 30_000 })
    await write({ device: "hall-a/dairy", property: "temperature", value: 7.77, tags: { unit: "°C" } })
    await page.getByRole("button", { name: "temperature" }).getByText("7.77").waitFor(patience)
    expect(watched.foreign).toEqual([])
  }, 60_000)
})
