/** Functions in a whole node, with real processes. */
import { expect, test } from "vitest"
import { type WholeNode, wholeNode } from "../../../../test/rig/whole-node.ts"

interface Given {
  readonly runtime?: string
  readonly spec?: object
  readonly code: string
}

async function deploy({ call }: WholeNode, name: string, { runtime = "javascript", spec = {}, code }: Given) {
  const isPython = runtime === "python"
  const answer = await call(`/v1/functions/${name}/deploy`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      document: {
        ...{ apiVersion: "brume.dev/v1", kind: "Function", metadata: { name } },
        spec: { runtime, entry: isPython ? "main.py" : "main.js", ...spec },
      },
      files: { [isPython ? "main.py" : "bundle.cjs"]: code },
    }),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

async function invoke({ call }: WholeNode, name: string, event: unknown, headers: Record<string, string> = {}) {
  const answer = await call(`/v1/functions/${name}/invoke`, {
    ...{ method: "POST", body: JSON.stringify(event) },
    headers: { "content-type": "application/json", ...headers },
  })
  return { status: answer.status, body: (await answer.json()) as unknown }
}

test("JavaScript and Python are deployed, called, and keep state", async () => {
  await using open = await wholeNode()
  const count = `exports.default = async (event, ctx) => {
    const before = (await ctx.state.get("count")) ?? 0
    await ctx.state.set("count", before + event.add)
    return { count: before + event.add, key: ctx.key.length > 0, trigger: ctx.trigger }
  }`
  expect(await deploy(open, "count", { code: count })).toMatchObject({
    status: 200,
    body: { name: "count", version: 1, change: "created" },
  })
  expect(await invoke(open, "count", { add: 2 })).toEqual({
    status: 200,
    body: { count: 2, key: true, trigger: "http" },
  })
  expect(await invoke(open, "count", { add: 3 })).toMatchObject({ body: { count: 5 } })
  const python = 'def handler(event, ctx):\n    return {"double": event["n"] * 2}\n'
  expect(await deploy(open, "double", { runtime: "python", code: python })).toMatchObject({ status: 200 })
  expect(await invoke(open, "double", { n: 21 })).toEqual({ status: 200, body: { double: 42 } })
  const list = (await (await open.call("/v1/functions")).json()) as { functions: { name: string; state: string }[] }
  expect(list.functions.map(({ name, state }) => [name, state])).toEqual([
    ["count", "ready"],
    ["double", "ready"],
  ])
  expect(open.logger.messages("error")).toEqual([])
})
