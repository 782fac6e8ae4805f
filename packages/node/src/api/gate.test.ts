import { FogError, isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { apiRig } from "../../../../test/rig/api.ts"
import { createGate } from "./gate.ts"

const gate = createGate({
  listenHost: "192.0.2.7",
  allowedHosts: ["brume.example", "Other.Example:7777"],
  allowedOrigins: ["https://app.example", "http://localhost:5173/"],
})

function codeOf(call: () => unknown): string {
  try {
    call()
    return "accepted"
  } catch (error) {
    if (isFogError(error)) return error.code
    throw error
  }
}

test.each([
  "localhost",
  "LOCALHOST:7777",
  "localhost.",
  "brume.localhost:80",
  "127.0.0.1:7777",
  "127.8.9.1",
  "[::1]:7777",
  "[fe80::1]",
  "192.0.2.7:7777",
  "10.1.2.3",
  "brume.example",
  "brume.example:443",
  "other.example",
])("the host %s is this node", (host) => {
  expect(codeOf(() => gate.checkHost(host))).toBe("accepted")
})

test.each([
  "evil.example",
  "localhost.evil.example",
  "evillocalhost",
  "brume.example.evil.example",
  "notbrume.example",
  "127.0.0.1.evil.example",
  "127.0.0.1:7777.evil.example",
  "127.1",
  "0x7f000001",
  "",
  ":7777",
  "[::1",
  "[evil.example]",
  "localhost evil.example",
  "localhost@evil.example",
])("the host %j is a stranger", (host) => {
  expect(codeOf(() => gate.checkHost(host))).toBe("host_refused")
})

test("a host that was accepted does not open the door for the next", () => {
  gate.checkHost("localhost")
  expect(codeOf(() => gate.checkHost("evil.example"))).toBe("host_refused")
})

test.each([
  ["http://localhost:7777", "localhost:7777", false],
  ["https://brume.example", "brume.example", false],
  ["HTTP://LOCALHOST:7777", "localhost:7777", false],
  ["https://app.example", "localhost:7777", true],
  ["http://localhost:5173", "localhost:7777", true],
])("the origin %s may call %s", (origin, host, isForeign) => {
  expect(gate.checkOrigin(origin, host)).toBe(isForeign)
})

test.each([
  ["https://evil.example", "localhost:7777"],
  ["http://localhost:7778", "localhost:7777"],
  ["http://localhost", "localhost:7777"],
  ["http://app.example", "localhost:7777"],
  ["https://app.example.evil.example", "localhost:7777"],
  ["null", "localhost:7777"],
  ["", ""],
  ["file://", "localhost:7777"],
])("the origin %j may not call %j", (origin, host) => {
  expect(codeOf(() => gate.checkOrigin(origin, host))).toBe("origin_refused")
})

test("an allowed page may ask first, call, and read the answer; a stranger's may not", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app({ allowedOrigins: ["https://app.example"] })
  const preflight = (origin: string) =>
    fastify.inject({
      method: "OPTIONS",
      url: "/v1/query",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
    })
  const asked = await preflight("https://app.example")
  expect(asked.statusCode).toBe(204)
  expect(asked.headers).toMatchObject({
    "access-control-allow-origin": "https://app.example",
    "access-control-allow-methods": expect.stringContaining("POST"),
    "access-control-allow-headers": expect.stringContaining("authorization"),
    vary: "origin",
  })
  expect(asked.headers["access-control-allow-credentials"]).toBeUndefined()
  const get = (origin: string, secret: string) =>
    fastify.inject({ url: "/v1/status", headers: { origin, authorization: `Bearer ${secret}` } })
  const answer = await get("https://app.example", rig.admin)
  expect([answer.statusCode, answer.headers["access-control-allow-origin"]]).toEqual([200, "https://app.example"])
  const problem = await get("https://app.example", "wrong")
  expect([problem.statusCode, problem.headers["access-control-allow-origin"]]).toEqual([401, "https://app.example"])
  for (const refused of [await preflight("https://evil.example"), await get("https://evil.example", rig.admin)]) {
    expect([refused.statusCode, refused.json().code]).toEqual([403, "origin_refused"])
    expect(refused.headers["access-control-allow-origin"]).toBeUndefined()
  }
})

test("a rebound name is refused before anything else, also where no token is needed", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app()
  for (const url of ["/", "/healthz", "/ping", "/docs", "/v1/status", "/nowhere"]) {
    const answer = await fastify.inject({
      url,
      headers: { host: "evil.example", authorization: `Bearer ${rig.admin}` },
    })
    expect(answer.statusCode).toBe(421)
  }
})

test("the refusals name the setting that allows", () => {
  for (const [call, setting] of [
    [() => gate.checkHost("evil.example"), "api.allowedHosts"],
    [() => gate.checkOrigin("https://evil.example", "localhost"), "api.allowedOrigins"],
  ] as const) {
    expect(call).toThrow(FogError)
    expect(codeOf(call)).not.toBe("accepted")
    try {
      call()
    } catch (error) {
      expect((error as FogError).hint).toContain(setting)
    }
  }
})
