/** I1 with a real process: kill -9 at random moments under load, again and again; every acknowledged reading is there once. */
import { mkdir, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { type NodeProcess, sleep, startNode, temporaryFolder } from "../rig/node-process.ts"
import { Oracle } from "../rig/oracle.ts"

/** `npm run soak -- kill --rounds N` sets it. */
const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 6)
const writers = 4

test("kill -9 under load loses no acknowledged reading and stores none twice", {
  timeout: 60_000 + rounds * 10_000,
}, async () => {
  await using folder = await temporaryFolder()
  // Small limits, so that rotation, sealing, merging and trimming happen between the kills as well.
  const settings = ["store.log.fileBytes=1MiB", "store.tables.sealRows=5000", "store.tables.sealAgeMs=1s"]
  const args = settings.flatMap((setting) => ["--set", setting])
  let node: NodeProcess = await startNode(folder.path, args)
  let isOver = false
  const oracle = new Oracle()
  const writing = Array.from({ length: writers }, (_, index) =>
    oracle.write(
      `writer-${index}`,
      1 + index * 20,
      () => node,
      () => isOver,
    ),
  )
  for (let round = 0; round < rounds; round++) {
    // From the first moments after the start to well after a few seals.
    await sleep(100 + ((round * 379) % 1500))
    await node.end("SIGKILL")
    node = await startNode(folder.path, args)
  }
  isOver = true
  await Promise.all(writing)
  const verdict = await oracle.judge(node)
  expect(await node.end("SIGTERM")).toBe(0)
  expect(verdict.acknowledged).toBeGreaterThan(rounds * 100)
  expect(verdict).toMatchObject({ lost: [], doubled: [], invented: [] })

  // What a clean end leaves is the same.
  await using again = await startNode(folder.path, args)
  expect(await oracle.judge(again)).toMatchObject({ lost: [], doubled: [], invented: [] })

  if (process.env["BRUME_SOAK_ROUNDS"] !== undefined) {
    const results = fileURLToPath(new URL("../../bench/results/", import.meta.url))
    await mkdir(results, { recursive: true })
    const { acknowledged, resent } = verdict
    const content = {
      name: "kill",
      measured: new Date().toISOString(),
      rounds,
      writers,
      acknowledged,
      resentBatches: resent,
      lost: 0,
      doubled: 0,
    }
    await writeFile(`${results}soak-kill.json`, `${JSON.stringify(content, null, 2)}\n`)
  }
})
