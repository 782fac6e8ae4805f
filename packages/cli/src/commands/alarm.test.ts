import { expect, test } from "vitest"
import { brume, recordedTerminal } from "../../../../test/rig/recorded-terminal.ts"
import { json, problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { run } from "../main.ts"

const raised = {
  ...{ id: "warm@cold/1", alarm: "warm", device: "cold/1", state: "raised", severity: "critical", message: "9 °C" },
  ...{ source: "rule/cold", raised: "2025-01-01T00:00:00.000000Z", count: 3 },
  acknowledged: { time: "2025-01-01T00:01:00.000000Z", by: "alice", note: "on my way" },
}
const { acknowledged: _a, device: _d, ...rest } = raised
const silenced = {
  ...{ ...rest, id: "dry", alarm: "dry", state: "cleared", cleared: "2025-01-02T00:00:00.000000Z" },
  silenced: { time: "2025-01-01T00:00:00.000000Z", by: "bob", until: "2030-01-01T00:00:00.000000Z" },
}
const event = { number: 7, time: raised.raised, change: "raised", by: "rule/cold", alarm: raised }
const seen = { ...event, number: 8, change: "acknowledged", by: "alice", note: "on my way" }

test("alarms are listed with what somebody did about them", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { alarms: [raised, silenced] }))
  const { stdout } = await brume(["get", "alarms", "--url", node.url])
  expect(stdout).toMatch(/^warm@cold\/1 +raised, acknowledged +critical +\d+ d +9 °C$/m)
  expect(stdout).toMatch(/^dry +cleared, silenced /m)
  const asJson = await brume(["get", "alarms", "--raised", "--json", "--url", node.url])
  expect(JSON.parse(asJson.stdout)).toEqual([raised, silenced])
  expect(node.requests.at(-1)?.url).toBe("/v1/alarms?state=raised")
})

test("an alarm is described with its history", async () => {
  await using node = await scriptedNode(({ url }, response) =>
    json(response, url.includes("history") ? { events: [seen, event] } : raised),
  )
  const { stdout } = await brume(["describe", "alarm", "warm@cold/1", "--url", node.url])
  expect(stdout).toMatch(/^Raised so far +3 times$/m)
  expect(stdout).toMatch(/^Acknowledged +by alice at .*: on my way$/m)
  expect(stdout).toMatch(/^2025-01-01T00:00:00\.000000Z +acknowledged +alice +on my way$/m)
  const asJson = await brume(["describe", "alarm", "warm@cold/1", "--json", "--url", node.url])
  expect(JSON.parse(asJson.stdout)).toEqual({ alarm: raised, history: [seen, event] })
})

test("alarms are acknowledged, silenced and cleared one after the other", async () => {
  await using node = await scriptedNode((_request, response) => json(response, raised))
  const at = ["--url", node.url]
  const end = await brume(["alarm", "acknowledge", "warm@cold/1", "dry", "--note", "on my way", ...at])
  expect([end.code, end.stdout]).toEqual([0, ""])
  expect(end.stderr).toContain("warm@cold/1 is acknowledged.")
  await brume(["alarm", "clear", "dry", ...at])
  await brume(["alarm", "silence", "dry", "--for", "2h", ...at])
  await brume(["alarm", "unsilence", "dry", ...at])
  expect(node.requests.slice(0, 3).map(({ url, body }) => [url, body])).toEqual([
    ["/v1/alarms/warm%40cold%2F1/acknowledge", '{"note":"on my way"}'],
    ["/v1/alarms/dry/acknowledge", '{"note":"on my way"}'],
    ["/v1/alarms/dry/clear", "{}"],
  ])
  const untils = node.requests.slice(3).map(({ body }) => Date.parse((JSON.parse(body) as { until: string }).until))
  expect(untils[0]! - Date.now()).toBeGreaterThan(7_000_000)
  expect(untils[1]).toBe(0)
  expect(JSON.parse((await brume(["alarm", "clear", "dry", "--json", ...at])).stdout)).toEqual([raised])
})

test("an alarm that nobody knows ends with 5, and a span that is none with 2", async () => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, 404, { code: "alarm_not_found", detail: "There is no alarm", hint: "List them" }),
  )
  const end = await brume(["alarm", "clear", "x", "--url", node.url])
  expect([end.code, end.stdout]).toEqual([5, ""])
  expect(end.stderr).toContain("List them")
  expect((await brume(["alarm", "silence", "x", "--for", "long", "--url", node.url])).code).toBe(2)
})

test("watch shows what is raised and then what happens, and ends after as many events as asked for", async () => {
  await using node = await scriptedNode((_request, response) => json(response, {}))
  node.live = (socket) => {
    socket.send(JSON.stringify({ type: "alarms", alarms: [raised], left: 2 }))
    socket.send(JSON.stringify({ type: "events", events: [event, seen, event] }))
  }
  const { code, stdout } = await brume(["alarm", "watch", "--count", "2", "--url", node.url])
  expect(code).toBe(0)
  expect(stdout.trim().split("\n")).toEqual([
    "2025-01-01T00:00:00.000000Z  is raised     warm@cold/1  critical  9 °C",
    "and 2 more: brume get alarms --raised",
    "2025-01-01T00:00:00.000000Z  raised        warm@cold/1  critical  9 °C",
    "2025-01-01T00:00:00.000000Z  acknowledged  warm@cold/1  critical  9 °C  by alice: on my way",
  ])
  const asJson = await brume(["alarm", "watch", "--count", "1", "--json", "--url", node.url])
  expect(
    asJson.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { type: string }).type),
  ).toEqual(["alarms", "event"])
  const terminal = recordedTerminal()
  node.live = () => terminal.interrupt()
  expect(await run(["alarm", "watch", "--url", node.url], terminal)).toBe(0)
})
