/**
 * Rules and kill -9: what was half-way goes on, and what a reading causes is done at most once and has an outcome, wherever
 * between reading, rule, command and acknowledgement the node ends.
 */
import { expect, test } from "vitest"
import { openPeer, type Peer } from "../rig/mqtt-peer.ts"
import { type NodeProcess, sleep, startNode, temporaryFolder, until } from "../rig/node-process.ts"

/** `npm run soak -- rules-kill --rounds N` sets it. */
const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 6)

const start = (folder: string): Promise<NodeProcess> => startNode(folder, ["--mqtt", "127.0.0.1:0", "--insecure-mqtt"])

async function apply(node: NodeProcess, name: string, spec: object): Promise<void> {
  const answer = await node.request(`/v1/documents/Rule/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name }, spec }),
  })
  if (!answer.ok) throw new Error(await answer.text())
}

interface ShownEffect {
  readonly key: string
  readonly created: string
  readonly state: string
}

async function pages<Item>(node: NodeProcess, path: string, member: string): Promise<Item[]> {
  const items: Item[] = []
  for (let cursor = ""; ; ) {
    const separator = path.includes("?") ? "&" : "?"
    const answer = await node.request(`${path}${separator}limit=1000${cursor === "" ? "" : `&cursor=${cursor}`}`)
    const page = (await answer.json()) as Record<string, Item[]> & { cursor?: string }
    if (!answer.ok) throw new Error(JSON.stringify(page))
    items.push(...page[member]!)
    if (page.cursor === undefined) return items
    cursor = encodeURIComponent(page.cursor)
  }
}

const effectsOf = (node: NodeProcess): Promise<ShownEffect[]> => pages<ShownEffect>(node, "/v1/effects", "effects")

test("for: half-way at kill -9 goes on from there, and fires once", { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder()
  let node = await start(folder.path)
  await apply(node, "hot", {
    on: { device: "oven", property: "temperature" },
    when: "value > 30",
    for: "4s",
    actions: [{ publish: { topic: "hot", payload: "{{ value }}", retain: true, qos: 1 } }],
  })
  let peer = await openPeer({ port: node.mqttPort!, clientId: "oven" })
  const began = Date.now()
  await peer.publish("devices/oven/temperature", "31")
  await sleep(1_000)
  await node.end("SIGKILL")
  node = await start(folder.path)
  peer = await openPeer({ port: node.mqttPort!, clientId: "oven" })
  // What goes on to hold neither begins it anew nor ends it.
  const wentOn = Date.now()
  await peer.publish("devices/oven/temperature", "33")
  await until("it fires", async () => (await effectsOf(node)).length > 0)
  const [effect] = await effectsOf(node)
  expect(Date.parse(effect!.created), "not before its time").toBeGreaterThanOrEqual(began + 4_000)
  expect(Date.parse(effect!.created), "not as if it had begun anew").toBeLessThan(wentOn + 4_000)
  await node.end("SIGKILL")
  node = await start(folder.path)
  await using _last = node
  peer = await openPeer({ port: node.mqttPort!, clientId: "listener" })
  await peer.subscribe("hot", 1)
  await until("the retained message", () => peer.arrived.length > 0)
  await peer.publish("devices/oven/temperature", "34")
  expect((await effectsOf(node)).map(({ state }) => state)).toEqual(["done"])
  // On a slow machine it was due before the second reading came.
  expect(["31", "33"]).toContain(peer.texts().join())
})

interface ShownCommand {
  readonly id: string
  readonly input: number
  readonly state: string
}

test("kill -9 between reading, rule and command: each effect at most once, none without an outcome", {
  timeout: 60_000 + rounds * 15_000,
}, async () => {
  await using folder = await temporaryFolder()
  let node = await start(folder.path)
  await apply(node, "pass-on", {
    on: { device: "sensor", property: "n" },
    when: "value > 0",
    actions: [
      { command: { device: "sink", name: "take", input: "{{ value }}", deadline: "3s" } },
      { publish: { topic: "out", payload: "{{ value }}", qos: 1 } },
    ],
  })
  const acknowledged: number[] = []
  /** By value: the ids of commands that arrived for it, and how often the message did. */
  const taken = new Map<number, Set<string>>()
  let sent = 0
  const one = async (killMs: number): Promise<void> => {
    const { mqttPort: port = 0 } = node
    const sink = await openPeer({ port, clientId: "sink", isClean: false })
    await sink.subscribe("devices/sink/commands/+", 1)
    const sensor = await openPeer({ port, clientId: "sensor" })
    const answering = setInterval(() => answer(sink), 1)
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        const values = Array.from({ length: 10 }, () => ++sent)
        await Promise.all(
          values.map(async (value) => {
            await sensor.publish("devices/sensor/n", String(value)).then(
              () => acknowledged.push(value),
              () => {},
            )
          }),
        )
        if (!sensor.isOpen) return
      }
    })()
    await sleep(killMs)
    await node.end("SIGKILL")
    isOver = true
    await publishing
    clearInterval(answering)
    answer(sink)
    node = await start(folder.path)
  }
  const answered = new Set<string>()
  const answer = (sink: Peer): void => {
    for (const { topic, text } of sink.arrived.splice(0)) {
      if (!topic.startsWith("devices/sink/commands/")) continue
      const { id, input } = JSON.parse(text) as { id: string; input: number }
      const ids = taken.get(input) ?? new Set()
      taken.set(input, ids.add(id))
      // Every third answer is withheld.
      if (answered.has(id) || input % 3 === 0) continue
      answered.add(id)
      sink.publish(`devices/sink/replies/${id}`, JSON.stringify({ id, state: "done" })).catch(() => {})
    }
  }
  for (let round = 0; round < rounds; round++) await one(60 + ((round * 379) % 700))
  await using _last = node
  const sink = await openPeer({ port: node.mqttPort!, clientId: "sink", isClean: false })
  await until("every effect has an outcome", async () => {
    answer(sink)
    return (await effectsOf(node)).every(({ state }) => state !== "pending")
  })
  const effects = await effectsOf(node)
  const stored = await node.sql<{ value: number }>("SELECT value FROM readings WHERE device = 'sensor' AND value > 0")
  const commands = await pages<ShownCommand>(node, "/v1/commands", "commands")
  // What is stored fired, each action of it once, and nothing else did.
  expect(effects.length).toBe(stored.length * 2)
  expect(new Set(effects.map(({ key }) => key)).size).toBe(effects.length)
  expect(effects.filter(({ state }) => !["done", "failed", "in-doubt"].includes(state))).toEqual([])
  expect(commands.map(({ input }) => input).sort((a, b) => a - b)).toEqual(
    stored.map(({ value }) => value).sort((a, b) => a - b),
  )
  const storedValues = new Set(stored.map(({ value }) => value))
  expect(
    acknowledged.filter((value) => !storedValues.has(value)),
    "acknowledged, and lost",
  ).toEqual([])
  expect(
    [...taken].filter(([, ids]) => ids.size > 1),
    "commanded twice",
  ).toEqual([])
  expect(
    [...taken.keys()].filter((value) => !storedValues.has(value)),
    "commanded without a reading",
  ).toEqual([])
  const doneInputs = commands.filter(({ state }) => state === "done").map(({ input }) => input)
  expect(
    doneInputs.filter((input) => !taken.has(input)),
    "done, and never arrived",
  ).toEqual([])
  expect(acknowledged.length).toBeGreaterThan(rounds * 20)
})
