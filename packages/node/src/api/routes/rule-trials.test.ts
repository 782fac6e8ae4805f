import { expect, test } from "vitest"
import { apiRig } from "../../../../../test/rig/api.ts"
import type { RuleTrialRequest } from "../ports.ts"

const document = {
  apiVersion: "brume.dev/v1",
  kind: "Rule",
  metadata: { name: "warm" },
  spec: { on: { device: "#" }, when: "value > 8", actions: [{ publish: { topic: "out", payload: "x" } }] },
}

async function posted(
  body: object,
  changes: { readonly scopes?: readonly ("read" | "write")[]; readonly devices?: readonly string[] } = {},
) {
  const rig = await apiRig()
  const asked: RuleTrialRequest[] = []
  const { fastify } = await rig.app({
    ruleTrials: {
      async run(request) {
        asked.push(request)
        const { fromUs, toUs } = request
        const firing = { time: fromUs + 1, change: "fired", values: { value: 9 }, actions: [] } as const
        return {
          fromUs,
          toUs,
          reachedUs: toUs,
          readings: 1,
          fired: 1,
          cleared: 0,
          firings: [firing],
          strip: [1],
          notes: [],
        }
      },
    },
  })
  const secret = await rig.token({
    scopes: changes.scopes ?? ["read"],
    ...(changes.devices && { devices: changes.devices }),
  })
  const answer = await fastify.inject({
    ...{ method: "POST", url: "/v1/rules/test", payload: body },
    headers: { authorization: `Bearer ${secret}`, host: "localhost" },
  })
  return { status: answer.statusCode, body: answer.json(), asked, nowUs: rig.clock.now() }
}

test("a rule is tested over the time that is asked for, and the last day where none is", async () => {
  const { status, body, asked, nowUs } = await posted({ document })
  expect([status, asked]).toEqual([
    200,
    [{ name: "warm", spec: document.spec, fromUs: nowUs - 86_400_000_000, toUs: nowUs, by: "time", limit: 1_000 }],
  ])
  expect(body).toMatchObject({ readings: 1, fired: 1, firings: [{ change: "fired", values: { value: 9 } }] })
  const from = "2024-12-01T00:00:00Z"
  const given = await posted({ document, from, to: "2024-12-02T00:00:00.500Z", by: "received", limit: 5 })
  expect(given.asked).toMatchObject([{ fromUs: Date.parse(from) * 1_000, by: "received", limit: 5 }])
  expect(given.body).toMatchObject({
    ...{ from: "2024-12-01T00:00:00.000000Z", to: "2024-12-02T00:00:00.500000Z" },
    firings: [{ time: "2024-12-01T00:00:00.000001Z" }],
  })
})

test.each<[string, object, string]>([
  ["no document", {}, "request_invalid"],
  ["a time that is none", { document, from: "yesterday" }, "request_invalid"],
  [
    "an end before the beginning",
    { document, from: "2024-12-02T00:00:00Z", to: "2024-12-01T00:00:00Z" },
    "request_invalid",
  ],
  ["too many firings", { document, limit: 1e6 }, "request_invalid"],
  ["another kind", { document: { ...document, kind: "Function" } }, "document_invalid"],
  ["no name", { document: { ...document, metadata: {} } }, "document_invalid"],
  ["an unknown field", { document: { ...document, spec: { ...document.spec, wehn: "true" } } }, "document_invalid"],
  [
    "an unknown variable",
    { document: { ...document, spec: { ...document.spec, when: "valeu > 1" } } },
    "document_invalid",
  ],
])("%s is refused before anything is read", async (_what, body, code) => {
  const answer = await posted(body)
  expect(answer.body).toMatchObject({ code })
  expect(answer.asked).toEqual([])
})

test("it takes a token that reads the whole node", async () => {
  expect((await posted({ document }, { scopes: ["write"] })).status).toBe(403)
  expect((await posted({ document }, { devices: ["cold/#"] })).status).toBe(403)
})
