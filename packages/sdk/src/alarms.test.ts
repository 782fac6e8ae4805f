import { expect, test } from "vitest"
import { json, problem, scriptedNode } from "../../../test/rig/scripted-node.ts"
import type { AlarmUpdate } from "./alarms.ts"
import { createClient } from "./client.ts"

const retry = { firstDelayMs: 2, maxDelayMs: 10 }
const alarm = {
  ...{ id: "warm@cold/1", alarm: "warm", device: "cold/1", state: "raised", severity: "critical", message: "9 °C" },
  ...{ source: "rule/cold", raised: "2025-01-01T00:00:00.000000Z", count: 1 },
}
const event = (number: number) => ({ number, time: alarm.raised, change: "raised", by: "rule/cold", alarm })

test("alarms are listed, shown and changed by their id", async () => {
  await using node = await scriptedNode(({ url, method }, response) =>
    json(response, method === "GET" && url.startsWith("/v1/alarms?") ? { alarms: [alarm] } : alarm),
  )
  const { alarms } = createClient({ url: node.url })
  expect(await alarms.list({ state: "raised" })).toEqual([alarm])
  expect(await alarms.get("warm@cold/1")).toEqual(alarm)
  await alarms.acknowledge("warm@cold/1", { note: "on my way" })
  await alarms.silence("warm@cold/1", new Date(0), { note: "repair" })
  await alarms.clear("warm@cold/1")
  expect(node.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
    ["GET", "/v1/alarms?state=raised", ""],
    ["GET", "/v1/alarms/warm%40cold%2F1", ""],
    ["POST", "/v1/alarms/warm%40cold%2F1/acknowledge", '{"note":"on my way"}'],
    ["POST", "/v1/alarms/warm%40cold%2F1/silence", '{"note":"repair","until":"1970-01-01T00:00:00.000Z"}'],
    ["POST", "/v1/alarms/warm%40cold%2F1/clear", "{}"],
  ])
  node.answer = (_request, response) => problem(response, 404, { code: "alarm_not_found", detail: "none" })
  await expect(alarms.clear("x")).rejects.toMatchObject({ code: "alarm_not_found" })
})

test("the history is read over all pages, of all alarms or of one", async () => {
  await using node = await scriptedNode(({ url }, response) =>
    json(response, url.includes("cursor") ? { events: [event(1)] } : { events: [event(2)], cursor: "2" }),
  )
  const { alarms } = createClient({ url: node.url })
  const numbers: number[] = []
  for await (const { number } of alarms.history({ pageSize: 1 })) numbers.push(number)
  for await (const { number } of alarms.history({ id: "a/b" })) numbers.push(number)
  expect(numbers).toEqual([2, 1, 2, 1])
  expect(node.requests.map(({ url }) => url)).toEqual([
    "/v1/alarm-events?limit=1",
    "/v1/alarm-events?limit=1&cursor=2",
    "/v1/alarms/a%2Fb/history",
    "/v1/alarms/a%2Fb/history?cursor=2",
  ])
})

test("a live stream tells what is raised, then what happens, and what is raised again after an interruption", async () => {
  await using node = await scriptedNode()
  const urls: (string | undefined)[] = []
  node.live = (socket, request) => {
    urls.push(request.url)
    socket.send(JSON.stringify({ type: "alarms", alarms: [alarm], left: 0 }))
    socket.send(JSON.stringify({ type: "events", events: [event(1), event(2)] }))
  }
  const seen: AlarmUpdate[] = []
  const live = createClient({ url: node.url }).alarms.live({ retry })
  for await (const update of live) {
    seen.push(update)
    if (seen.length === 3) node.sockets.at(-1)!.terminate()
    if (seen.length === 4) break
  }
  expect(urls).toEqual(["/v1/live/alarms", "/v1/live/alarms"])
  expect(seen).toEqual([
    { type: "alarms", alarms: [alarm], left: 0 },
    { type: "event", event: event(1) },
    { type: "event", event: event(2) },
    { type: "alarms", alarms: [alarm], left: 0 },
  ])
  expect(live.state).toMatchObject({ state: "closed" })
})

test("a reader whose queue overflows begins anew with what is raised", async () => {
  await using node = await scriptedNode()
  node.live = (socket) => {
    socket.send(JSON.stringify({ type: "alarms", alarms: [alarm], left: 0 }))
    // Only the first connection is too much for it.
    if (node.sockets.length === 1) socket.send(JSON.stringify({ type: "events", events: [1, 2, 3, 4].map(event) }))
  }
  await using live = createClient({ url: node.url }).alarms.live({ retry, maxQueued: 3 })
  await expect.poll(() => node.sockets.length).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  for await (const update of live) {
    expect(update).toEqual({ type: "alarms", alarms: [alarm], left: 0 })
    break
  }
  expect(node.sockets).toHaveLength(2)
})

test("a token that is refused ends the stream with the node's own reason", async () => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, 401, { code: "unauthenticated", detail: "The token is unknown" }),
  )
  const read = async () => {
    for await (const _ of createClient({ url: node.url }).alarms.live({ retry })) return
  }
  await expect(read()).rejects.toMatchObject({ code: "unauthenticated" })
})

test("effects are listed over all pages, filtered, and shown by their key", async () => {
  const effect = {
    key: "k1",
    source: "rule/cold",
    type: "webhook",
    target: "chat.example",
    state: "failed",
    attempts: 4,
  }
  await using node = await scriptedNode(({ url }, response) => {
    if (url.startsWith("/v1/effects/")) return json(response, effect)
    return json(response, url.includes("cursor") ? { effects: [] } : { effects: [effect], cursor: "c" })
  })
  const { effects } = createClient({ url: node.url })
  const seen = []
  for await (const one of effects.list({ state: "failed", source: "rule/cold", pageSize: 5 })) seen.push(one)
  expect(seen).toEqual([effect])
  expect(await effects.get("k1")).toEqual(effect)
  expect(node.requests.map(({ url }) => url)).toEqual([
    "/v1/effects?state=failed&source=rule%2Fcold&limit=5",
    "/v1/effects?state=failed&source=rule%2Fcold&limit=5&cursor=c",
    "/v1/effects/k1",
  ])
})
