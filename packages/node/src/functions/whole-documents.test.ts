/** Functions among documents and rules, in a whole node. */
import { expect, test } from "vitest"
import { answered, deploy, documentOf, invoke, linesOf, posted } from "../../../../test/rig/functions.ts"
import { type WholeNode, wholeNode } from "../../../../test/rig/whole-node.ts"

interface View {
  readonly version: number
  readonly calls: number
  readonly versions: readonly { readonly version: number; readonly spec: Record<string, unknown> }[]
}

const view = async ({ call }: WholeNode, name: string): Promise<View> =>
  (await answered<View>(call(`/v1/functions/${name}`))).body

const put = ({ call }: WholeNode, kind: string, name: string, document: object) =>
  answered<Record<string, unknown>>(call(`/v1/documents/${kind}/${name}`, { ...posted(document), method: "PUT" }))

const shown = async ({ call }: WholeNode, name: string) =>
  (await answered<{ spec?: { limits?: object }; metadata?: object }>(call(`/v1/documents/Function/${name}`))).body

test("a document without code is refused with the remedy; with code it changes what the code's version says", async () => {
  await using open = await wholeNode()
  const document = documentOf("say", { spec: { limits: { timeMs: 5_000 } } })
  const refused = await put(open, "Function", "say", document)
  expect(refused).toMatchObject({ status: 400, body: { code: "document_invalid" } })
  expect(JSON.stringify(refused.body)).toContain("brume deploy DIR")
  expect(await deploy(open, "say", { code: "exports.default = () => 'said'" })).toMatchObject({ status: 200 })
  await expect.poll(async () => (await shown(open, "say")).spec?.limits).toMatchObject({ timeMs: 30_000 })
  expect(await put(open, "Function", "say", document)).toMatchObject({ status: 200, body: { change: "changed" } })
  await expect.poll(async () => (await view(open, "say")).version).toBe(2)
  expect((await view(open, "say")).versions[1]!.spec).toMatchObject({ limits: { timeMs: 5_000, memoryMiB: 128 } })
  expect(await invoke(open, "say")).toEqual({ status: 200, body: "said" })
  // Another entry is another code.
  const other = { ...document, spec: { runtime: "javascript", entry: "other.js" } }
  expect(JSON.stringify((await put(open, "Function", "say", other)).body)).toContain("spec.entry is main.js")
  // Rolling back brings the document back too, and deleting the document takes the function away.
  await answered(open.call("/v1/functions/say/rollback", posted({})))
  await expect.poll(async () => (await shown(open, "say")).spec?.limits).toMatchObject({ timeMs: 30_000 })
  expect((await view(open, "say")).version).toBe(1)
  expect((await open.call("/v1/documents/Function/say", { method: "DELETE" })).status).toBe(204)
  await expect.poll(async () => (await open.call("/v1/functions/say")).status).toBe(404)
  expect(await deploy(open, "say", { code: "exports.default = () => 2" })).toMatchObject({ body: { version: 1 } })
  await expect.poll(async () => (await open.call("/v1/documents/Function/say")).status).toBe(200)
  expect((await open.call("/v1/functions/say", { method: "DELETE" })).status).toBe(204)
  await expect.poll(async () => (await open.call("/v1/documents/Function/say")).status).toBe(404)
  expect(open.logger.messages("warn").filter((message) => message.includes("unction"))).toEqual([])
})

test("a rule calls a function, with the effect's key, and a schedule does", async () => {
  await using open = await wholeNode()
  const code = `exports.default = (event, ctx) => ctx.log.info(ctx.trigger + " " + JSON.stringify(event) + " " + ctx.key)`
  expect(
    await deploy(open, "act", { code, spec: { triggers: [{ schedule: "* * * * * *", timeZone: "Europe/Zurich" }] } }),
  ).toMatchObject({ status: 200 })
  const rule = {
    apiVersion: "brume.dev/v1",
    kind: "Rule",
    metadata: { name: "warm" },
    spec: {
      on: { device: "cold/+", property: "temperature" },
      when: "value > 8",
      actions: [{ function: { name: "act", input: { device: "{{ device }}", warm: true } } }],
    },
  }
  expect(await put(open, "Rule", "warm", rule)).toMatchObject({ status: 201 })
  const readings = [3, 9].map((value) => ({ device: "cold/1", property: "temperature", value }))
  expect((await open.call("/v1/readings", posted(readings))).status).toBe(200)
  const ruled = async () => (await linesOf(open, "act")).filter((line) => line.startsWith("rule "))
  await expect.poll(ruled).toEqual([expect.stringMatching(/^rule {"device":"cold\/1","warm":true} [0-9a-f]{64}$/)])
  await expect
    .poll(() => linesOf(open, "act"), { timeout: 5_000 })
    .toContainEqual(expect.stringMatching(/^schedule .*act\//))
  const effects = async () => (await answered<{ effects: object[] }>(open.call("/v1/effects"))).body.effects
  await expect.poll(effects).toMatchObject([{ source: "rule/warm", type: "function", target: "act", state: "done" }])
})
