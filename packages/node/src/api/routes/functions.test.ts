import { expect, test } from "vitest"
import { apiRig } from "../../../../../test/rig/api.ts"
import { answered, documentOf, posted } from "../../../../../test/rig/functions.ts"

async function opened() {
  const rig = await apiRig()
  rig.code.set("echo", ({ event, key, say }) => {
    say(`said ${JSON.stringify(event)}`)
    return { event, key }
  })
  const api = await rig.listen()
  const request = (path: string, init: RequestInit = {}, secret = rig.admin): Promise<Response> =>
    fetch(api.url + path, { ...init, headers: { authorization: `Bearer ${secret}`, ...init.headers } })
  const call = (path: string, init: RequestInit = {}, secret = rig.admin) =>
    answered<Record<string, unknown>>(request(path, init, secret))
  const deploy = (name: string, more: object = {}) =>
    call(
      `/v1/functions/${name}/deploy`,
      posted({ document: documentOf("echo", {}), files: { "bundle.cjs": "echo" }, ...more }),
    )
  return { rig, api, request, call, deploy, [Symbol.asyncDispose]: () => api.close() }
}

test("who may what: writers call, readers look, admins deploy", async () => {
  await using at = await opened()
  const [read, write] = [await at.rig.token({ scopes: ["read"] }), await at.rig.token({ scopes: ["write"] })]
  const limited = await at.rig.token({ scopes: ["read", "write"], devices: ["a"] })
  expect(await at.deploy("echo")).toMatchObject({ status: 200, body: { version: 1 } })
  const statusOf = async (path: string, init: RequestInit, secret: string) => (await at.call(path, init, secret)).status
  for (const [method, path] of [
    ["POST", "/v1/functions/echo/deploy"],
    ["POST", "/v1/functions/echo/rollback"],
    ["DELETE", "/v1/functions/echo"],
    ["GET", "/v1/secrets"],
    ["POST", "/v1/secrets"],
    ["DELETE", "/v1/secrets/a"],
  ] as const) {
    for (const secret of [read, write, limited]) expect(await statusOf(path, { method }, secret), path).toBe(403)
  }
  expect(await statusOf("/v1/functions/echo/invoke", posted(1), write)).toBe(200)
  expect(await statusOf("/v1/functions/echo/invoke", posted(1), read)).toBe(403)
  expect(await statusOf("/v1/functions/echo/invoke", posted(1), limited)).toBe(403)
  for (const path of ["/v1/functions", "/v1/functions/echo"]) expect(await statusOf(path, {}, read)).toBe(200)
  expect((await at.request("/v1/functions/echo/logs", {}, read)).status).toBe(200)
  expect((await at.request("/v1/functions/echo/logs", {}, limited)).status).toBe(403)
})

test("an event is any JSON, none is null, and what is no JSON is refused", async () => {
  await using at = await opened()
  await at.deploy("echo")
  const invoke = (body: string | undefined) =>
    at.call("/v1/functions/echo/invoke", { method: "POST", ...(body === undefined ? {} : { body }) })
  for (const body of ["7", '"text"', "null", "[1,{}]"])
    expect(await invoke(body)).toMatchObject({ status: 200, body: { event: JSON.parse(body) } })
  expect(await invoke(undefined)).toMatchObject({ status: 200, body: { event: null } })
  expect(await invoke("{")).toMatchObject({ status: 400, body: { code: "request_invalid" } })
  expect(await invoke(`"${"x".repeat(2_100_000)}"`)).toMatchObject({ status: 413, body: { code: "payload_too_large" } })
  const late = await at.call("/v1/functions/echo/invoke?deadlineMs=0", posted(1))
  expect(late).toMatchObject({ status: 400, body: { code: "request_invalid" } })
})

test("a deployment that is none, or of another name, is refused with all that is wrong", async () => {
  await using at = await opened()
  const deploy = (body: unknown) => at.call("/v1/functions/echo/deploy", posted(body))
  expect(await deploy([])).toMatchObject({ status: 400, body: { code: "request_invalid" } })
  expect(await deploy({ document: {}, files: {}, version: 3 })).toMatchObject({ body: { code: "request_invalid" } })
  expect(await deploy({ document: {}, files: {}, acceptUnsandboxed: 1 })).toMatchObject({
    body: { code: "request_invalid" },
  })
  const empty = await deploy({})
  expect(empty).toMatchObject({ status: 400, body: { code: "document_invalid" } })
  expect((empty.body.details as { mistakes: unknown[] }).mistakes.length).toBeGreaterThan(3)
  expect(await at.deploy("other")).toMatchObject({ body: { code: "document_invalid" } })
  expect(await at.call("/v1/functions/none", {})).toMatchObject({ status: 404, body: { code: "function_not_found" } })
  expect(await at.call("/v1/functions/none/rollback", posted({}))).toMatchObject({ status: 404 })
})

test("logs are read once, or followed until the node stops; a token that is revoked ends it", async () => {
  await using at = await opened()
  await at.deploy("echo")
  const secret = await at.rig.token({ scopes: ["read"] })
  const follow = async (): Promise<{ read(): Promise<string | undefined> }> => {
    const answer = await at.request("/v1/functions/echo/logs?follow=true&limit=0", {}, secret)
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
    return { read: async () => (await reader.read()).value }
  }
  const one = await follow()
  const other = await follow()
  expect(await one.read()).toBe("\n")
  expect(await other.read()).toBe("\n")
  await at.call("/v1/functions/echo/invoke", posted({ a: 1 }))
  const line = JSON.parse((await one.read())!)
  expect(line).toMatchObject({ level: "info", message: 'said {"a":1}', version: 1, call: expect.any(Number) })
  expect(JSON.parse((await other.read())!)).toEqual(line)
  const all = (await (await at.request("/v1/functions/echo/logs?limit=1")).text()).trim()
  expect(JSON.parse(all)).toEqual(line)
  expect(await (await at.request(`/v1/functions/echo/logs?after=${line.seq}`)).text()).toBe("")
  // A number of a former start of the node: everything since is news.
  const since = (await (await at.request(`/v1/functions/echo/logs?after=${line.seq + 1_000}`)).text()).trim()
  expect(since.split("\n").length).toBeGreaterThan(1)
  const [id] = secret.slice("brume_".length).split("_")
  expect((await at.request(`/v1/tokens/${id}`, { method: "DELETE" })).status).toBe(204)
  await at.call("/v1/functions/echo/invoke", posted(2))
  // What was said before the token was looked at again may still come.
  let last = await one.read()
  while (last !== undefined) last = await one.read()
  const third = await at.request("/v1/functions/echo/logs?follow=true")
  const ended = third.text()
  await at.api.close()
  expect(await ended).toContain("said")
})
