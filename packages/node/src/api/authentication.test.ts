import { createAttempts } from "@brume/core"
import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { apiRig } from "../../../../test/rig/api.ts"

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

test("every address needs a token but those that hold nothing of the node, and MQTT, which asks for it itself", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app()
  const { paths } = (await fastify.inject("/v1/openapi.json")).json() as {
    paths: Record<string, Record<string, { security: unknown[] }>>
  }
  const open: string[] = []
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { security }] of Object.entries(operations)) {
      const url = path.replace(/\{\w+\}/g, "x")
      const { statusCode } = await fastify.inject({ method: method.toUpperCase() as "GET", url, payload: "{}" })
      if (statusCode !== 401) open.push(path)
      expect([url, security.length > 0]).toEqual([url, statusCode === 401])
    }
  }
  expect(open.sort()).toEqual([
    "/docs",
    "/health",
    "/healthz",
    "/mqtt",
    "/ping",
    "/v1/openapi.json",
    "/v1/schemas/{kind}",
  ])
})

test("a token is taken from the Authorization header as Bearer, and from nowhere else", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app()
  const statusOf = async (headers: Record<string, string>, search = "") =>
    (await fastify.inject({ url: `/v1/status${search}`, headers })).statusCode
  expect(await statusOf({ authorization: `Bearer ${rig.admin}` })).toBe(200)
  expect(await statusOf({ authorization: `bearer   ${rig.admin} ` })).toBe(200)
  expect(await statusOf({ authorization: `Token ${rig.admin}` })).toBe(401)
  expect(await statusOf({ authorization: basic("u", rig.admin) })).toBe(401)
  expect(await statusOf({ authorization: `Bearer ${rig.admin} x` })).toBe(401)
  expect(await statusOf({ authorization: rig.admin })).toBe(401)
  expect(await statusOf({ "sec-websocket-protocol": `bearer.${rig.admin}` })).toBe(401)
  expect(await statusOf({}, `?p=${rig.admin}`)).toBe(401)
})

test("InfluxDB's paths take a token in all of InfluxDB's ways", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app()
  const statusOf = async (headers: Record<string, string>, search = "") =>
    (await fastify.inject({ method: "POST", url: `/write${search}`, headers, payload: "m v=1" })).statusCode
  const secret = rig.admin
  for (const authorization of [`Token ${secret}`, `Token user:${secret}`, `Bearer ${secret}`, basic("user", secret)]) {
    expect(await statusOf({ authorization })).toBe(204)
  }
  expect(await statusOf({}, `?u=user&p=${secret}`)).toBe(204)
  expect(await statusOf({ authorization: basic(secret, "") })).toBe(401)
  expect(await statusOf({ authorization: "Token x" }, `?p=${secret}`)).toBe(401)
  expect(await statusOf({})).toBe(401)
})

test("many wrong tokens from one address are told to wait, right ones are served on", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app({ limits: { maxFailedAttempts: 3 } })
  const ask = (secret: string, remoteAddress: string) =>
    fastify.inject({ url: "/v1/status", headers: { authorization: `Bearer ${secret}` }, remoteAddress })
  const statuses = []
  for (let attempt = 0; attempt < 5; attempt++) statuses.push((await ask("brume_a_b", "192.0.2.1")).statusCode)
  expect(statuses).toEqual([401, 401, 401, 429, 429])
  expect((await ask("brume_a_b", "192.0.2.1")).headers["retry-after"]).toBeDefined()
  expect((await ask(rig.admin, "192.0.2.1")).statusCode).toBe(200)
  expect((await ask("brume_a_b", "192.0.2.2")).statusCode).toBe(401)
  rig.clock.advance(60_000)
  expect((await ask("brume_a_b", "192.0.2.1")).statusCode).toBe(401)
})

test("addresses that are remembered are bounded", () => {
  const attempts = createAttempts({ clock: new VirtualClock(), limit: 1, windowMs: 1_000, maxNames: 2 })
  expect([attempts.failed("a"), attempts.failed("a")]).toEqual([false, true])
  attempts.failed("b")
  attempts.failed("c")
  expect(attempts.failed("a")).toBe(false)
})

test("a wrong token is not repeated, neither in the answer nor in the log", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app({ limits: { maxFailedAttempts: 0 } })
  const secret = "brume_abc_VerySecretPart"
  const { body } = await fastify.inject({ url: "/v1/status", headers: { authorization: `Bearer ${secret}` } })
  expect(body).not.toContain("VerySecretPart")
  expect(JSON.stringify(rig.logger.entries)).not.toContain("VerySecretPart")
})
