/** Every command of docs/guide/alarms.md and docs/guide/effects.md, in their order, as somebody who reads them types it. */
import { spawn } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createClient } from "@brume/sdk"
import { expect, test } from "vitest"
import { type NodeProcess, startNode, temporaryFolder, until } from "../rig/node-process.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cli = `${root}packages/cli/bin/brume.cjs`

interface Guide {
  /** In the order of the page. */
  readonly commands: readonly string[]
  /** Documents, by the file name that stands before each. */
  readonly files: ReadonlyMap<string, string>
}

async function guideOf(name: string): Promise<Guide> {
  const page = await readFile(`${root}docs/guide/${name}`, "utf8")
  const files = [...page.matchAll(/`([\w-]+\.yaml)`[^`]*```yaml\n(.*?)```/gs)]
  return {
    commands: [...page.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, text = ""]) => text.trim().split("\n")),
    files: new Map(files.map(([, file = "", text = ""]) => [file, text])),
  }
}

/** Runs them one after the other; resolves to what each wrote. */
async function follow(guide: Guide, node: NodeProcess, folder: string, change: (text: string) => string) {
  for (const [file, text] of guide.files) await writeFile(join(folder, file), change(text))
  const outputs: (readonly [command: string, stdout: string])[] = []
  for (const command of guide.commands.filter((line) => !line.startsWith("npx brume up"))) {
    const typed = change(command).replace("npx brume", `"${process.execPath}" "${cli}"`)
    const child = spawn("sh", ["-c", typed], {
      cwd: folder,
      env: { ...process.env, BRUME_URL: node.url, BRUME_TOKEN: node.token },
    })
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (piece: Buffer) => {
      stdout += piece.toString()
    })
    child.stderr.on("data", (piece: Buffer) => {
      stderr += piece.toString()
    })
    const code = await new Promise((resolve) => child.once("close", resolve))
    expect([command, code, code === 0 ? "" : stderr]).toEqual([command, 0, ""])
    outputs.push([command, stdout])
  }
  return (part: string): string[] => outputs.filter(([command]) => command.includes(part)).map(([, stdout]) => stdout)
}

test("alarms are raised, acknowledged, silenced and cleared as the guide says", async () => {
  await using folder = await temporaryFolder()
  await using node = await startNode(join(folder.path, "data"))
  const outputOf = await follow(await guideOf("alarms.md"), node, folder.path, (text) => text)
  const [raised = "", cleared = ""] = outputOf("get alarms")
  expect(raised).toMatch(/^too-warm@cold\/room-1 +raised +critical .* 9\.5 °C in cold\/room-1$/m)
  const described = outputOf("describe alarm")[0]!
  expect(described).toMatch(/^Acknowledged +by .*: on my way$/m)
  expect(described).toMatch(/^Silenced +until .*: the door is being repaired$/m)
  expect(described).toMatch(/ silenced +.*\n.* acknowledged +.*\n.* raised +rule\/cold-room/)
  expect(JSON.parse(cleared)).toMatchObject([{ id: "too-warm@cold/room-1", state: "cleared" }])
}, 60_000)

test("effects act once and are looked up as the guide says", async () => {
  const guide = await guideOf("effects.md")
  const up = guide.commands.find((line) => line.startsWith("npx brume up"))!
  const received: { key: string; body: unknown }[] = []
  const host = createServer((request, response) => {
    let body = ""
    request.on("data", (piece) => {
      body += piece
    })
    request.on("end", () => {
      received.push({ key: String(request.headers["idempotency-key"]), body: JSON.parse(body) })
      response.end()
    })
  })
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve))
  const here = (text: string): string => text.replaceAll("9090", String((host.address() as AddressInfo).port))
  await using folder = await temporaryFolder()
  await using node = await startNode(join(folder.path, "data"), here(up).split(" ").slice(3))
  const outputOf = await follow(guide, node, folder.path, here)
  expect(outputOf("get effects")[0]).toMatch(/publish +alerts\/cold\/room-1 +rule\/too-warm/)
  const effects = JSON.parse(outputOf("--source rule/too-warm --json")[0]!) as {
    type: string
    key: string
    state: string
  }[]
  expect(effects.map(({ type, state }) => `${type} ${state}`).sort()).toEqual(["publish done", "webhook done"])
  const { key } = effects.find(({ type }) => type === "webhook")!
  expect(received).toEqual([{ key, body: { text: "cold/room-1 has 9.5 °C" } }])
  host.close()
}, 60_000)

test("a node that dies while a host says nothing has it in doubt at its next start, and does not ask again", async () => {
  let asked = 0
  const silent = createServer(() => void asked++)
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
  const { port } = silent.address() as AddressInfo
  await using folder = await temporaryFolder()
  const data = join(folder.path, "data")
  const args = ["--set", "effects.webhooks.allow=127.0.0.1"]
  const rule = {
    ...{ apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name: "call" } },
    spec: {
      on: { device: "#", property: "t" },
      actions: [{ webhook: { url: `http://127.0.0.1:${port}/` } }, { alarm: { name: "seen" } }],
    },
  }
  {
    await using node = await startNode(data, args)
    const send = (path: string, method: string, body: unknown) =>
      node.request(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    expect((await send("/v1/documents/Rule/call", "PUT", rule)).status).toBeLessThan(300)
    expect((await send("/v1/readings", "POST", { device: "d", property: "t", value: 1 })).status).toBe(200)
    await expect.poll(() => asked).toBe(1)
    await node.end("SIGKILL")
  }
  await using node = await startNode(data, args)
  const { effects } = (await (await node.request("/v1/effects")).json()) as { effects: object[] }
  expect(effects).toHaveLength(2)
  expect(effects).toContainEqual(expect.objectContaining({ type: "webhook", state: "in-doubt", source: "rule/call" }))
  expect(effects).toContainEqual(expect.objectContaining({ type: "alarm", state: "done" }))
  const { alarms } = (await (await node.request("/v1/alarms")).json()) as { alarms: object[] }
  expect(alarms).toMatchObject([{ id: "seen@d", state: "raised", count: 1 }])
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(asked).toBe(1)
  silent.closeAllConnections()
  silent.close()
}, 60_000)

test("a live stream of alarms begins anew with what is raised when the node is back after kill -9", async () => {
  await using folder = await temporaryFolder()
  const first = await startNode(folder.path)
  const client = createClient({ url: first.url, token: first.token })
  await client.documents.apply({
    ...{ apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name: "warm" } },
    spec: { on: { device: "#", property: "t" }, when: "value > 8.0", actions: [{ alarm: { name: "warm" } }] },
  })
  const seen: string[] = []
  await using live = client.alarms.live({ retry: { firstDelayMs: 20, maxDelayMs: 200 } })
  const reading = (async () => {
    for await (const update of live)
      seen.push(
        update.type === "alarms"
          ? `alarms ${update.alarms.map(({ id }) => id).join()}`
          : `${update.event.change} ${update.event.alarm.id}`,
      )
  })()
  await until("the stream begins", () => seen.length === 1)
  await client.writeReadings({ device: "a", property: "t", value: 9 })
  await until("the alarm is raised", () => seen.includes("raised warm@a"))
  await first.end("SIGKILL")
  await using second = await startNode(folder.path, ["--http", new URL(first.url).host])
  await until("the stream is back", () => seen.includes("alarms warm@a"))
  await client.alarms.clear("warm@a", { note: "it was the door" })
  await until("it is cleared", () => seen.includes("cleared warm@a"))
  expect(seen).toEqual(["alarms ", "raised warm@a", "alarms warm@a", "cleared warm@a"])
  const history = []
  for await (const { change, note } of client.alarms.history({ id: "warm@a" })) history.push([change, note])
  expect(history).toEqual([
    ["cleared", "it was the door"],
    ["raised", undefined],
  ])
  expect(second.log()).not.toContain("rror")
  await live.close()
  await reading
}, 60_000)
