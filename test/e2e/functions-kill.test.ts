/**
 * F2 and F3 with a real process: kill -9 at random moments under load. Every message that MQTT acknowledged, and every
 * reading that was stored, was taken by the function, and what it published for one key it published once.
 */
import { expect, test } from "vitest"
import { openBrumeBroker } from "../rig/brume-broker.ts"
import { deploy } from "../rig/functions.ts"
import { MqttOracle } from "../rig/mqtt-oracle.ts"
import { sleep, until } from "../rig/node-process.ts"

/** `npm run soak` sets it. */
const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 5)
/** Publishes at once, and hangs now and then, so that kills hit it before, between and after. */
const code = `exports.default = async (event, ctx) => {
  const payload = event.type === "message" ? event.payload : event.value
  await ctx.publish("devices/seen", { seen: payload, key: ctx.key }, { qos: 1 })
  if (payload % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 30))
  await ctx.publish("devices/after", { after: payload }, { qos: 1 })
}`

test("kill -9 under load: what was acknowledged reaches the function, and what it does for one key happens once", {
  timeout: 120_000 + rounds * 10_000,
}, async () => {
  const broker = await openBrumeBroker({ isInsecure: true })
  await using _closing = { [Symbol.asyncDispose]: () => broker.close() }
  const spec = {
    triggers: [{ topic: "devices/one/id" }, { device: "two", property: "id" }],
    limits: { concurrency: 64 },
  }
  const caller = { call: (path: string, init?: RequestInit) => broker.node.request(path, init) }
  expect(await deploy(caller, "see", { code, spec, accept: true })).toMatchObject({ status: 200 })
  const oracle = new MqttOracle(() => broker.port)
  let isOver = false
  const publishing = [oracle.publish("one", 5, 1, () => isOver), oracle.publish("two", 4, 2, () => isOver)]
  for (let round = 0; round < rounds; round++) {
    // From the first moments after the start to well after the function has begun.
    await sleep(200 + ((round * 379) % 1500))
    await broker.restart()
  }
  isOver = true
  await Promise.all(publishing)
  const rows = (sql: string) => broker.node.sql<{ n: number }>(sql)
  const unseen = async (property: string): Promise<number> => {
    const [row] = await rows(
      `SELECT count(DISTINCT value) AS n FROM readings WHERE property = 'id' AND value NOT IN
      (SELECT value FROM readings WHERE property = '${property}')`,
    )
    return row!.n
  }
  await until("everything was seen", async () => (await unseen("after")) === 0, 60_000).catch(() => {
    // The expectations say how many are missing.
  })
  expect(await unseen("seen")).toBe(0)
  expect(await unseen("after")).toBe(0)
  const [all] = await rows("SELECT count(*) AS n FROM readings WHERE property = 'id'")
  expect(all!.n).toBeGreaterThan(rounds * 50)
  // One message is one key, whatever attempts it took.
  const [keys] = await rows("SELECT count(DISTINCT text) AS n FROM readings WHERE property = 'key'")
  expect(keys!.n).toBe(all!.n)
  const [doubled] = await rows(
    "SELECT count(*) AS n FROM (SELECT text FROM readings WHERE property = 'key' GROUP BY text HAVING count(*) > 1)",
  )
  expect(doubled!.n).toBe(0)
  const view = (await (await broker.node.request("/v1/functions/see")).json()) as Record<string, unknown>
  expect(view).toMatchObject({ waiting: 0, dropped: 0, deadLetters: 0 })
})
