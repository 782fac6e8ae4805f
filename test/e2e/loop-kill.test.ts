/**
 * I2 over the whole loop with a real process: kill -9 at every step between a reading, the rule, the command that leaves, the
 * device's answer, the function and the webhook. What was acknowledged has its effects, each effect has an outcome and
 * reached the world at most once, nothing happened without a stored reading, and alarms are what the readings say.
 */
import { mkdir, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { deploy } from "../rig/functions.ts"
import { LoopOracle, loopRules } from "../rig/loop-oracle.ts"
import { LoopWorld, steps } from "../rig/loop-world.ts"
import { type NodeProcess, sleep, spawnNode, startNode, temporaryFolder, until } from "../rig/node-process.ts"
import { withoutPython } from "../rig/python.ts"

/** `npm run soak -- loop-kill --rounds N` sets it. */
const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 6)
/** Where a step does not come. */
const longestRoundMs = 3_000

/** Both say at first hand that they were called, and publish their key; some throw before, some take long between. */
const codeOf = (port: number) => ({
  javascript: `exports.default = async ({ id }, ctx) => {
  if (id % 13 === 4) throw new Error("no")
  await fetch("http://127.0.0.1:${port}/call", { method: "POST", body: ctx.key })
  if (id % 13 === 5) await new Promise((resolve) => setTimeout(resolve, 50))
  await ctx.publish("devices/seen/key", ctx.key, { qos: 1 })
}`,
  python: `import time, urllib.request
def handler(event, ctx):
    if event["id"] % 13 == 4:
        raise ValueError("no")
    urllib.request.urlopen("http://127.0.0.1:${port}/call", ctx.key.encode()).close()
    if event["id"] % 13 == 5:
        time.sleep(0.05)
    ctx.publish("devices/seen/key", ctx.key, qos=1)
`,
})

async function furnish(node: NodeProcess, port: number, hasPython: boolean): Promise<void> {
  const caller = { call: (path: string, init?: RequestInit) => node.request(path, init) }
  for (const [runtime, code] of Object.entries(codeOf(port))) {
    if (runtime === "python" && !hasPython) continue
    const answer = await deploy(caller, runtime, { code, runtime, spec: { network: true }, accept: true })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  }
  for (const [name, spec] of Object.entries(loopRules(port, hasPython))) {
    const answer = await node.request(`/v1/documents/Rule/${name}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name }, spec }),
    })
    if (!answer.ok) throw new Error(await answer.text())
  }
}

test("kill -9 anywhere in the loop: every effect once at most, and with an outcome", {
  timeout: 120_000 + rounds * 12_000,
}, async () => {
  const hasPython = withoutPython() === undefined
  const world = new LoopWorld()
  const oracle = new LoopOracle(world)
  const hostPort = await world.listen()
  await using folder = await temporaryFolder()
  // Small limits of the log, so that rotation, snapshots and trimming happen between the kills as well.
  const settings = [
    ...["store.log.fileBytes=1MiB", "store.tables.sealRows=2000", "store.tables.sealAgeMs=1s"],
    ...[`effects.webhooks.allow=127.0.0.1:${hostPort}`, "effects.maxRemembered=1000000"],
  ].flatMap((setting) => ["--set", setting])
  const argsAt = (mqtt: string) => ["--mqtt", mqtt, "--insecure-mqtt", ...settings]
  let startMs = 0
  const start = async (mqtt: string): Promise<NodeProcess> => {
    const begin = performance.now()
    const node = await startNode(folder.path, argsAt(mqtt))
    startMs = performance.now() - begin
    return node
  }
  world.node = await start("127.0.0.1:0")
  const port = world.node.mqttPort!
  await using _closing = {
    [Symbol.asyncDispose]: async () => {
      await world.leave()
      await world.node[Symbol.asyncDispose]()
    },
  }
  await world.arrive(port)
  await furnish(world.node, hostPort, hasPython)
  let isOver = false
  const speaking = world.speak(port, () => isOver)
  const kills: Record<string, number> = {}
  for (let round = 0; round < rounds; round++) {
    const step = steps[round % steps.length]!
    let isReached = false
    const reached = world.at(step, 1 + ((round * 379) % 23)).then(() => {
      isReached = true
    })
    await Promise.race([reached, sleep(longestRoundMs)])
    // Right then, or somewhat later, before the next of its kind.
    if (round % 3 > 0) await sleep((round * 37) % 19)
    const killedAt = Date.now()
    const dying = world.node.end("SIGKILL")
    const { length } = world.acknowledged
    await dying
    if (isReached) kills[step] = (kills[step] ?? 0) + 1
    // Recovery is to be repeated as well.
    if (round % 4 === 2) {
      const dyingEarly = spawnNode(folder.path, argsAt(`127.0.0.1:${port}`))
      await sleep(startMs * (0.4 + ((round * 37) % 60) / 100))
      const hasEnded = new Promise((resolve) => dyingEarly.once("close", resolve))
      dyingEarly.kill("SIGKILL")
      await hasEnded
      kills["start"] = (kills["start"] ?? 0) + 1
    }
    world.node = await start(`127.0.0.1:${port}`)
    await oracle.look(length, killedAt)
  }
  await sleep(500)
  isOver = true
  await speaking
  const isPending = async (path: string, member: string) => {
    const answer = (await (await world.node.request(`${path}?state=pending`)).json()) as Record<string, unknown[]>
    return answer[member]!.length > 0
  }
  await until("every effect has an outcome", async () => !(await isPending("/v1/effects", "effects")), 60_000).catch(
    // The verdict names them.
    () => {},
  )
  // What comes twice comes soon.
  await sleep(1_000)
  const { faults, readings, effects, outcomes, marked } = await oracle.judge()
  expect(faults).toEqual({
    ...{ lost: [], doubled: [], invented: [], missing: [], causeless: [], open: [], repeated: [], baseless: [] },
    ...{ untrue: [], miscounted: [], misjudged: [], refused: [] },
  })
  expect(world.acknowledged.length).toBeGreaterThan(rounds * 5)
  expect(Object.keys(outcomes)).toEqual(
    expect.arrayContaining(["alarm", "command", "function", "publish", "webhook"].map((type) => `${type} done`)),
  )
  expect(Object.keys(outcomes)).toEqual(
    expect.arrayContaining(["command failed", "command in-doubt", "function failed", "webhook in-doubt"]),
  )

  if (process.env["BRUME_SOAK_ROUNDS"] !== undefined) {
    const results = fileURLToPath(new URL("../../bench/results/", import.meta.url))
    await mkdir(results, { recursive: true })
    const content = {
      ...{ name: "loop-kill", measured: new Date().toISOString(), rounds, kills, runtimes: hasPython ? 2 : 1 },
      ...{ acknowledged: world.acknowledged.length, readings, effects, outcomes, markedRepetitions: marked, faults: 0 },
    }
    await writeFile(`${results}soak-loop-kill.json`, `${JSON.stringify(content, null, 2)}\n`)
  }
})
