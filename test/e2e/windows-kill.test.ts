/** Windows and kill -9: each window with readings is told once, with all that SQL says it has, wherever the node ends. */
import { expect, test } from "vitest"
import { type NodeProcess, sleep, startNode, temporaryFolder, until } from "../rig/node-process.ts"

/** `npm run soak -- windows-kill --rounds N` sets it. */
const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 3)
const sizeMs = 200
const latenessMs = 30
const devices = 5

const start = (folder: string): Promise<NodeProcess> => startNode(folder, ["--mqtt", "127.0.0.1:0", "--insecure-mqtt"])

/** The topic says all of a window, so that the list of effects says which were told, and how often. */
const rule = {
  apiVersion: "brume.dev/v1",
  kind: "Rule",
  metadata: { name: "counted" },
  spec: {
    on: { device: "line/+", property: "n" },
    window: {
      ...{ type: "tumbling", size: `${sizeMs}ms`, allowedLateness: `${latenessMs}ms`, by: ["device"] },
      select: "count(*) AS readings, sum(value) AS total",
    },
    actions: [
      { publish: { topic: "{{ device }}/{{ window_start }}/{{ readings }}/{{ total }}", payload: "x", qos: 1 } },
    ],
  },
}

async function apply(node: NodeProcess): Promise<void> {
  const answer = await node.request("/v1/documents", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(rule),
  })
  if (!answer.ok) throw new Error(await answer.text())
}

async function targetsOf(node: NodeProcess): Promise<string[]> {
  const targets: string[] = []
  for (let cursor = ""; ; ) {
    const answer = await node.request(`/v1/effects?limit=1000${cursor}`)
    const page = (await answer.json()) as { effects: { target: string }[]; cursor?: string }
    targets.push(...page.effects.map(({ target }) => target))
    if (page.cursor === undefined) return targets.sort()
    cursor = `&cursor=${encodeURIComponent(page.cursor)}`
  }
}

/** What was received in time, by windows. */
async function expectedOf(node: NodeProcess): Promise<string[]> {
  const rows = await node.sql<{ device: string; start: number; readings: number; total: number }>(`
    SELECT device, start, count(*) AS readings, sum(value) AS total FROM (
      SELECT *, (epoch_us(time) // ${sizeMs * 1_000}) * ${sizeMs} AS start FROM readings WHERE starts_with(device, 'line/'))
    WHERE received < make_timestamp((start + ${sizeMs + latenessMs}) * 1000)
    GROUP BY ALL`)
  return rows
    .map(({ device, start, readings, total }) => `${device}/${new Date(start).toISOString()}/${readings}/${total}`)
    .sort()
}

test("each window is told once, with what it has", { timeout: 60_000 + rounds * 10_000 }, async () => {
  await using folder = await temporaryFolder()
  let node = await start(folder.path)
  await apply(node)
  let isOver = false
  const writing = (async () => {
    for (let value = 1; !isOver; value++) {
      const time = new Date().toISOString()
      const readings = Array.from({ length: devices }, (_, at) => ({
        device: `line/${at}`,
        property: "n",
        value,
        time,
      }))
      await node
        .request("/v1/readings", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(readings),
        })
        .catch(() => sleep(20))
      await sleep(5)
    }
  })()
  for (let round = 0; round < rounds; round++) {
    await sleep(250 + ((round * 379) % 900))
    await node.end("SIGKILL")
    // Sometimes so long that windows end meanwhile.
    await sleep((round * 211) % 500)
    node = await start(folder.path)
  }
  await sleep(500)
  isOver = true
  await writing
  await using _last = node
  const expected = await expectedOf(node)
  await until("all windows are told", async () => (await targetsOf(node)).length >= expected.length)
  await sleep(300)
  expect(await targetsOf(node)).toEqual(expected)
  expect(expected.length).toBeGreaterThan(rounds * devices)
})
