import type { AlarmAction } from "@brume/core"
import { expect, test } from "vitest"
import { apiRig } from "../../../../../test/rig/api.ts"
import { commit } from "../../../../../test/rig/effects.ts"
import { listenTo } from "../../../../../test/rig/web-socket.ts"

async function opened() {
  const rig = await apiRig()
  const { alarms } = rig
  const api = await rig.listen()
  let keys = 0
  const call = async (method: string, path: string, body?: object, secret = rig.admin) => {
    const answer = await fetch(api.url + path, {
      method,
      headers: {
        authorization: `Bearer ${secret}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, ...((await answer.json()) as object) } as Record<string, unknown>
  }
  return {
    ...rig,
    call,
    get: (path: string, secret = rig.admin) => call("GET", path, undefined, secret),
    does: (alarm: string, more: Partial<AlarmAction> = {}) =>
      commit(
        rig.store,
        alarms.plan({
          ...{ key: `k${keys++}`, source: "rule/cold", created: rig.clock.now() },
          action: { type: "alarm", change: "raise", alarm, ...more },
        }),
      ),
    listen: (secret = rig.admin) => listenTo(`${api.url}/v1/live/alarms`, { secret }),
    [Symbol.asyncDispose]: () => api.close(),
  }
}

const idsOf = (page: Record<string, unknown>) => (page.alarms as { id: string }[]).map(({ id }) => id)
const numbersOf = (page: Record<string, unknown>) => (page.events as { number: number }[]).map(({ number }) => number)

test("alarms are listed and shown, also those of devices with a slash in their names", async () => {
  await using at = await opened()
  await at.does("warm", { device: "cold/1", severity: "critical", message: "9 °C" })
  await at.does("dry")
  await at.does("dry", { change: "clear" })
  expect(idsOf(await at.get("/v1/alarms"))).toEqual(["warm@cold/1", "dry"])
  expect(idsOf(await at.get("/v1/alarms?state=raised"))).toEqual(["warm@cold/1"])
  expect(await at.get("/v1/alarms/warm%40cold%2F1")).toEqual({
    status: 200,
    ...{ id: "warm@cold/1", alarm: "warm", device: "cold/1", state: "raised", severity: "critical", message: "9 °C" },
    ...{ source: "rule/cold", raised: "2025-01-01T00:00:00.000000Z", count: 1 },
  })
  expect(await at.get("/v1/alarms/none")).toMatchObject({ status: 404, code: "alarm_not_found" })
})

test("people acknowledge, silence and clear alarms in their token's name", async () => {
  await using at = await opened()
  const secret = await at.token({ name: "alice", scopes: ["read", "write"] })
  await at.does("warm")
  const post = (what: string, body: object, who = secret) => at.call("POST", `/v1/alarms/warm/${what}`, body, who)
  expect(await post("acknowledge", { note: "on my way" })).toMatchObject({
    status: 200,
    acknowledged: { time: "2025-01-01T00:00:00.000000Z", by: "alice", note: "on my way" },
  })
  expect(await post("silence", { until: "2025-01-01T01:00:00Z" })).toMatchObject({
    silenced: { until: "2025-01-01T01:00:00.000000Z", by: "alice" },
  })
  const ended = await post("silence", { until: "2024-01-01T00:00:00Z" })
  expect(ended).toMatchObject({ status: 200 })
  expect(ended.silenced).toBeUndefined()
  expect(await post("clear", {})).toMatchObject({ state: "cleared", cleared: "2025-01-01T00:00:00.000000Z" })
  expect(await post("acknowledge", {})).toMatchObject({ status: 400, code: "alarm_invalid" })
  expect(await post("silence", { until: "tomorrow" })).toMatchObject({ status: 400, code: "request_invalid" })
  expect(await post("silence", { until: "2031-01-01T00:00:00Z" })).toMatchObject({ status: 400, code: "alarm_invalid" })
  expect(await post("clear", {}, await at.token({ scopes: ["read"] }))).toMatchObject({ status: 403 })
  expect(await at.call("POST", "/v1/alarms/none/clear", {}, secret)).toMatchObject({ status: 404 })
})

test("the history is read page by page, of all alarms or of one", async () => {
  await using at = await opened()
  for (const alarm of ["a", "b", "a", "b"]) {
    await at.does(alarm)
    await at.does(alarm, { change: "clear" })
  }
  const first = await at.get("/v1/alarm-events?limit=5")
  expect(numbersOf(first)).toEqual([8, 7, 6, 5, 4])
  const second = await at.get(`/v1/alarm-events?limit=5&cursor=${first.cursor}`)
  expect(numbersOf(second)).toEqual([3, 2, 1])
  expect(second.cursor).toBeUndefined()
  const own = await at.get("/v1/alarms/a/history")
  expect(numbersOf(own)).toEqual([6, 5, 2, 1])
  expect(own.events).toMatchObject([
    { change: "cleared", by: "rule/cold", alarm: { id: "a", state: "cleared" } },
    {},
    {},
    {},
  ])
  expect(await at.get("/v1/alarms/none/history")).toMatchObject({ status: 404 })
})

test("a token that is limited to devices sees, hears and changes their alarms alone", async () => {
  await using at = await opened()
  const secret = await at.token({ devices: ["cold/#"], scopes: ["read", "write"] })
  for (const device of ["cold/1", "hot/1", undefined]) await at.does("warm", device === undefined ? {} : { device })
  expect(idsOf(await at.get("/v1/alarms", secret))).toEqual(["warm@cold/1"])
  expect(await at.get("/v1/alarms/warm", secret)).toMatchObject({ status: 404 })
  expect(await at.call("POST", "/v1/alarms/warm%40hot%2F1/clear", {}, secret)).toMatchObject({ status: 404 })
  const page = await at.get("/v1/alarm-events?limit=1", secret)
  expect(numbersOf(page)).toEqual([1])
  expect(numbersOf(await at.get(`/v1/alarm-events?limit=1&cursor=${page.cursor}`, secret))).toEqual([])
  const listener = await at.listen(secret)
  await expect.poll(() => listener.messages).toHaveLength(1)
  await at.does("dry", { device: "hot/1" })
  await at.does("dry", { device: "cold/1" })
  await expect
    .poll(() => listener.messages)
    .toMatchObject([
      { type: "alarms", alarms: [{ id: "warm@cold/1" }], left: 0 },
      { type: "events", events: [{ change: "raised", alarm: { id: "dry@cold/1" } }] },
    ])
})

test("a live stream begins with what is raised, then tells each change in order", async () => {
  await using at = await opened()
  await at.does("a")
  await at.does("b")
  await at.does("b", { change: "clear" })
  const listener = await at.listen()
  await expect.poll(() => listener.messages).toMatchObject([{ type: "alarms", alarms: [{ id: "a" }], left: 0 }])
  await at.does("c")
  await at.call("POST", "/v1/alarms/c/acknowledge", {})
  await at.does("a", { change: "clear" })
  const told = () =>
    listener.messages.flatMap(({ events = [] }) =>
      (events as { change: string; alarm: { id: string } }[]).map(({ change, alarm }) => `${change} ${alarm.id}`),
    )
  await expect.poll(told).toEqual(["raised c", "acknowledged c", "cleared a"])
  listener.socket.close()
  await listener.closed
  await at.does("d")
})
