/** The controls in Django, as their README starts them: a real server, a real node, a device that answers over MQTT. */
import { fileURLToPath } from "node:url"
import { connectAsync, type MqttClient } from "mqtt"
import { expect, test } from "vitest"
import { type NodeProcess, startNode, temporaryFolder, until } from "../rig/node-process.ts"
import { startPythonServer, withoutPython } from "../rig/python.ts"

const example = fileURLToPath(new URL("../../examples/django-controls/", import.meta.url))
const reason = withoutPython("django", "python3-django")

interface Sent {
  readonly id: string
  readonly command: string
  readonly input: unknown
  readonly reply: string
}

/** A fan that does what it is told, unless it is told something else. */
async function openFan(node: NodeProcess): Promise<{ client: MqttClient; sent: Sent[] }> {
  const options = { username: "device", password: node.token, protocolVersion: 5, reconnectPeriod: 0 } as const
  const client = await connectAsync(`mqtt://127.0.0.1:${node.mqttPort}`, options)
  const sent: Sent[] = []
  client.on("message", (_topic, payload) => {
    const command = JSON.parse(payload.toString()) as Sent
    sent.push(command)
    const answer =
      command.command === "start" ? { state: "done", output: command.input } : { state: "failed", error: "I cannot" }
    client.publish(command.reply, JSON.stringify({ ...answer, id: command.id }), { qos: 1 })
  })
  await client.subscribeAsync("devices/fan/1/commands/+", { qos: 1 })
  return { client, sent }
}

test("a person reads devices and commands them with a form", { timeout: 120_000 }, async ({ skip }) => {
  if (reason !== undefined) skip(reason)
  await using folder = await temporaryFolder()
  await using node = await startNode(folder.path, ["--mqtt", "127.0.0.1:0"])
  const fan = await openFan(node)
  const env = { BRUME_URL: node.url, BRUME_TOKEN: node.token, DJANGO_SETTINGS_MODULE: "controls.settings" }
  await using server = await startPythonServer(
    (port) => ["manage.py", "runserver", "--noreload", `127.0.0.1:${port}`],
    { cwd: example, env },
  )
  await node.request("/v1/readings", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ device: "fan/1", property: "<speed>", value: 2.5 }),
  })
  const page = await fetch(`${server.url}/`)
  const html = await page.text()
  expect(html).toMatch(/<td>fan\/1<\/td><td>&lt;speed&gt;<\/td><td class="value">2\.5<\/td>/)
  expect(html).toContain("Nothing was sent yet.")

  expect((await fetch(`${server.url}/style.css`)).headers.get("content-type")).toContain("text/css")

  const field = (name: string, text = html) => new RegExp(`name="${name}" value="([^"]+)"`).exec(text)?.[1] ?? ""
  const cookie = (page.headers.get("set-cookie") ?? "").split(";")[0] ?? ""
  const form = (values: Record<string, string>, headers: Record<string, string> = { cookie }) =>
    fetch(`${server.url}/commands`, {
      method: "POST",
      redirect: "manual",
      headers,
      body: new URLSearchParams({
        ...{ csrfmiddlewaretoken: field("csrfmiddlewaretoken"), key: field("key"), deadline: "10" },
        ...values,
      }),
    })

  // A page of somebody else has no cookie of this one, and does not know its token.
  const start = { device: "fan/1", name: "start", input: '{"speed": 3}' }
  expect((await form(start, {})).status).toBe(403)
  expect((await form({ ...start, csrfmiddlewaretoken: "guessed" })).status).toBe(403)
  expect(fan.sent).toEqual([])

  const sent = await form(start)
  expect([sent.status, sent.headers.get("location")]).toEqual([302, "/"])
  // A double click sends the same form again.
  expect((await form(start)).status).toBe(302)
  expect(fan.sent).toMatchObject([{ command: "start", input: { speed: 3 } }])
  const shown = async () => await (await fetch(`${server.url}/`)).text()
  expect(await shown()).toMatch(
    /<td>start<\/td>\s*<td class="state done">done<\/td>\s*<td>\{&quot;speed&quot;: 3\}<\/td>/,
  )

  // What the device refuses, and one that is away, are outcomes.
  expect((await form({ device: "fan/1", name: "fly", key: "another-key" })).status).toBe(302)
  expect((await form({ device: "nobody", name: "start", key: "a-third-key" })).status).toBe(302)
  expect(await shown()).toMatch(
    /nobody.*<td class="state failed">failed.*fly.*<td class="state failed">failed.*I cannot/s,
  )

  // What cannot be sent is said in the form.
  const bad = await form({ ...start, input: "{" })
  expect([bad.status, await bad.text()]).toEqual([400, expect.stringContaining("This is no JSON")])
  const conflict = await form({ ...start, input: "4" })
  expect([conflict.status, await conflict.text()]).toEqual([400, expect.stringContaining("errorlist")])
  expect((await form({ ...start, deadline: "1e9", key: "a-fourth-key" })).status).toBe(400)
  expect((await fetch(`${server.url}/commands`)).status).toBe(405)
  expect(fan.sent.map(({ command }) => command)).toEqual(["start", "fly"])

  await fan.client.endAsync()
  await node.end("SIGKILL")
  await until("the page says so", async () => (await shown()).includes("nothing listens there"))
  const away = await form({ ...start, key: "a-fifth-key" })
  expect([away.status, await away.text()]).toEqual([503, expect.stringContaining("nothing listens there")])
})
