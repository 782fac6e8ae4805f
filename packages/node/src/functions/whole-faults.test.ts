/** What goes wrong in functions of a whole node, with real processes: told, bounded, and no matter to others. */
import { connectAsync } from "mqtt"
import { expect, test } from "vitest"
import { answered, deploy, invoke, linesOf } from "../../../../test/rig/functions.ts"
import { type WholeNode, wholeNode } from "../../../../test/rig/whole-node.ts"

interface View {
  readonly state: string
  readonly reason?: string
  readonly waiting: number
  readonly failures: readonly { readonly code: string }[]
}

const view = async ({ call }: WholeNode, name: string): Promise<View> =>
  (await answered<View>(call(`/v1/functions/${name}`))).body

test("a function that calls itself without an end is refused at a depth, with the reason", async () => {
  await using open = await wholeNode()
  const code = "exports.default = (depth, ctx) => ctx.invoke('self', depth + 1)"
  expect(await deploy(open, "self", { code, spec: { limits: { concurrency: 64 } } })).toMatchObject({ status: 200 })
  const { status, body } = await invoke<{ detail: string }>(open, "self", 0)
  expect(status).toBe(502)
  expect(body.detail).toContain("more than 8 deep")
  expect(await invoke(open, "self", 0, {})).toMatchObject({ status: 502 })
})

test("the time that is left is inherited: nobody waits longer than who asked first", async () => {
  await using open = await wholeNode()
  const slow = "exports.default = () => new Promise((resolve) => setTimeout(() => resolve('late'), 20000))"
  expect(await deploy(open, "slow", { code: slow })).toMatchObject({ status: 200 })
  const outer = `exports.default = (event, ctx) => ctx.invoke("slow").catch((error) => error.code)`
  expect(await deploy(open, "outer", { code: outer, spec: { limits: { timeMs: 1500 } } })).toMatchObject({
    status: 200,
  })
  // Both run out of time at the same moment: the outer one's caller hears it from the node, or from the outer one itself.
  expect(JSON.stringify(await invoke(open, "outer"))).toContain("function_timeout")
  // The inner call did not go on for its own thirty seconds.
  await expect
    .poll(async () => (await view(open, "slow")).failures.map(({ code }) => code))
    .toContain("function_timeout")
})

test("a crash loop parks the function; its events wait, others go on, and a mended version takes them", async () => {
  await using open = await wholeNode({ "mqtt.listen": "127.0.0.1:0", "mqtt.allowAnonymous": "true" })
  const broken = "exports.default = () => process.exit(3)"
  const spec = { triggers: [{ topic: "work" }], retries: 10 }
  expect(await deploy(open, "work", { code: broken, spec })).toMatchObject({ status: 200 })
  expect(await deploy(open, "well", { code: "exports.default = () => 'well'" })).toMatchObject({ status: 200 })
  const client = await connectAsync(open.node.mqttUrls[0]!)
  await using _closing = { [Symbol.asyncDispose]: () => client.endAsync() }
  await client.publishAsync("work", "1", { qos: 1 })
  await expect.poll(async () => (await view(open, "work")).state, { timeout: 15_000 }).toBe("parked")
  expect((await view(open, "work")).reason).toContain("code 3")
  expect((await view(open, "work")).waiting).toBe(1)
  expect(await invoke(open, "work")).toMatchObject({ status: 503, body: { code: "function_parked" } })
  expect(await invoke(open, "well")).toEqual({ status: 200, body: "well" })
  const mended = "exports.default = ({ payload }, ctx) => ctx.log.info('took ' + payload)"
  expect(await deploy(open, "work", { code: mended, spec })).toMatchObject({ status: 200 })
  await expect.poll(() => linesOf(open, "work")).toContain("took 1")
  expect(await view(open, "work")).toMatchObject({ state: "ready", waiting: 0 })
})

test("what a function asks wrongly is told to it, and changes nothing", async () => {
  await using open = await wholeNode()
  const code = `exports.default = async (event, ctx) => {
    const told = async (ask) => ask().then(() => "done", (error) => error.code)
    return [
      await told(() => ctx.publish("a/#", 1)),
      await told(() => ctx.publish("$SYS/a", 1)),
      await told(() => ctx.publish("a", "x".repeat(1048577))),
      await told(() => ctx.publish("a", 1, { qos: 3 })),
      await told(() => ctx.query("COPY readings TO '/tmp/x'")),
      await told(() => ctx.query("SELECT * FROM nothing")),
      await told(() => ctx.command("a/#", "start")),
      await told(() => ctx.invoke("nobody")),
      await told(() => ctx.state.set("", 1)),
      await told(() => ctx.secrets.get("any")),
    ]
  }`
  expect(await deploy(open, "ask", { code })).toMatchObject({ status: 200 })
  expect((await invoke(open, "ask")).body).toEqual([
    ...["function_refused", "function_refused", "function_refused", "function_refused"],
    ...[
      "query_refused",
      "query_refused",
      "command_invalid",
      "function_not_found",
      "function_refused",
      "function_refused",
    ],
  ])
})
